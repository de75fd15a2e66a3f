"""Facts about manifests and about splits that keep groups whole."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrlib.datasets import manifest
from rrlib.errors import InputError


def sound() -> pd.DataFrame:
    """Six images: a real and a fake one per split, one group each."""
    samples = ["real/1", "real/2", "real/3", "fake/1", "fake/2", "fake/3"]
    return pd.DataFrame(
        {
            "sample": samples,
            "path": [f"{sample}.png" for sample in samples],
            "label": [0, 0, 0, 1, 1, 1],
            "group": ["001", "NA", "3,0", "001", "NA", "3,0"],
            "split": ["train", "validation", "test"] * 2,
            "family": ["", "", "", "swap", "swap", "swap"],
            "sha256": list("abcdef"),
        }
    )


def changed(column: str, row: int, value: object) -> pd.DataFrame:
    frame = sound().astype({column: object})
    frame.loc[row, column] = value
    return frame


def test_what_is_written_is_read_back_and_strings_stay_strings(tmp_path):
    manifest.write(tmp_path, sound())
    expected = sound().sort_values("sample", ignore_index=True)
    pd.testing.assert_frame_equal(manifest.read(tmp_path), expected, check_dtype=False)
    assert manifest.read(tmp_path)["label"].dtype == int


def test_the_bytes_do_not_depend_on_the_order_of_rows_and_columns(tmp_path):
    manifest.write(tmp_path, sound())
    first = (tmp_path / "manifest.csv").read_bytes()
    manifest.write(tmp_path, sound().iloc[::-1, ::-1])
    assert (tmp_path / "manifest.csv").read_bytes() == first
    assert first.startswith(b"sample,path,label,group,split,family,sha256\nfake/1,fake/1.png,1,001,train,swap,d\n")


def test_a_bad_frame_leaves_the_manifest_as_it_was(tmp_path):
    manifest.write(tmp_path, sound())
    before = (tmp_path / "manifest.csv").read_bytes()
    with pytest.raises(InputError):
        manifest.write(tmp_path, changed("label", 0, 2))
    assert (tmp_path / "manifest.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            sound().drop(columns=["group", "family"]),
            "here lacks the columns group, family; a manifest has sample, path, label, group, split, family, sha256",
        ),
        (sound().iloc[:0], "here names no image; list real and fake images"),
        (
            changed("label", 1, "fake"),
            "here: row 3 has the label 'fake'; a label is 0 (real) or 1 (fake), correct it",
        ),
        (
            changed("split", 5, "val"),
            "here: row 7 has the split 'val'; a split is one of train, validation, test, correct it",
        ),
        (changed("group", 0, ""), "here: row 2 has the group ''; a group is a name that is not empty, correct it"),
        (
            changed("path", 0, "/real/1.png"),
            "here: row 2 has the path '/real/1.png', but the paths of a prepared data set lead from its own folder; "
            "prepare the data set anew",
        ),
        (
            changed("sample", 0, "fake/1"),
            "here: the sample fake/1 occurs more than once (real/1.png, fake/1.png); rename or remove all but one",
        ),
        (
            sound().drop(index=4),
            "here: the split validation holds one class only (real); give it real and fake images",
        ),
        (
            changed("group", 0, "NA"),
            "here: the group NA is in two splits, train (real/1.png) and validation (real/2.png); "
            "put the whole group into one split",
        ),
        (
            changed("sha256", 0, "c"),
            "here: the sha256 c is in two splits, train (real/1.png) and test (real/3.png); "
            "keep one copy of this image or give both the same group",
        ),
    ],
)
def test_a_manifest_that_a_study_cannot_rely_on_is_refused(frame, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        manifest.check(frame, "here")


def test_a_split_may_be_absent():
    manifest.check(sound().query("split == 'test'"), "here")


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'manifest.csv'} cannot be read")):
        manifest.read(tmp_path)


def test_a_row_of_another_length_is_named(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\na.png,0\nb.png,1,extra\n")
    with pytest.raises(InputError, match=r"list\.csv: row 3 has 3 cells, but the header has 2; repair it$"):
        manifest.read_text(tmp_path / "list.csv")


def test_the_mark_that_spreadsheets_put_before_utf8_is_no_part_of_the_header(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbfpath,label\r\n\xc3\xa9.png,0\r\n")
    assert manifest.read_text(tmp_path / "list.csv").to_dict("list") == {"path": ["é.png"], "label": ["0"]}


# per group: how many real and how many fake images
held = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any)


def samples(counts: list[tuple[int, int]]) -> pd.DataFrame:
    rows = [(f"g{i}", label) for i, count in enumerate(counts) for label in (0, 1) for _ in range(count[label])]
    return pd.DataFrame(rows, columns=["group", "label"])


@settings(deadline=None, max_examples=50)
@given(st.lists(held, min_size=6, max_size=40), st.integers(0, 9), st.randoms(use_true_random=False))
def test_a_grouped_split_keeps_groups_whole_and_gives_each_split_both_classes(counts, seed, random):
    frame = samples([(1, 0)] * 3 + [(0, 1)] * 3 + counts)
    frame["split"] = manifest.grouped_split(frame["group"], frame["label"], seed)
    assert frame.groupby("group")["split"].nunique().max() == 1
    assert frame.groupby("split")["label"].nunique().to_dict() == {"train": 2, "validation": 2, "test": 2}

    shuffled = frame.sample(frac=1, random_state=random.randrange(1000))
    again = manifest.grouped_split(shuffled["group"], shuffled["label"], seed)
    assert again.sort_index().tolist() == frame["split"].tolist()


@pytest.mark.parametrize("counts", [[(1, 0), (0, 1)] * 200, [(2, 2)] * 200], ids=["one class", "both classes"])
def test_a_grouped_split_has_the_shares_asked_for_in_each_class(counts):
    frame = samples(counts)
    splits = manifest.grouped_split(frame["group"], frame["label"], seed=0)
    for _, split in splits.groupby(frame["label"]):
        shares = split.value_counts(normalize=True)
        assert shares.to_dict() == pytest.approx({"train": 0.6, "validation": 0.15, "test": 0.25}, abs=0.01)


def test_another_seed_gives_another_split():
    frame = samples([(1, 1)] * 20)
    first, second = (manifest.grouped_split(frame["group"], frame["label"], seed) for seed in (0, 1))
    assert first.tolist() != second.tolist()


def test_too_few_groups_of_a_class_are_refused():
    frame = samples([(1, 0)] * 5 + [(0, 4)] * 2)
    message = (
        "the fake images fall into 2 groups, but train, validation, test need one each; "
        "add images, or name finer groups or the splits in a CSV manifest"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        manifest.grouped_split(frame["group"], frame["label"], seed=0)
