"""One cell to one table, with a detector whose attacked probabilities are known in closed form."""

import copy
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from rrlib.attacks import rule
from rrlib.attacks.rules import PGD
from rrlib.detectors.catalogue import build
from rrlib.errors import InputError
from rrlib.evaluation import Cell, batches, evaluate, probabilities, scores_over_time, tables, training
from rrlib.metrics import DISTANCES

SLOPE = 8.0
LEVELS = [0.3, 0.45, 0.55, 0.6, 0.65, 0.7]  # ε = 0.2 stays inside [0, 1]
LABELS = [0, 0, 0, 1, 1, 1]
EPSILONS = [0, 0.02, 0.1, 0.2]


def sigmoid(z: float) -> float:
    return 1 / (1 + np.exp(-z))


@pytest.fixture
def greys(in_memory):
    """Six images of one grey each; the first two and the last two share a group."""
    images = torch.tensor(LEVELS).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()
    return in_memory(images, LABELS, groups=["video1", "video1", "video2", "video3", "video4", "video4"])


@pytest.fixture
def noisy(separable):
    return separable(8)


@pytest.fixture(scope="module")
def trained_on(separable):
    """A detector that has learned its task, so that attacks have gradients to follow."""
    detector = build("resnet", 32, seed=0)
    training.train(detector, separable(32), separable(16, seed=2), training.Recipe(epochs=2, batch_size=8), seed=0)
    return detector


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_probabilities_shifts_and_sizes_are_those_of_the_closed_form(brightness, greys, attack):
    table = evaluate(brightness(SLOPE), greys, attack, EPSILONS)
    for row in table.itertuples():
        level = LEVELS[LABELS.index(row.label) + int(row.sample.removeprefix("sample")) % 3]
        towards = 1 if row.label == 0 else -1
        p_clean, p_attacked = (sigmoid(SLOPE * (level + towards * e - 0.5)) for e in (0, row.epsilon))
        assert row.p_clean == pytest.approx(p_clean, abs=1e-6)
        assert row.p_attacked == pytest.approx(p_attacked, abs=1e-6)
        assert row.shift == pytest.approx(abs(p_attacked - p_clean), abs=1e-6)
        assert row.linf == pytest.approx(row.epsilon, abs=1e-6)


def test_ra_and_rr_are_those_of_the_closed_form(brightness, greys):
    table = evaluate(brightness(SLOPE), greys, "pgd", EPSILONS)
    right = (table["p_attacked"] > 0.5) == (table["label"] == 1)
    # real images of 0.3 and 0.45 and fakes of 0.6, 0.65, 0.7 are right until ε passes their distance to 0.5;
    # 0.3 at ε = 0.2 and 0.6 at ε = 0.1 come to lie on it, where rounding decides
    assert right.groupby(table["epsilon"]).sum().loc[[0, 0.02]].tolist() == [5, 5]
    assert right[(table["epsilon"] == 0.1) & (table["sample"] != "sample3")].sum() == 3
    shift = [abs(sigmoid(SLOPE * (level + 0.1 * (1 - 2 * y) - 0.5)) - sigmoid(SLOPE * (level - 0.5)))
             for level, y in zip(LEVELS, LABELS, strict=True)]  # fmt: skip
    robust = table[table["epsilon"] == 0.1]["shift"] <= 0.15
    assert robust.tolist() == [each <= 0.15 for each in shift]
    assert 0 < robust.mean() < 1


def test_rows_go_by_sample_and_then_by_epsilon(brightness, greys):
    table = evaluate(brightness(SLOPE), greys, "pgd", EPSILONS, batch_size=4)
    assert table["sample"].tolist() == [f"sample{n}" for n in range(6) for _ in EPSILONS]
    assert table["epsilon"].tolist() == EPSILONS * 6
    assert table.index.tolist() == list(range(24))


def test_samples_groups_and_labels_are_those_of_the_data_set(brightness, greys):
    table = evaluate(brightness(SLOPE), greys, "pgd", [0.1], batch_size=4)
    pd.testing.assert_frame_equal(table[["sample", "group", "label"]], greys.table, check_dtype=False)


def test_the_names_of_the_cell_are_in_every_row(brightness, greys):
    cell = Cell("faces", "grey", "strong")
    rules = {"strong": PGD(steps=2)}
    table = evaluate(brightness(SLOPE), greys, rules, [0, 0.1], dataset_name="faces", detector_name="grey")
    assert {Cell(*names) for names in table[["dataset", "detector", "attack"]].to_numpy().tolist()} == {cell}
    assert str(cell) == "faces/grey/strong"


@pytest.mark.parametrize("attack", ["noise", "fgsm", "pgd", "cw"])
def test_epsilon_zero_is_the_clean_input(noisy, attack):
    clean = evaluate(build("resnet", 32, seed=0), noisy, attack, [0, 0.05]).query("epsilon == 0")
    assert (clean["p_attacked"] == clean["p_clean"]).all()
    assert (clean["shift"] == 0).all()
    assert (clean["linf"] == 0).all()
    assert clean["gradient"].isna().all()


@pytest.mark.parametrize("attack", ["noise", "fgsm", "pgd", "cw"])
def test_every_attack_gives_a_table_that_can_be_written(tmp_path, noisy, attack):
    table = evaluate(build("resnet", 32, seed=0), noisy, attack, [0, 0.01, 0.2])
    tables.write(tmp_path / "cell.parquet", table)
    assert (table["linf"] <= table["epsilon"] + 1e-6).all()
    assert table["linf"].max() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("attack", ["noise", "pgd", "cw"])
@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_batch_size_does_not_change_the_table(noisy, attack, batch_size):
    detector = build("resnet", 32, seed=0)
    expected = evaluate(detector, noisy, attack, [0, 0.01, 0.1], batch_size=8)
    found = evaluate(detector, noisy, attack, [0, 0.01, 0.1], batch_size=batch_size)
    pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "attack",
    ["noise", "fgsm", rule("pgd", steps=4), rule("cw", steps=4), rule("cw_l2", steps=8, search_steps=2),
     rule("shift", steps=3)],
    ids=["noise", "fgsm", "pgd", "cw", "cw_l2", "shift"],
)  # fmt: skip
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_tables_are_equal_for_any_batch_size_and_two_threads(trained_on, separable, attack, batch_size):
    """In float32, as a study runs: a sign of a gradient that is nearly zero may flip, so numbers within 1e-5."""
    detector, data = trained_on, separable(20, seed=1)
    expected = evaluate(detector, data, attack, [0, 0.01, 0.1], batch_size=20)
    torch.set_num_threads(2)
    try:
        found = evaluate(detector, data, attack, [0, 0.01, 0.1], batch_size=batch_size)
    finally:
        torch.set_num_threads(1)
    pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-5)


def test_the_processes_that_read_ahead_change_nothing(noisy):
    detector = build("resnet", 32, seed=0)
    expected = evaluate(detector, noisy, "pgd", [0, 0.1], batch_size=3)
    pd.testing.assert_frame_equal(evaluate(detector, noisy, "pgd", [0, 0.1], batch_size=3, workers=2), expected)


def test_an_evaluation_can_be_of_some_batches_alone(noisy):
    detector = build("resnet", 32, seed=0)
    whole = list(batches(detector, noisy, {"pgd": rule("pgd")}, [0, 0.1], batch_size=3))
    some = list(batches(detector, noisy, {"pgd": rule("pgd")}, [0, 0.1], batch_size=3, numbers=[0, 2]))
    assert [len(part) for part in whole] == [6, 6, 4]
    for a, b in zip(whole[::2], some, strict=True):
        pd.testing.assert_frame_equal(a, b)
    assert list(batches(detector, noisy, {"pgd": rule("pgd")}, [0, 0.1], batch_size=3, numbers=[])) == []


def test_the_table_says_what_was_attacked(noisy, brightness, greys):
    assert evaluate(brightness(SLOPE), greys, "fgsm", [0.1], fold=False).attrs == {"attacked": "the detector itself"}
    said = evaluate(build("resnet", 32, seed=0), noisy, "fgsm", [0.1]).attrs["attacked"]
    assert said.startswith("a copy with 9 batch norms folded into convolutions")


def test_what_is_reported_is_what_the_detector_says_of_images_found_on_its_copy(noisy):
    """Folding moves probabilities by rounding: none of that is in p_clean, and ε = 0 has no shift."""
    detector = build("resnet", 32, seed=0).eval()
    folded, plain = (evaluate(detector, noisy, "pgd", [0, 0.1], fold=fold) for fold in (True, False))
    assert folded["p_clean"].tolist() == plain["p_clean"].tolist()
    assert folded["p_attacked"].tolist() == pytest.approx(plain["p_attacked"].tolist(), abs=1e-4)


def test_the_same_seed_gives_the_same_table_and_another_seed_another(noisy):
    detector = build("resnet", 32, seed=0)
    first = evaluate(detector, noisy, "noise", [0.1], seed=1)
    pd.testing.assert_frame_equal(evaluate(detector, noisy, "noise", [0.1], seed=1), first)
    assert (evaluate(detector, noisy, "noise", [0.1], seed=2)["p_attacked"] != first["p_attacked"]).all()


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_shift_is_the_distance_asked_for(noisy, distance):
    table = evaluate(build("resnet", 32, seed=0), noisy, "pgd", [0.1], distance=distance)
    p, q = (torch.tensor(table[name]) for name in ("p_clean", "p_attacked"))
    expected = DISTANCES[distance](torch.stack([1 - p, p], 1), torch.stack([1 - q, q], 1))
    assert table["shift"].tolist() == pytest.approx(expected.tolist(), abs=1e-12)


def test_whether_there_was_a_gradient_is_in_the_table(brightness, greys):
    assert evaluate(brightness(SLOPE), greys, "pgd", [0.1])["gradient"].tolist() == [True] * 6
    assert evaluate(brightness(0), greys, "pgd", [0.1])["gradient"].tolist() == [False] * 6
    assert evaluate(brightness(SLOPE), greys, "noise", [0.1])["gradient"].isna().all()


@pytest.mark.parametrize("training", [True, False])
def test_the_detector_stays_as_it_was(noisy, training):
    detector = build("resnet", 32, seed=0).train(training)
    detector.classifier.weight.requires_grad_(False)
    detector.stem[0].weight.grad = torch.ones_like(detector.stem[0].weight)
    weights = copy.deepcopy(detector.state_dict())
    flags = [(parameter.requires_grad, parameter.grad is None) for parameter in detector.parameters()]
    evaluate(detector, noisy, "pgd", [0, 0.1])
    assert {module.training for module in detector.modules()} == {training}
    assert all(torch.equal(tensor, weights[name]) for name, tensor in detector.state_dict().items())
    assert [(parameter.requires_grad, parameter.grad is None) for parameter in detector.parameters()] == flags
    assert (detector.stem[0].weight.grad == 1).all()


def test_torchs_global_generator_is_not_used(noisy):
    state = torch.get_rng_state()
    evaluate(build("resnet", 32, seed=0), noisy, "pgd", [0, 0.1])
    assert torch.equal(torch.get_rng_state(), state)


def test_probabilities_near_one_are_not_rounded_to_it():
    class Sure(nn.Module):
        def forward(self, x):
            return torch.tensor([[0.0, 30.0]]).repeat(len(x), 1)

    (p,) = probabilities(Sure()(torch.zeros(1, 3, 2, 2)))
    assert p.dtype == torch.float64
    assert p[0].item() == pytest.approx(np.exp(-30), rel=1e-9)
    assert p[1].item() < 1


def test_a_detector_that_returns_nan_is_named(brightness, greys):
    message = (
        "grey returned NaN or infinite logits for an ordinary picture of shape (2, 3, 4, 4); "
        "check its weights and its normalisation"
    )
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        evaluate(brightness(float("nan")), greys, "pgd", [0.1], dataset_name="faces", detector_name="grey")


def test_a_detector_with_one_logit_is_told_what_to_do(greys):
    message = (
        "grey returned one logit per sample (shape (2, 1)) where two, [real, fake], are needed; "
        "wrap it in rrlib.detectors.contract.OneLogit"
    )
    detector = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        evaluate(detector, greys, "pgd", [0.1], dataset_name="faces", detector_name="grey")


def test_probabilities_are_not_taken_for_logits(brightness, greys):
    message = "grey returns probabilities, in [0, 1] and with the sum 1, where logits are due; leave out"
    with pytest.raises(InputError, match="^" + re.escape(message)):
        evaluate(nn.Sequential(brightness(SLOPE), nn.Softmax(dim=1)), greys, "pgd", [0.1], detector_name="grey")


def test_wrong_epsilons_are_refused_before_any_attack(brightness, greys):
    message = "epsilons: 0.05 follows 0.1; list them in increasing order"
    with pytest.raises(InputError, match=re.escape(message)):
        evaluate(brightness(SLOPE), greys, "pgd", [0.1, 0.05])


def test_the_score_over_time_ends_with_that_of_the_whole_clip():
    detector = build("frame-mean-resnet", 32, seed=0)
    clip = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    scores = scores_over_time(detector, clip)
    with torch.no_grad():
        of_frames = detector.eval().detector(clip).double().softmax(dim=1)[:, 1]
    assert scores == pytest.approx([float(of_frames[: count + 1].mean()) for count in range(4)], abs=1e-6)
    assert not detector.training


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++")
def test_a_compiled_copy_gives_the_same_table(noisy):
    generator = torch.Generator().manual_seed(0)
    detector = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    detector.append(nn.Linear(4, 2))
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    plain = evaluate(detector, noisy, "fgsm", [0, 0.1])
    compiled = evaluate(detector, noisy, "fgsm", [0, 0.1], compiled=True)
    pd.testing.assert_frame_equal(compiled, plain, rtol=0, atol=1e-5)
    assert compiled.attrs["attacked"] == plain.attrs["attacked"] + "; compiled"


def rows_of(data, attack="pgd", epsilons=(0, 0.1), slope=SLOPE):
    return evaluate(Slope(slope), data, attack, epsilons)[["epsilon", "label", "p_clean", "p_attacked", "shift"]]


class Slope(nn.Module):
    """P(fake) grows with the mean pixel."""

    def __init__(self, slope: float):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.slope * (x.flatten(1).mean(dim=1) - 0.5)
        return torch.stack([torch.zeros_like(z), z], dim=1)


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0, 1, 0])


@pytest.mark.parametrize(
    "given",
    [
        lambda x, y: (x.numpy(), y.numpy()),
        lambda x, y: [x, y],
        lambda x, y: TensorDataset(x, y),
        lambda x, y: DataLoader(TensorDataset(x, y), batch_size=4),
        lambda x, y: DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True),
        lambda x, y: list_set([(image, int(label)) for image, label in zip(x, y, strict=True)]),
    ],
)
def test_the_same_samples_in_any_form_give_the_same_rows(given):
    x, y = pairs()
    pd.testing.assert_frame_equal(rows_of(given(x, y)), rows_of((x, y)))


def list_set(items: list) -> torch.utils.data.Dataset:
    class Listed(torch.utils.data.Dataset):
        def __len__(self):
            return len(items)

        def __getitem__(self, index):
            return items[index]

    return Listed()


def test_a_loaders_collate_function_is_applied():
    x, y = pairs()

    def darker(items):
        images, labels = torch.utils.data.default_collate(items)
        return images / 2, labels

    loader = DataLoader(TensorDataset(x, y), batch_size=2, collate_fn=darker)
    pd.testing.assert_frame_equal(rows_of(loader), rows_of((x / 2, y)))


@pytest.mark.parametrize("epsilons", [np.array([0, 0.1]), torch.tensor([0, 0.1], dtype=torch.float64), (0, 0.1)])
def test_epsilons_of_any_kind(epsilons):
    pd.testing.assert_frame_equal(rows_of(pairs(), epsilons=epsilons), rows_of(pairs(), epsilons=[0, 0.1]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.rand(3, 3, 4, 4), torch.tensor([0, 1])), "3 images and 2 labels are given; give one label for each"),
        (torch.rand(3, 3, 4, 4), "a Tensor is given as data; give (images, labels), a data set of (image, label) with"),
        (TensorDataset(torch.rand(3, 3, 4, 4)), "the data set gives a tuple; each sample is a pair (image, label)"),
    ],
)
def test_other_data_is_answered_with_what_is_taken(data, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        rows_of(data)


def test_several_attacks_at_once_are_each_as_alone():
    rules = {"noise": rule("noise"), "pgd": rule("pgd", steps=3), "short": rule("pgd", steps=2)}
    together = evaluate(Slope(SLOPE), pairs(), rules, [0, 0.1])
    alone = [evaluate(Slope(SLOPE), pairs(), {name: each}, [0, 0.1]) for name, each in rules.items()]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True))
