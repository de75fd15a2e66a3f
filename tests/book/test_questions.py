"""What a stranger asks is answered within two clicks of the start page. Run as a script, this file lists it."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
FURTHEST = 100  # steps of a slider
SLIDE = "slide "  # a click on a slider: "slide IDENTIFIER: VALUE that it then shows"
FOLD = "fold "  # a click that opens what is folded: "fold WORDS"


@dataclass(frozen=True)
class Question:
    """What is asked, what is clicked from the start page on, which part of the page then says so, in which words."""

    asked: str
    clicks: tuple[str, ...]
    where: str
    says: str


QUESTIONS = [
    Question(
        "Which detector is best at ε = 0.002 with a budget of 5 %?",
        ("Explorer", "slide explorer-epsilon: 0.002"),
        ".explorer-said",
        r"ε = 0\.002, .* first by .* is \S+ with RR 0\.\d{3} \[.* budget of 0\.05, \d of \d detectors can promise",
    ),
    Question(
        "How sure is the finding?",
        (),
        ".answer",
        r"How sure: (holds|does not hold|undecided)\. Of \d+ comparisons.* \d+ groups: RA [+-]",
    ),
    Question(
        "What command makes this number?",
        ("fold How this was made",),
        "details[open] pre",
        r"dvc repro --force --single-item index",
    ),
    Question("What is τ?", ("τ",), "dt#term-0 ~ dd >> nth=0", r"[Tt]olerance τ: the largest shift"),
    Question(
        "Does this hold for real faces?",
        ("real faces",),
        "article strong >> nth=0",
        r"On real faces, .* with AUC 0\.\d{3} \[.*\]; at ε = .* RR\(0\.1\) 0\.\d{3}",
    ),
    Question(
        "How do I add a detector of my own?",
        ("Your own data, detector or attack",),
        "section#your-own-module",
        r"params\.yaml|detectors",
    ),
    Question(
        "When should my system abstain, and how much does it then still decide?",
        (),
        ".answer",
        r"abstain where \|P\(fake\) − threshold\| ≤ 0\.\d{3}.*\d+% \[\d+%, \d+%\] of clean inputs are still decided",
    ),
    Question(
        "Are two detectors that are alike in RA apart in RR?",
        ("all pairs",),
        "article p:has(strong) >> nth=0",
        r"alike in RA and apart in RR: \d+ holds?, \d+ do(es)? not hold and \d+ (is|are) undecided",
    ),
    Question(
        "Were the attacks strong enough to be believed?",
        ("trusted",),
        "section:has(> #trusted-attacks)",
        r"list what tells these apart",
    ),
    Question(
        "What do JPEG and blur do without an attack?",
        ("Ordinary damage",),
        "article strong >> nth=0",
        r"\d",
    ),
    Question(
        "How do I measure my own images?",
        ("Your own images and model in ten minutes",),
        "article pre >> nth=0",
        r"\w",
    ),
    Question("How do I cite this?", ("References",), ".citation", r"@article\{lyu2024"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.asked)
def test_within_two_clicks_of_the_start_page(root, book, visit, question):
    if root != REPOSITORY:
        pytest.skip("the questions are asked of the default study, whose book is not built here; `make` builds it")
    assert len(question.clicks) <= 2
    tab = visit()
    shown = tab.to(book / "index.html")
    for click in question.clicks:
        if click.startswith(SLIDE):
            name, value = click.removeprefix(SLIDE).split(": ")
            slider = shown.locator(f"#{name}")
            slider.press("Home")
            for _ in range(FURTHEST):
                if value in shown.locator(f"#{name} + output").inner_text():
                    break
                slider.press("ArrowRight")
            assert value in shown.locator(f"#{name} + output").inner_text()
        elif click.startswith(FOLD):
            shown.locator("article summary", has_text=click.removeprefix(FOLD)).first.click()
        else:
            shown.locator("article").get_by_role("link", name=click, exact=True).first.click()
            shown.wait_for_load_state("load")
    answer = shown.locator(question.where).first
    said = " ".join(answer.inner_text().split())
    assert re.search(question.says, said), said
    assert answer.is_visible()
    assert tab.faults == []


def table() -> str:
    """Markdown: the questions with the way to their answers."""
    rows = [f"| {each.asked} | {' → '.join(['start', *each.clicks])} |" for each in QUESTIONS]
    return "\n".join(["| question | way |", "|---|---|", *rows])


if __name__ == "__main__":
    print(table())
