"""The checklist of attacks: detectors that hide their gradient fail the right item, honest ones fail none."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from rrlib import attacks, evaluation
from rrlib.analysis import trust, worst_case
from rrlib.errors import InputError
from rrlib.evaluation import probe

SIDE, EPSILON, TOLERANCE = 12, 0.03, 0.1
RULES = {name: attacks.rule(name) for name in ("noise", "fgsm", "pgd", "cw", "shift")}
KINDS = trust.Kinds(noise=["noise"], one_step=["fgsm"], iterated=["pgd", "cw", "shift"])
SIGNS = torch.where(torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) < 0.5, -1.0, 1.0)


def drawn(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey noise; fakes carry a faint pattern, reals its negative."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = 0.1 * torch.randn(count, 3, SIDE, SIDE, generator=generator)
    return (0.5 + noise + 0.02 * (2 * labels - 1)[:, None, None, None] * SIGNS).clamp(0.01, 0.99), labels


class Linear(nn.Module):
    """z = ⟨signs, x − ½⟩ · scale: in a ball of ε the worst margin is the clean one less ε · scale · pixels."""

    scale = 0.2

    def forward(self, x):
        z = self.scale * ((x - 0.5) * SIGNS.to(x.dtype)).flatten(1).sum(1)
        return torch.stack([-z / 2, z / 2], dim=1)


def trained(*layers: nn.Module) -> nn.Module:
    detector = nn.Sequential(*layers)
    x, labels = drawn(256, seed=2)
    optimiser = torch.optim.Adam(detector.parameters(), 0.003)
    for _ in range(60):
        optimiser.zero_grad()
        cross_entropy(detector(x), labels).backward()
        optimiser.step()
    return detector.eval()


def cnn() -> nn.Module:
    torch.manual_seed(0)
    return trained(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * (SIDE // 2) ** 2, 2)
    )


def smooth() -> nn.Module:
    torch.manual_seed(0)
    return trained(nn.Flatten(), nn.Linear(3 * SIDE**2, 16), nn.Tanh(), nn.Linear(16, 2))


class Scaled(nn.Module):
    """Logits so far apart that the softmax is 0 or 1."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, x):
        return 1e4 * self.detector(x)


class Quantised(Scaled):
    """Sixteen grey levels, whose rounding has no slope."""

    def seen(self, x):
        return (16 * x).round() / 16

    def forward(self, x):
        return self.detector(self.seen(x))


class StraightThrough(Quantised):
    """The same with a made-up gradient: that of no rounding."""

    def seen(self, x):
        return x + (super().seen(x) - x).detach()


class Random(Quantised):
    """A little noise, drawn anew at each look."""

    def seen(self, x):
        return x + 0.1 * torch.randn_like(x)


def checked(detector: nn.Module) -> list[trust.Item]:
    torch.manual_seed(3)
    data = drawn(64, seed=4)
    table = evaluation.evaluate(
        detector, data, RULES, [0.0, 0.01, EPSILON, 0.1], tried=True, dataset_name="d", detector_name="f"
    )
    some = probe.part(evaluation.labelled(data), 24, seed=0)
    return trust.checklist(table, KINDS, EPSILON, TOLERANCE, probe.probe(detector, some, EPSILON))


@pytest.mark.parametrize("honest", [Linear, cnn, smooth])
def test_an_honest_detector_fails_nothing(honest):
    items = checked(honest())
    assert len(items) == 11
    assert trust.failing(items) == []
    assert sum(item.verdict == trust.PASSES for item in items) >= 9


@pytest.mark.parametrize(
    ("masked", "item"),
    [
        (Scaled, "scores are not saturated"),
        (Quantised, "gradients are there"),
        (StraightThrough, "the gradient is the slope"),
        (Random, "the same input has the same answer"),
    ],
)
def test_a_masked_detector_fails_for_the_right_reason(masked, item):
    failed = {each.name: each.reason for each in trust.failing(checked(masked(cnn())))}
    assert item in failed
    others = {"scores are not saturated", "gradients are there", "the same input has the same answer"} - {item}
    assert not others & failed.keys()


def test_the_attacks_on_a_linear_detector_reach_its_known_worst_case():
    data, detector = drawn(64, seed=4), Linear()
    table = evaluation.evaluate(detector, data, RULES, [0.0, EPSILON], tried=True, dataset_name="d", detector_name="f")
    z = detector(data[0])[:, 1] - detector(data[0])[:, 0]
    reach = EPSILON * Linear.scale * 3 * SIDE**2
    worst = worst_case(table).query("epsilon > 0").set_index("sample")
    away = torch.where(z > 0, z - reach, z + reach)  # from the clean answer is where the probability has further to go
    expected = (z.sigmoid() - away.sigmoid()).abs()
    found = worst.loc[[str(number) for number in range(64)], "shift"].to_numpy()
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def table_of(attack: str, epsilon: float, right: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
    """A result table in which `right` says which samples an attack leaves right and unmoved."""
    count = len(right)
    return pd.DataFrame(
        {
            **{"dataset": "d", "detector": "f", "attack": attack, "epsilon": epsilon},
            **{"sample": [f"{n:03}" for n in range(count)], "group": range(count) if groups is None else groups},
            **{"label": 1, "p_clean": 0.9, "p_attacked": np.where(right, 0.9, 0.1), "shift": np.where(right, 0.0, 0.8)},
        }
    )


def share(count: int, of: int = 200) -> np.ndarray:
    return np.arange(of) < count


def verdicts(*tables: pd.DataFrame) -> dict[str, str]:
    kinds = trust.Kinds(noise=["noise"], one_step=["fgsm"], iterated=["pgd"])
    return {item.name: item.verdict for item in trust.from_tables(pd.concat(tables), kinds, TOLERANCE)}


def test_a_larger_ball_that_helps_fails_and_one_that_helps_by_chance_does_not():
    def over(first: np.ndarray, then: np.ndarray) -> str:
        found = verdicts(table_of("pgd", 0.01, first), table_of("pgd", 0.02, then))
        return found["a larger ε never helps"]

    assert over(share(100), share(40)) == trust.PASSES
    assert over(share(40), share(100)) == trust.FAILS
    assert over(share(40), share(43)) == trust.PASSES  # the same samples and three more: surely less than 0.05
    assert over(share(40), share(43)[::-1]) == "undecided"  # others: it may be more, and may be chance


def test_one_step_that_beats_many_fails():
    name = "many steps beat one"
    assert verdicts(table_of("fgsm", 0.1, share(20)), table_of("pgd", 0.1, share(80)))[name] == trust.FAILS
    assert verdicts(table_of("fgsm", 0.1, share(80)), table_of("pgd", 0.1, share(20)))[name] == trust.PASSES
    assert verdicts(table_of("pgd", 0.1, share(20)))[name] == "undecided"


def test_noise_that_beats_gradients_fails():
    name = "noise is weaker than gradients"
    assert verdicts(table_of("noise", 0.1, share(20)), table_of("pgd", 0.1, share(80)))[name] == trust.FAILS
    assert verdicts(table_of("noise", 0.1, share(80)), table_of("pgd", 0.1, share(20)))[name] == trust.PASSES


def test_samples_of_one_group_count_as_one_so_that_few_groups_fail_nobody():
    groups = np.repeat(np.arange(4), 50)
    name = "a larger ε never helps"
    found = verdicts(table_of("pgd", 0.01, share(50), groups), table_of("pgd", 0.02, share(100), groups))
    assert found[name] == "undecided"


def test_chance_fails_at_most_the_stated_share_of_detectors_without_fault():
    """150 detectors whose RA is the same at both ε; the item is at a risk of 5 %, corrected for its comparisons."""
    generator = np.random.default_rng(0)
    failed = 0
    for _ in range(150):
        level = generator.uniform(0.05, 0.95)
        tables = [table_of("pgd", epsilon, generator.random(100) < level) for epsilon in (0.01, 0.02)]
        failed += verdicts(*tables)["a larger ε never helps"] == trust.FAILS
    assert failed <= 7


def probed(count: int = 24, **columns: object) -> pd.DataFrame:
    fine = {
        **{"sample": [f"{n:03}" for n in range(count)], "group": range(count), "label": 1},
        **{"p_clean": 0.9, "p_again": 0.9, "gradient": True, "loss_gradient": True, "slope_error": 0.0},
        **{"rise": 1.0, "rising": 1.0, "unbounded_low": 0.0, "unbounded_high": 0.9},
        **{"square": 0.1, "long": 0.8, "long_low": 0.1, "long_high": 0.9},
    }
    return pd.DataFrame(fine | columns)


def judged(table: pd.DataFrame) -> dict[str, str]:
    worst = worst_case(table_of("pgd", EPSILON, share(0, of=len(table))))
    return {item.name: item.verdict for item in trust.from_probe(table, worst, EPSILON, TOLERANCE)}


def test_a_probe_that_shows_nothing_passes_all_items():
    assert set(judged(probed()).values()) == {trust.PASSES}


@pytest.mark.parametrize(
    ("item", "columns"),
    [
        ("gradients are there", {"gradient": ~share(6, of=24)}),
        ("scores are not saturated", {"loss_gradient": ~share(6, of=24)}),
        ("the gradient is the slope", {"slope_error": np.where(share(6, of=24), np.nan, 0.0)}),
        ("the loss rises along the way", {"rise": np.where(share(6, of=24), -0.1, 1.0)}),
        ("a black box is no stronger", {"square": np.where(share(6, of=24), 0.9, 0.1)}),
        ("the same input has the same answer", {"p_again": np.where(share(1, of=24), 0.8, 0.9)}),
    ],
)
def test_what_speaks_against_an_item_fails_it_and_no_other(item, columns):
    found = judged(probed(**columns))
    assert [name for name, verdict in found.items() if verdict == trust.FAILS] == [item]


def test_one_sample_of_many_leaves_an_item_undecided():
    assert judged(probed(gradient=~share(1, of=24)))["gradients are there"] == "undecided"


def test_three_groups_decide_nothing():
    assert judged(probed(count=3))["gradients are there"] == "undecided"


def test_what_a_smaller_ball_has_flipped_counts_as_flipped_without_a_bound():
    table = probed(unbounded_low=0.9)
    assert judged(table)["an attack without a bound succeeds"] == trust.PASSES
    worst = worst_case(table_of("pgd", EPSILON, share(24, of=24)))
    items = trust.from_probe(probed(unbounded_low=0.9, long_low=0.9, long=0.0), worst, EPSILON, TOLERANCE)
    assert {item.name: item.verdict for item in items}["an attack without a bound succeeds"] == trust.FAILS


def test_a_longer_search_that_finds_more_fails():
    worst = worst_case(table_of("pgd", EPSILON, share(24, of=24)))
    (item,) = (
        each
        for each in trust.from_probe(probed(), worst, EPSILON, TOLERANCE)
        if each.name == "a longer search changes little"
    )
    assert item.verdict == trust.FAILS
    assert "takes RA from 1.000 to 0.000 and RR(0.1) from 1.000 to 0.000" in item.reason


def test_a_probe_of_other_samples_is_refused():
    worst = worst_case(table_of("pgd", EPSILON, share(0, of=24)))
    with pytest.raises(InputError, match="the worst case has no sample 024, which was probed"):
        trust.from_probe(probed(count=25), worst, EPSILON, TOLERANCE)
