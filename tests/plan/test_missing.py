"""Facts about what a study lacks: what is to be done, in which words, and what waits for it."""

from pathlib import Path

import pytest

from rrlib.plan import missing
from rrlib.sources import catalogue, fetch
from rrlib.study import load

FACES = {"folder": "own"}


def look(file: Path, offline: bool = False) -> missing.Missing:
    return missing.look(load(file), file, offline)


def texts(found: missing.Missing) -> dict[str, str]:
    return {task.name: task.text for task in found.tasks}


def test_a_form_says_where_to_ask_and_both_ways_to_give_what_came(write):
    assert texts(look(write()))["faces"] == (
        "Faces, form: ask at https://example.org, then write `sources: {faces: {folder: /path/to/it}}` in mine.yaml, "
        "or put it into outputs/sources/faces (real/*, fake/*)"
    )


def test_what_is_not_pinned_wants_a_decision(write):
    found = look(write())
    assert texts(found)["model"] == (
        "A model, open, 340 MB, not pinned: `python -m rrlib fetch model` prints what to pin, write "
        "`sources: {model: {hub: {revision: COMMIT}}}` in mine.yaml; or take it unseen with "
        "`python -m rrlib fetch model --trust-first-use`"
    )
    pinned = look(write(sources={"faces": {}, "other": {}, "weights": {}, "model": {"hub": {"revision": "0" * 40}}}))
    assert [task.name for task in pinned.tasks if task.automatic] == ["weights", "model"]


def test_what_is_pinned_is_fetched_by_itself_unless_there_is_no_network(write):
    (automatic,) = (task for task in look(write()).tasks if task.automatic)
    assert automatic.name == "weights"
    assert automatic.text.endswith(" MB, pinned by SHA-256: `python -m rrlib fetch weights`")
    assert not any(task.automatic for task in look(write(), offline=True).tasks)


def test_what_is_here_is_no_task(write, some_faces):
    file = write(sources={"faces": FACES, "other": {}, "weights": {}, "model": {}})
    list(fetch.fetch_all([load(file).sources["weights"]]))
    assert set(texts(look(file))) == {"other", "model", "talks"}


def test_a_folder_without_what_the_layout_asks_for_is_named(write):
    Path("own/real/a").mkdir(parents=True)
    file = write(sources={"faces": FACES, "other": {"folder": "nowhere"}, "weights": {}, "model": {}})
    assert texts(look(file))["faces"] == "Faces, form: own has no fake/*; correct sources.faces.folder in mine.yaml"
    assert texts(look(file))["other"].startswith("Other faces, form: nowhere has no file; correct ")
    Path("outputs/sources/faces/real/a").mkdir(parents=True)
    assert texts(look(write()))["faces"] == "Faces, form: outputs/sources/faces has no fake/*; fill or correct it"


def test_a_path_that_nothing_brings_is_named_with_what_names_it(write):
    assert texts(look(write()))["talks"] == (
        "the data set talks names it, but it is not there, and no source of mine.yaml brings it; correct the path, or "
        "list its source under sources"
    )


def test_each_data_set_and_detector_needs_its_own_and_nothing_else(write):
    found = look(write())
    assert found.datasets == {"faces": ("faces",), "other": ("other",), "talks": ("talks",)}
    assert found.detectors == {"trained": (), "published": ("weights",), "hub": ("model",), "gru": ()}
    assert [task.name for task in found.tasks] == ["faces", "other", "model", "talks", "weights"]
    assert found.numbers(found.needs("faces", "published")) == "1, 5"
    assert found.numbers(found.waits("faces", "published")) == "1"


def test_an_empty_hash_is_a_task_of_its_own(write, some_faces):
    detectors = {
        "published": {
            "architecture": "resnet",
            "input_size": 32,
            "weights": "outputs/sources/weights/w.safetensors",
            "sha256": None,
        }
    }
    file = write(detectors=detectors, sources={"faces": FACES, "other": {}, "weights": {}})
    known = load(file).sources["weights"].files[0].sha256
    assert texts(look(file))["detectors.published.sha256"] == f"empty in mine.yaml: write {known}"
    assert look(file).left(load(file).cells()) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"gigabytes": 5.06, "files": (catalogue.File("a", size=1),)}, 5.06e9),
        ({"files": (catalogue.File("a", size=1), catalogue.File("b", size=2))}, 3),
        ({"files": (catalogue.File("a", size=1), catalogue.File("b"))}, None),
        ({}, None),
    ],
)
def test_a_download_is_as_large_as_its_files_where_all_are_known(keys, expected):
    assert missing.download(catalogue.Source(*"abcdefghi", **keys)) == expected
