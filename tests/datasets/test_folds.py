"""Cross-fitting: over all folds each sample is tested once, by a detector that has seen none of its group."""

import pandas as pd
import pytest

from rrlib.datasets import Folder, folds, prepare
from rrlib.datasets.manifest import read
from rrlib.errors import InputError


@pytest.fixture
def frame() -> pd.DataFrame:
    """Twenty groups of two images in each class."""
    rows = [(f"{label}{group}", label) for label in (0, 1) for group in range(20) for _ in range(2)]
    return pd.DataFrame(rows, columns=["group", "label"])


def of(frame: pd.DataFrame, number: int, count: int = 4, seed: int = 0) -> pd.Series:
    return folds.split(frame, number, count, seed, "faces")


def test_each_sample_is_tested_once_over_all_folds(frame):
    tested = sum((of(frame, number) == "test").astype(int) for number in (1, 2, 3, 4))
    assert (tested == 1).all()


def test_no_group_is_cut_and_every_split_has_both_classes_in_like_number(frame):
    for number in (1, 2, 3, 4):
        split = of(frame, number)
        assert (split.groupby(frame["group"]).nunique() == 1).all()
        counts = frame.groupby([split, "label"]).size().unstack()
        assert (counts[0] == counts[1]).all()
        assert counts.loc["test", 0] == 10


def test_the_order_of_rows_changes_nothing_and_another_seed_does(frame):
    shuffled = frame.sample(frac=1, random_state=3)
    assert of(shuffled, 2).sort_index().equals(of(frame, 2))
    assert not of(frame, 2, seed=1).equals(of(frame, 2))


def test_too_few_groups_are_refused(frame):
    with pytest.raises(InputError) as caught:
        of(frame, 1, count=30)
    assert str(caught.value).startswith("faces: the real images fall into 20 groups, but 1, 2, 3")


@pytest.mark.parametrize(
    ("fold", "said"),
    [
        ({"number": 4, "of": 3}, "datasets.faces.fold.number is 4, but there are 3 folds; write one from 1 to 3"),
        ({"number": 1, "of": 1}, "datasets.faces.fold.of is 1; "),
        (3, "datasets.faces.fold holds 3; it holds the keys number, of"),
    ],
)
def test_a_fold_that_is_none_is_refused(fold, said):
    with pytest.raises(InputError) as caught:
        Folder(source="faces", seed=0, fold=fold, where="datasets.faces")
    assert str(caught.value).startswith(said)


def test_a_folder_is_prepared_by_its_fold(tmp_path):
    from PIL import Image

    for label, name in enumerate(("real", "fake")):
        for number in range(12):
            path = tmp_path / "faces" / name / f"{name}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, label, 7)).save(path)
    tested = []
    for number in (1, 2, 3):
        kind = Folder(source=str(tmp_path / "faces"), seed=0, fold={"number": number, "of": 3})
        prepare("faces", kind, tmp_path / str(number))
        manifest = read(tmp_path / str(number))
        assert manifest["split"].value_counts()["test"] == 8
        tested += manifest.query("split == 'test'")["sample"].tolist()
    assert len(set(tested)) == len(tested) == 24
