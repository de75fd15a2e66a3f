"""The probe of a few samples: which are taken, that a row is its sample's own, and that it survives its file."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from rrlib import evaluation
from rrlib.detectors import build
from rrlib.errors import InputError
from rrlib.evaluation import probe


class Grouped:
    def __init__(self, groups: list[str]) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.rand(len(groups), 3, 32, 32, generator=generator)
        self.table = pd.DataFrame({"sample": [f"s{n}" for n in range(len(groups))], "group": groups})

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        return self.x[index], index % 2, index


def test_groups_are_taken_whole_and_by_the_seed_alone():
    data = Grouped([f"g{n // 2}" for n in range(40)])
    part = probe.part(data, 7, seed=0)
    assert len(part) == 8
    assert (data.table["group"].iloc[part.numbers].value_counts() == 2).all()
    assert probe.part(data, 7, seed=0).numbers == part.numbers
    assert probe.part(data, 7, seed=1).numbers != part.numbers


def test_a_large_group_gives_some_of_its_samples():
    part = probe.part(Grouped(["a"] * 30 + ["b"] * 30), 16, seed=0)
    assert len(part) == 2 * probe.MOST_OF_GROUP


def test_samples_keep_their_numbers():
    data = Grouped([f"g{n}" for n in range(10)])
    part = probe.part(data, 3, seed=0)
    assert [part[index][2] for index in range(len(part))] == part.numbers
    torch.testing.assert_close(part[1][0], data.x[part.numbers[1]])


@pytest.fixture(scope="module")
def found() -> tuple[nn.Module, probe.Part, pd.DataFrame]:
    detector = build("resnet", 32, seed=0).eval()
    part = probe.part(Grouped([f"g{n}" for n in range(12)]), 4, seed=0)
    return detector, part, probe.probe(detector, part, 0.02)


def test_a_row_does_not_depend_on_its_batch(found):
    detector, part, together = found
    alone = probe.probe(detector, part, 0.02, at_once=1)
    assert list(together) == list(probe.COLUMNS)
    for column, kind in probe.COLUMNS.items():
        if kind == "float64":
            np.testing.assert_allclose(together[column], alone[column], atol=1e-4, rtol=1e-3, err_msg=column)
        else:
            assert together[column].tolist() == alone[column].tolist()


def test_the_detector_is_as_before(found):
    detector, part, _ = found
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    detector.train()
    probe.probe(detector, part, 0.02)
    assert detector.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.state_dict().items())
    detector.eval()


def test_the_clean_probability_is_that_of_an_evaluation(found):
    detector, part, table = found
    clean = evaluation.evaluate(detector, part, "noise", [0.0], tried=True)
    np.testing.assert_allclose(table["p_clean"], clean["p_clean"], atol=1e-6)


def test_a_file_gives_back_what_was_written_and_equal_probes_are_equal_bytes(found, tmp_path):
    _, _, table = found
    for name in ("one.json", "two.json"):
        probe.write(tmp_path / name, table, {"epsilon": 0.02})
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    back = probe.read(tmp_path / "one.json")
    assert back.attrs == {"epsilon": 0.02}
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-5)


def test_a_damaged_or_absent_file_is_said(tmp_path):
    with pytest.raises(InputError, match="is absent; make it with `dvc repro`"):
        probe.read(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"about": {}, "rows": [{"sample"')
    with pytest.raises(InputError, match="a whole probe"):
        probe.read(tmp_path / "bad.json")


def test_without_a_radius_nothing_is_probed(found):
    detector, part, _ = found
    with pytest.raises(InputError, match="epsilon is 0, where nothing is attacked"):
        probe.probe(detector, part, 0.0)
