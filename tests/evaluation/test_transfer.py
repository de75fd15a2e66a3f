"""Transfer: who is fooled by adversarial inputs of another, where the answer is known."""

import pytest
import torch
from torch import nn

from rrlib import attacks, evaluation
from rrlib.detectors import build
from rrlib.errors import InputError
from rrlib.evaluation import labelled, tables, transfer

PGD = attacks.rule("pgd", steps=3)


class Channel(nn.Module):
    """P(fake) = sigmoid(20 (mean of one colour channel − ½)): two of other channels have nothing in common."""

    def __init__(self, channel: int):
        super().__init__()
        self.channel = channel
        self.slope = nn.Parameter(torch.tensor(20.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.slope * (x[..., self.channel, :, :].flatten(1).mean(dim=1) - 0.5)
        return torch.stack([torch.zeros_like(z), z], dim=1)


def separate(size: int = 8, count: int = 6) -> evaluation.Labelled:
    """Grey images, fakes of .52 and reals of .48."""
    labels = torch.arange(count) % 2
    return labelled(((0.48 + 0.04 * labels).view(-1, 1, 1, 1).expand(count, 3, size, size).clone(), labels))


def tables_of(detectors, data, **options):
    return dict(transfer.transferred(detectors, data, PGD, 0.05, attack_name="pgd", dataset_name="d", **options))


def right(table, detector):
    rows = table[table["detector"] == detector]
    return ((rows["p_attacked"] > 0.5) == (rows["label"] == 1)).mean()


def test_an_attack_does_not_carry_over_to_a_detector_of_another_channel():
    detectors = {"red": Channel(0), "green": Channel(1), "red again": Channel(0)}
    found = tables_of(detectors, dict.fromkeys(detectors, separate()))
    assert list(found) == list(detectors)
    for source, blind in (("red", "green"), ("green", "red")):
        rows = found[source][found[source]["detector"] == blind]
        assert rows["shift"].max() < 0.05  # of the random start, which is in all channels
        assert right(found[source], blind) == 1
        assert right(found[source], source) == 0
    assert right(found["red"], "red again") == 0


def test_without_a_random_start_the_other_channel_is_left_alone_bit_for_bit():
    detectors = {"red": Channel(0), "green": Channel(1)}
    plain = attacks.rule("pgd", steps=3, random_start=False)
    for source, table in transfer.transferred(detectors, dict.fromkeys(detectors, separate()), plain, 0.05):
        (other,) = detectors.keys() - {source}
        assert (table.loc[table["detector"] == other, "shift"] == 0).all()
        assert right(table, source) == 0
        assert right(table, other) == 1


@pytest.mark.parametrize("batch_size", [4, 7])
def test_the_diagonal_is_the_table_of_that_attack_at_that_epsilon(separable, batch_size):
    data = separable(7)
    detectors = {"a": build("resnet", 32, seed=0), "b": build("meso4", 32, seed=1)}
    found = tables_of(detectors, dict.fromkeys(detectors, data), batch_size=batch_size)
    for name, detector in detectors.items():
        own = evaluation.evaluate(detector, data, {"pgd": PGD}, [0, 0.05], batch_size=batch_size)
        own = own[own["epsilon"] == 0.05].reset_index(drop=True)
        rows = found[name][found[name]["detector"] == name].reset_index(drop=True)
        tables.check(found[name], "transfer")
        for column in ("sample", "group", "label", "p_clean", "p_attacked", "shift", "linf", "gradient", "attack"):
            assert rows[column].tolist() == own[column].tolist(), column


def test_a_source_at_a_time_gives_what_all_together_give(separable):
    data = separable(5)
    detectors = {"a": build("resnet", 32, seed=0), "b": build("meso4", 32, seed=1)}
    together = tables_of(detectors, dict.fromkeys(detectors, data))
    alone = tables_of(detectors, dict.fromkeys(detectors, data), sources=["b"])
    assert list(alone) == ["b"]
    assert alone["b"].equals(together["b"])


def test_between_two_input_sizes_the_perturbation_is_resized_and_stays_in_the_ball():
    detectors, data = {"small": Channel(0), "large": Channel(0)}, {"small": separate(8), "large": separate(12)}
    for table in tables_of(detectors, data).values():
        tables.check(table, "transfer")
        assert right(table, "small") == right(table, "large") == 0
        assert table["linf"].max() <= 0.05 + 1e-6


def test_no_perturbation_is_no_shift_between_two_sizes():
    x, theirs = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 12, 12)
    assert torch.equal(transfer.carried(theirs, x, x), theirs)


def test_clips_are_carried_over_frame_by_frame():
    x, theirs = torch.full((1, 2, 3, 4, 4), 0.5), torch.full((1, 2, 3, 8, 8), 0.5)
    moved = x.clone()
    moved[:, 1] += 0.1
    seen = transfer.carried(theirs, x, moved)
    assert torch.equal(seen[:, 0], theirs[:, 0])
    assert seen[:, 1].numpy() == pytest.approx(0.6)


def test_what_cannot_be_transferred_is_told():
    detectors, data = {"a": Channel(0), "b": Channel(1)}, {"a": separate(count=4), "b": separate(count=6)}
    with pytest.raises(InputError, match=r"^b and a would see different samples; give both the same in one order"):
        tables_of(detectors, data)
    same = dict.fromkeys(detectors, separate())
    with pytest.raises(InputError, match=r"^source\.c is not known; choose from a, b"):
        tables_of(detectors, same, sources=["c"])
    with pytest.raises(InputError, match=r"^epsilon is 0, where nothing is attacked"):
        next(transfer.transferred(detectors, same, PGD, 0))
