"""Each promise of the book's page stands on tests that there are."""

import ast
import re
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).resolve().parent
PAGE = (TESTS.parent / "book" / "promises.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!promise|---)(.+?) \| (.+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("promise", "tests"), ROWS, ids=[promise[:50] for promise, _ in ROWS])
def test_a_promise_names_tests_that_there_are(promise, tests):
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
    assert named
    assert tests == ", ".join(f"`{file}::{name}`" for file, name in named)
    for file, name in named:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"


def test_a_promise_is_one_sentence_that_stands_alone():
    assert len(ROWS) >= 20
    for promise, _ in ROWS:
        assert re.fullmatch(r"[A-Z][^|]*[^.]\.", promise), promise
        assert ". " not in promise


def test_the_page_is_in_the_book():
    toc = yaml.safe_load((TESTS.parent / "book" / "_toc.yml").read_text())
    assert "promises" in {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
