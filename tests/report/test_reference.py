"""The API reference holds every name that a door exports, each with a docstring."""

import importlib
import inspect
from pathlib import Path

import pytest

import rrlib
from rrlib.report import reference


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("door", reference.DOORS)
def test_every_exported_name_has_a_section_and_says_what_it_is(pages, door):
    page, overview = pages[f"api-reference/{door}"], pages["api-reference"]
    assert f"[rrlib.{door}](api-reference/{door}.md)" in overview
    module = importlib.import_module(f"rrlib.{door}")
    for name, thing in reference.exported(module):
        assert f"`{name}`" in overview
        assert f"## `rrlib.{door}.{name}`\n" in page
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"rrlib.{door}.{name} has no docstring"


def test_the_pages_are_the_same_each_time(pages):
    assert reference.pages() == pages
    assert not any(" at 0x" in page for page in pages.values())


def test_all_folders_are_in_the_reference():
    (root,) = map(Path, rrlib.__path__)
    assert {door.parent.name for door in root.glob("*/__init__.pyi")} == set(reference.DOORS)
