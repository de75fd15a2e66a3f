"""A build of the book takes from the one before only what is as it was left, and for the same key."""

import shutil

import pytest
from filelock import FileLock

from rrlib.report import kept


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def build(key: str = "key", content: str = "read") -> str | None:
    """What a build finds, which then leaves `content`."""
    with kept.place(key) as place:
        note = place / "source" / "page.md"
        found = note.read_text() if note.is_file() else None
        note.parent.mkdir(exist_ok=True)
        note.write_text(content)
        return found


def test_a_build_finds_what_the_last_one_left():
    assert [build(), build(content="again"), build()] == [None, "read", "again"]


def test_another_key_finds_nothing():
    build()
    assert build("other") is None
    assert build() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda: (kept.PLACE / "source/page.md").write_text("else"),
        lambda: (kept.PLACE / "source/page.md").unlink(),
        lambda: (kept.PLACE / "source/other.md").write_text("more"),
        lambda: (kept.PLACE / kept.STAMP).write_text("{"),
        lambda: (kept.PLACE / kept.STAMP).write_text("[]"),
        lambda: (kept.PLACE / kept.STAMP).unlink(),
        lambda: shutil.rmtree(kept.PLACE),
        lambda: (shutil.rmtree(kept.PLACE), kept.PLACE.write_text("a file")),
    ],
    ids=["changed", "a file less", "a file more", "no JSON", "no stamp", "absent stamp", "absent", "a file"],
)
def test_what_is_damaged_or_absent_is_not_taken(damage):
    build()
    damage()
    assert build() is None
    assert build() == "read"


def test_a_build_that_fails_leaves_nothing():
    build()
    with pytest.raises(RuntimeError), kept.place("key"):
        raise RuntimeError
    assert build() is None


def test_a_build_beside_another_one_has_a_folder_of_its_own():
    build()
    with FileLock(f"{kept.PLACE}.lock"), kept.place("key") as beside:
        assert beside != kept.PLACE
        assert list(beside.iterdir()) == []
    assert not beside.exists()
    assert build() == "read"


def test_only_files_that_changed_are_written(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    assert sorted(kept.put(folder, {"a.md": b"1", "d/b.md": b"2", "c.md": b"3"})) == ["a.md", "c.md", "d/b.md"]
    before = (folder / "a.md").stat().st_mtime_ns
    assert kept.put(folder, {"a.md": b"1", "d/b.md": b"new"}) == ["d/b.md"]
    assert (folder / "a.md").stat().st_mtime_ns == before
    assert {path.name for path in folder.rglob("*.md")} == {"a.md", "b.md"}


def test_a_key_is_of_names_and_contents_in_any_order():
    parts = [("a", b"1"), ("b", b"2")]
    assert kept.key(parts) == kept.key(reversed(parts))
    assert len({kept.key(parts), kept.key([("a", b"2"), ("b", b"1")]), kept.key(parts[:1])}) == 3
