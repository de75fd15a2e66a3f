"""The leaderboard holds the numbers that pandas finds in the tables, for every ε and attack."""

import json

import numpy as np
import pytest
from bs4 import BeautifulSoup
from drawn import results

from rrlib import analysis, study
from rrlib.report import leaderboard


@pytest.fixture(scope="module")
def table():
    return results()


@pytest.fixture(scope="module")
def rows(table):
    found = study.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaderboard, "_gaps", lambda found: leaderboard.no_gaps())
        return leaderboard.entries(found, {"image": table}, {"image": analysis.worst_case(table)}, 0.1, 0.05, 0.95, {})


def test_there_is_a_row_for_every_detector_attack_and_epsilon(rows):
    assert len(rows) == 2 * 2  # two detectors under one attack and in the worst case, at one ε above 0
    assert set(rows["attack"]) == {"pgd", analysis.WORST_CASE}


def test_shares_are_those_of_the_table(rows, table):
    attacked = table[table["epsilon"] == 0.1]
    for row in rows[rows["attack"] == "pgd"].to_dict("records"):
        part = attacked[attacked["detector"] == row["detector"]]
        assert row["RA"] == ((part["p_attacked"] > 0.5) == (part["label"] == 1)).mean()
        assert row["RR"] == (part["shift"] <= 0.1).mean()
        assert row["stability"] == pytest.approx(1 - part["shift"].mean())
        assert row["RA_low"] <= row["RA"] <= row["RA_high"]
        assert np.isnan(row["band"])  # a guardrail is one of the worst case


def test_the_page_shows_the_worst_case_and_holds_the_rest_as_data(rows):
    html = BeautifulSoup(leaderboard.board(study.load(), rows, 0.1, 0.1), "html.parser")
    body = [[cell.get_text() for cell in row.find_all(["td", "th"])] for row in html.select("tbody tr")]
    assert [line[:2] for line in body] == [["d", "firm"], ["d", "soft"]]  # the higher RR first
    heads = [head.get_text() for head in html.select("thead th")]
    assert heads[:2] + heads[4:7] == ["data set", "detector", "RA", "RR(0.1)", "stability"]
    assert len(heads) == len(body[0])
    cells = json.loads(html.select_one("script.cells").string)
    for line in body:
        shown = dict(zip(heads, line, strict=True))
        held = cells[f"d/{shown['detector']}"][analysis.WORST_CASE]["0.1"]
        assert held == [shown["RA"], shown["RR(0.1)"], *line[6:10]]
        assert set(cells[f"d/{shown['detector']}"]) == {"pgd", analysis.WORST_CASE}


def test_names_are_text_in_the_table_and_in_the_data(rows):
    named = rows.assign(detector="</script><b>")
    html = leaderboard.board(study.load(), named, 0.1, 0.1)
    assert "<b>" not in html
    assert html.count("</script>") == 1


def test_the_sentence_names_the_highest_of_those_that_are_trusted(rows):
    assert leaderboard.best(rows, 0.1, 0.1).startswith(
        "**At ε = 0.1 in the worst case, on d, RA is highest for firm (1.000"
    )
    distrusted = rows.assign(trust="not trusted")
    assert leaderboard.best(distrusted, 0.1, 0.1).startswith("**No detector of this study detects and has attacks")
