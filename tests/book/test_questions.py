"""What a stranger asks is answered within two clicks of the start page. Run as a script, this file lists it."""

import re
from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.slow
MENU = "menu "  # a click that chooses from a menu: "menu NAME: VALUE"
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
        ("The leaderboard", "menu ε: 0.002"),
        "article table.dataframe tbody tr:visible >> nth=0",
        r"resnet.* 0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]",
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
    Question("What is τ?", ("τ",), "dl.glossary dt:has(#term-0), dt#term-0 + dd", r"[Tt]olerance"),
    Question(
        "Does this hold for real faces?",
        ("real faces",),
        "article strong >> nth=0",
        r"On real faces, .* with AUC 0\.\d{3} \[.*\]; at ε = .* RR\(0\.1\) 0\.\d{3}",
    ),
    Question(
        "How do I add a detector of my own?",
        ("Your own data, detector or attack",),
        "article section:has(> h2:text-matches('detector', 'i')) >> nth=0",
        r"params\.yaml",
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
        "article strong >> nth=0",
        r"alike|apart",
    ),
    Question(
        "Were the attacks strong enough to be believed?",
        ("trusted",),
        "#trusted-attacks",
        r"attack",
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
def test_within_two_clicks_of_the_start_page(book, visit, question):
    assert len(question.clicks) <= 2
    tab = visit()
    shown = tab.to(book / "index.html")
    for click in question.clicks:
        if click.startswith(MENU):
            name, value = click.removeprefix(MENU).split(": ")
            shown.get_by_label(name, exact=True).first.select_option(value)
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
