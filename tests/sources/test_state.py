"""Facts about what lies in a source's folder, and what a fetch will bring."""

import json
from pathlib import Path

import pytest
from entry import ENTRY

from rrlib.sources import catalogue, fetch, state

FILE = {"url": "https://example.org/weights.h5", "sha256": "0" * 64}
ARCHIVE = {"url": "https://example.org/faces.zip"}
HUB = {"repository": "owner/name", "type": "model"}


@pytest.fixture
def one(tmp_path, monkeypatch, entry):
    """one(**keys): the source `it`, in an empty current directory."""
    monkeypatch.chdir(tmp_path)
    return lambda **keys: entry(**(ENTRY | keys))


@pytest.mark.parametrize(
    ("keys", "path", "expected"),
    [
        ({"files": [FILE]}, "outputs/sources/it/weights.h5", True),
        ({"files": [FILE]}, "outputs/sources/it/weight.h5", False),
        ({"files": [FILE]}, "outputs/sources/it", True),
        ({"files": [FILE]}, "outputs/sources/other/weights.h5", False),
        ({"files": [FILE]}, "outputs/it/weights.h5", False),
        ({"files": [FILE | ARCHIVE | {"unpack": True}]}, "outputs/sources/it/faces/real", True),
        ({"files": [FILE | ARCHIVE | {"unpack": True}]}, "outputs/sources/it/faces.zip", False),
        ({"hub": HUB}, "outputs/sources/it", True),
        ({"hub": HUB}, "outputs/sources/it/model.safetensors", True),
        ({"hub": HUB}, "outputs/sources/it/deeper/model.safetensors", False),
        ({"access": "form", "layout": ["Celeb-*/*"]}, "outputs/sources/it/Celeb-real", True),
        ({"access": "form", "layout": ["Celeb-*/*"]}, "outputs/sources/it/celeb", False),
        ({"folder": "mine"}, "outputs/sources/it/real", True),
        ({"folder": "mine"}, "outputs/sources/it/fake", False),
    ],
)
def test_a_path_is_awaited_if_its_source_will_hold_it(one, keys, path, expected):
    Path("mine/real").mkdir(parents=True)
    source = one(**keys)
    assert state.awaited(path, [source]) == (source if expected else None)
    assert state.awaited(path, []) is None


def test_what_is_there_is_not_awaited(one):
    path = Path("outputs/sources/it/weights.h5")
    path.parent.mkdir(parents=True)
    path.touch()
    assert state.awaited(path, [one(files=[FILE])]) is None


def test_a_folder_is_awaited_until_its_source_is_whole(one):
    source, folder = one(hub=HUB), Path("outputs/sources/it")
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").touch()
    assert state.awaited(folder, [source]) == source
    (folder / "fetched.json").write_text(json.dumps({"complete": True, "files": {}}))
    assert state.awaited(folder, [source]) is None


def test_what_was_fetched_whole_is_here(one):
    Path("a.bin").write_bytes(b"a")
    source, folder = one(files=[{"url": "a.bin"}]), Path("it")
    assert not state.is_here(source, folder)
    assert not state.is_pinned(source, folder)
    fetch.fetch(source, folder, trust=True)
    assert state.is_here(source, folder)
    assert state.is_pinned(source, folder)
    said = state.receipt(folder)
    (folder / "fetched.json").write_text(json.dumps(said | {"complete": False}))
    assert not state.is_here(source, folder)


def test_what_is_filled_by_hand_is_here_when_its_layout_is(one):
    source, folder = one(access="form", layout=["real/*", "fake/*"]), Path("it")
    assert not state.is_here(source, folder)
    Path("it/real/a").mkdir(parents=True)
    assert (state.is_here(source, folder), state.lacks(source, folder)) == (False, "fake/*")
    Path("it/fake/a").mkdir(parents=True)
    assert state.is_here(source, folder)
    assert state.is_here(one(folder="it"), Path("elsewhere"))


def test_a_revision_pins_a_repository(one):
    assert state.is_pinned(one(hub=HUB | {"revision": "0" * 40}), Path("it"))
    assert not state.is_pinned(one(hub=HUB), Path("it"))


def test_ready_is_written_last_and_always_alike(one, capsys):
    Path("a.bin").write_bytes(b"a")
    source = one(files=[{"url": "a.bin", "sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}])
    assert list(fetch.fetch_all([source])) == ["it: ready in outputs/sources/it"]
    before = fetch.READY.read_bytes()
    assert list(fetch.fetch_all([])) == []
    assert fetch.READY.read_bytes() == before
    gated = catalogue.Source("gated", "", "data set", "videos", "A form", "form", "https://example.org", "MIT", "none")
    with pytest.raises(fetch.InputError, match=r"A form needs a form: ask at https://example\.org, "):
        list(fetch.fetch_all([source, gated]))
    assert not fetch.READY.exists()
