"""Where to go from the start page: every page of the book, with what a reader would want there."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

CONTENTS = Path("book/_toc.yml")
WANTED = {
    "method": "see what RA, RR, shift, tolerance and ε mean, and how sure the numbers are",
    "figure1": "see Figure 1 under every attack, over the tolerance and over ε",
    "claims": "read the verdict on each of the paper's claims, with the numbers behind it",
    "compare": "compare two detectors: differences with intervals and verdicts",
    "linearity": "see how straight RR is over the tolerance, on images and on video",
    "choose": "choose a detector by requirements of your own",
    "evaluations": "sort all detectors, and open a page about one detector under one attack",
    "reading": "learn how to read such a page, and which traps to avoid",
    "data": "look at the data",
    "detectors": "look at the detectors, and what can be one",
    "attacks": "look up an attack",
    "transfer": "see what an attack on one detector does to another",
    "damage": "see what JPEG, blur and noise do without an attack",
    "benchmarks": "see what the attacks cost here and in other libraries",
    "tutorial": "measure your own images and model, step by step",
    "rerun": "make every number again, or change one thing",
    "paper": "run the paper's study on published data",
    "sources": "get published data sets and detectors",
    "own": "add data, a detector or an attack",
    "promises": "know what the tool promises about files of others",
    "api": "use the metrics and attacks as a library",
    "api-reference": "look up a function",
    "code": "read the code of these pages",
    "references": "see what is cited",
    "dependencies": "see what is used, under which licences",
}


def table(contents: Path = CONTENTS, wanted: Mapping[str, str] = WANTED) -> str:
    """Markdown: a row for every page that the table of contents names, in its order; the link's text is its title."""
    rows = [f"| {wanted.get(page, '')} | []({page}) |" for page in entries(yaml.safe_load(contents.read_text()))]
    return "\n".join(["| to | page |", "|---|---|", *rows])


def entries(contents: Mapping) -> Iterator[str]:
    """The pages that a table of contents names besides the first, in its order.

    >>> list(entries({"root": "index", "parts": [{"chapters": [{"file": "a", "sections": [{"file": "b"}]}]}]}))
    ['a', 'b']
    """
    for part in contents.get("parts", []):
        for chapter in part["chapters"]:
            yield chapter["file"]
            yield from (section["file"] for section in chapter.get("sections", []))
