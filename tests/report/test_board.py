"""The tables of decisions, from a worst case by hand."""

from drawn import results

from rrlib import analysis
from rrlib.report import board


def test_the_board_shows_what_is_left_and_the_band_of_each_detector():
    worst = analysis.worst_case(results())
    bands = analysis.bands(worst, 0.1, budget=0.05)
    shown = board.board(worst, 0.1, 0.1, bands).set_index("detector")
    assert shown.loc["firm", ["RA", "RR(0.1)", "stability", "decided"]].tolist() == [1, 1, 1, 1]
    assert shown.loc["soft", ["RA", "RR(0.1)", "stability"]].round(6).tolist() == [0, 0, 0.5]
    # what it sees under attack lies within .1 of the threshold, and what it sees otherwise does not
    assert shown.loc["soft", ["band", "decided"]].round(6).tolist() == [0.1, 1]
    assert shown["detects"].tolist() == ["yes", "yes"]
    assert shown["attacks"].tolist() == ["trusted", "trusted"]
    assert board.does_not_detect(worst) == set()


def test_bands_show_the_share_that_is_decided_with_its_interval():
    bands = analysis.bands(analysis.worst_case(results()), 0.1, budget=0.05)
    shown = board.bands_shown(bands).set_index("detector")
    assert shown.loc["firm", "clean inputs decided [95 %]"].startswith("1.000 [0.9")
    # by its clean scores, .4 from the threshold, all that it decides is flipped
    assert shown.loc["soft", ["abstain if |p − threshold| ≤", "band by clean scores"]].round(6).tolist() == [0.1, 0.4]


def test_a_band_that_cannot_be_promised_is_a_dash():
    bands = analysis.bands(analysis.worst_case(results(groups=10)), 0.1, budget=0.05)
    shown = board.bands_shown(bands)
    assert set(shown["promise"]) == {"cannot be promised"}
    assert set(shown["clean inputs decided [95 %]"]) == {"–"}


def test_the_board_keeps_who_is_not_trusted_and_promises_nothing():
    worst = analysis.worst_case(results())
    bands = analysis.bands(worst[worst["detector"] == "firm"], 0.1, budget=0.05)
    shown = board.board(worst, 0.1, 0.1, bands, {("d", "soft")}).set_index("detector")
    assert shown["attacks"].to_dict() == {"firm": "trusted", "soft": "not trusted"}
    assert shown["band"].isna().to_dict() == {"firm": False, "soft": True}
