"""The benchmark counts what it says, and compares attacks that are the same."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    """The benchmark's files import each other, as scripts of one folder do; its libraries may be installed beside."""
    monkeypatch.syspath_prepend(str(BENCHMARKS / ".peers"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def batch():
    from subjects import untrained

    x = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    detector = untrained("resnet", 32, x)
    return detector, x, detector(x).argmax(dim=1)


def test_a_forward_counts_only_where_no_backward_follows():
    from counting import counted

    linear, x = nn.Linear(3, 2), torch.rand(4, 3)
    with counted(linear) as passes:
        linear(x)
        with torch.no_grad():
            linear(x)
        twice = linear(x)
        twice.sum().backward(retain_graph=True)
        twice.sum().backward()
    linear(x)
    assert (passes.gradients, passes.forwards) == (2, 2)


def test_the_labels_are_the_detectors_own_answers():
    from subjects import subject

    resnet = subject("resnet", torch.device("cpu"))
    assert resnet.x.shape == (16, 3, 64, 64)
    assert len(resnet.x.unique(dim=0)) == 16
    assert torch.equal(resnet.detector(resnet.x).argmax(dim=1), resnet.labels)
    assert set(resnet.labels.tolist()) == {0, 1}


def test_this_sweep_asks_at_most_for_the_least_work():
    from counting import counted
    from ours import least_work, this_sweep
    from peers import Setting

    detector, x, labels = batch()
    setting = Setting(epsilons=(0.01, 0.1), pgd_steps=3, cw_steps=4)
    asked = []
    for run in (this_sweep, least_work):
        with counted(detector) as passes:
            run(detector, detector, x, labels, setting)
        asked.append((passes.gradients, passes.forwards))
    # what is saved: one clean gradient serves FGSM, both starts of PGD, and CW, whose images lie in both balls
    assert asked == [(1 + 2 * (3 - 1) + 4 - 1, 6 - 1), (1 + 2 * 3 + 4, 6)]


@pytest.mark.parametrize(
    ("peer", "module"),
    [("torchattacks", "torchattacks"), ("foolbox", "foolbox"), ("art", "art"), ("cleverhans", "cleverhans.torch")],
)
def test_every_library_makes_the_same_images_of_fgsm_and_pgd(peer, module):
    pytest.importorskip(module, reason=f"`make bench` installs {peer}")
    from peers import PEERS, Setting

    from rrlib.attacks import rule, sweep

    detector, x, labels = batch()
    setting = Setting(epsilons=(0.01, 0.1), pgd_steps=3, cw_steps=10, cw_c=100, cw_learning_rate=0.05)
    theirs = {(name, epsilon): images for name, epsilon, images in PEERS[peer](detector, x, labels, setting)}
    for attack in ("fgsm", rule("pgd", steps=3, random_start=False)):
        name = attack if isinstance(attack, str) else "pgd"
        for step in sweep(attack, detector, x, labels, setting.epsilons):
            # but for pixels whose gradient is nearly 0, where rounding decides on the sign
            same = (step.images - theirs[name, step.epsilon]).abs() < 1e-5
            assert same.float().mean() > 0.99, (name, step.epsilon)
    for epsilon in setting.epsilons:
        moved = theirs["cw", epsilon] - x
        assert 0 < moved.abs().max() <= epsilon + 1e-6


def test_time_that_is_covered_twice_counts_once():
    from throughput import covered

    assert covered([(3, 4), (0, 2), (1, 3), (6, 7), (6.25, 6.5)]) == 5
    assert covered([]) == 0


def test_the_throughput_of_this_sweep_and_of_torchattacks_is_told(monkeypatch, capsys):
    import throughput

    monkeypatch.setattr(throughput, "SIZES", {"meso4": 32})
    monkeypatch.setattr("sys.argv", ["throughput.py", "--batch", "2", "--rounds", "1"])
    monkeypatch.setitem(throughput.PLANS, "meso4", throughput.PLANS["xception"])  # new weights, drawn images
    throughput.main()
    lines = capsys.readouterr().out.splitlines()
    assert "samples/s" in lines[0]
    assert len(lines) == 1 + len(throughput.WHO)
    for line in lines[1:]:
        speed, ratio, share = line.split()[-3:]
        assert float(speed) > 0
        assert float(ratio) > 0
        assert 0 < float(share.rstrip("%")) <= 100


class Line(nn.Module):
    """A linear detector: every attack that follows its gradient finds the worst case."""

    def forward(self, x):
        z = ((x - 0.5) * torch.ones(3, 8, 8)).flatten(1).sum(1)
        return torch.stack([-z, z], dim=1)


@pytest.mark.parametrize(("rule", "gap"), [("pgd", 0.0), ("noise", 1.0)])
def test_a_gap_is_what_a_longer_search_finds_beyond_the_study(monkeypatch, rule, gap):
    import tightness

    from rrlib import attacks, evaluation

    x = 0.5 + 0.0005 * torch.ones(4, 3, 8, 8)  # a margin of 0.2 logits
    data = evaluation.labelled((x, torch.ones(4, dtype=torch.long)))
    shorter = {"shift, longer": attacks.rule("shift", steps=4, schedule="apgd")}
    monkeypatch.setattr(tightness, "LONGER", shorter)
    asked = SimpleNamespace(epsilons=[0, 0.02], tolerances=[0.3], distance="linf", seed=0, fold=True)
    names = {"dataset": "d", "detector": "line", "attacks": "", "shift": ""}
    (row,) = tightness.rows(Line(), data, [0, 1, 2], {rule: attacks.rule(rule)}, asked, names).to_dict("records")
    assert (row["samples"], row["gap in RR"], row["gap in RA"]) == (3, gap, gap)
    assert row["searched"] == (3 if gap else 0)  # pgd has turned all three over as far as any tolerance asks


def test_two_processors_are_set_side_by_side_row_by_row():
    import pandas as pd
    from processors import numbers

    from rrlib.errors import InputError

    here = pd.DataFrame(
        {
            "dataset": "d",
            "detector": "f",
            "attack": ["pgd", "pgd", "shift", "shift"],
            "sample": ["a", "b", "a", "b"],
            "epsilon": 0.1,
            "label": [1, 0, 1, 0],
            "p_clean": 0.5,
            "p_attacked": [0.55, 0.45, 0.52, 0.48],
            "shift": [0.05, 0.05, 0.02, 0.02],
        }
    )
    there = here.assign(p_attacked=[0.55, 0.55, 0.52, 0.479], shift=[0.05, 0.05, 0.02, 0.021])
    (row,) = numbers(here, there).to_dict("records")
    assert (row["largest |ΔRA|"], row["largest |ΔRR|"], row["in"]) == (0.5, 0, "pgd, ε = 0.1")
    assert row["largest |Δp|"] == pytest.approx(0.1)
    assert (row["rows"], row["with |Δp| > 0.02"]) == (4, 1)
    assert numbers(here, here)[["largest |Δp|", "in"]].values.tolist() == [[0, "–"]]
    with pytest.raises(InputError, match=r"^d/f has other rows there; run the same study in both folders$"):
        numbers(here, there.iloc[1:])
