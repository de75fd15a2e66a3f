"""The card of a detector: what it says, that a change of it is seen, and that its numbers are those of the tables."""

import hashlib
import json
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml
from made import cell, with_clean
from small import FEW

from rrlib import analysis, detectors, study
from rrlib.detectors import checkpoints
from rrlib.errors import InputError
from rrlib.evaluation import probe
from rrlib.report import card_files, cards, pdf
from rrlib.study import paths


def attacked(n: int) -> pd.DataFrame:
    """A sure detector that one attack flips by a third, another by none."""
    label = np.arange(n) % 2
    clean = np.where(label, 0.95, 0.05)
    clean[np.arange(n) % 3 == 0] = 0.5 + (clean[np.arange(n) % 3 == 0] - 0.5) * 0.4
    flipped = np.where(np.abs(clean - 0.5) < 0.3, 1 - clean, clean)
    names = {"dataset": "synthetic", "detector": "meso4", "epsilon": 0.01}
    return with_clean(
        pd.concat(
            [cell(clean, clean, label, attack="fgsm", **names), cell(clean, flipped, label, attack="pgd", **names)]
        )
    )


@pytest.fixture
def here(tmp_path, monkeypatch) -> study.Study:
    """A study with the checkpoint and the manifest that a card names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(FEW, sort_keys=False))
    about = {
        "architecture": "meso4",
        "input_size": 32,
        "seed": 0,
        "temperature": 1.5,
        "report": None,
        "weights": "m.h5",
    }
    checkpoints.save(paths.checkpoint_path("synthetic", "meso4"), detectors.build("meso4", 32, 0), about)
    paths.dataset_folder("synthetic").mkdir(parents=True)
    (paths.dataset_folder("synthetic") / "manifest.csv").write_text("sample\n")
    return study.load()


def test_a_card_holds_what_the_table_says(here):
    table = attacked(300)
    card = cards.content(here, "synthetic", "meso4", table)
    row = analysis.bands(analysis.worst_case(table), 0.01, 0.05).set_index("on").loc["clean score"]
    found = card["guardrail"]["clean score"]
    assert found["promise"] == {"budget": 0.05, "confidence": 0.95, "epsilon": 0.01, "band": row["band"]}
    assert found["measured"]["decided"] == row["decided"]
    assert card["worst_case"]["RA"]["value"] == pytest.approx(2 / 3)
    assert card["before_attack"]["accuracy"]["value"] == 1
    assert card["threat"]["attacks"].keys() == {"fgsm", "pgd"}
    checkpoint = paths.checkpoint_path("synthetic", "meso4").read_bytes()
    assert card["detector"]["checkpoint_sha256"] == hashlib.sha256(checkpoint).hexdigest()
    assert card["detector"]["weights"] == {"from": "m.h5", "sha256": None}
    assert "commit" not in card  # no number depends on it
    assert any("drawn by a simulator" in each for each in card["does_not_show"])
    assert yaml.safe_load(yaml.safe_dump(card)) == json.loads(json.dumps(card)) == card


def test_what_cannot_be_promised_stands_among_what_the_card_does_not_show(here):
    card = cards.content(here, "synthetic", "meso4", attacked(60))
    assert card["guardrail"]["attacked score"]["promise"]["band"] is None
    assert "A band cannot be promised with 30 groups: 59 are needed even if nothing flips." in card["does_not_show"]
    shown = cards.shown(card).set_index("what")["value"]
    assert shown["band, abstaining by the clean score"] == "cannot be promised"
    assert shown["clean accuracy"] == "1.000"


def test_a_card_says_that_a_detector_is_not_calibrated(here):
    path = paths.checkpoint_path("synthetic", "meso4")
    _, metadata = checkpoints.read(path)
    checkpoints.save(path, detectors.build("meso4", 32, 0), metadata | {"calibration": {"none": "no split"}})
    card = cards.content(here, "synthetic", "meso4", attacked(300))
    assert "Not calibrated (no split): do not compare its RR or its band with others'." in card["does_not_show"]


def test_a_card_needs_an_epsilon_at_which_something_is_attacked(here):
    with pytest.raises(InputError, match="a card needs an ε above 0"):
        cards.content(here, "synthetic", "meso4", attacked(60), epsilon=0.0)


def test_any_change_of_a_card_is_seen_and_another_layout_is_none(tmp_path):
    card = {"detector": {"name": "f"}, "band": 0.25, "decided": None}
    path = tmp_path / "card.yaml"
    path.write_text(card_files.text(card))
    assert card_files.read(path) == card | {"sha256": card_files.digest(card)}
    assert path.read_text().splitlines()[-1] == f"sha256: {card_files.digest(card)}"
    path.write_text(yaml.safe_dump(card_files.read(path), default_flow_style=True, sort_keys=True))
    assert card_files.read(path)["band"] == 0.25
    for changed in ({"band": 0.2}, {"decided": 0}, {"more": 1}, {"band": float("nan")}, {"decided": {1, 2}}):
        path.write_text(yaml.safe_dump({**card, "sha256": card_files.digest(card), **changed}))
        with pytest.raises(InputError, match=r"card\.yaml was changed since it was written: it says SHA-256 \w{64}, "):
            card_files.read(path)


@pytest.mark.parametrize("content", ["- 1\n", "a: 1\n", "a: [", "\0"])
def test_what_is_no_card_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "card.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"card\.yaml is no card; give a YAML file"):
        card_files.read(path)
    with pytest.raises(InputError, match=r"none\.yaml is absent; make it with `dvc repro`"):
        card_files.read(tmp_path / "none.yaml")


def test_a_whole_card_is_computed_again_where_its_tables_are(here, tmp_path, monkeypatch):
    table = attacked(300)
    monkeypatch.setattr(study, "all_tables_of", lambda found, dataset, detector: table)  # measured elsewhere
    path = tmp_path / "card.yaml"
    card = cards.content(here, "synthetic", "meso4", table, budget=0.1)
    path.write_text(card_files.text(card | {"commit": "c642e3b"}))
    whole, again = cards.verify(path, here)
    assert whole == f"{path}: not changed since it was written (a digest says so; it does not say who wrote it)"
    assert again == "computed again from the tables here: the same in every number"
    table = table.assign(p_attacked=table["p_clean"], shift=0.0)
    assert cards.verify(path, here)[1].endswith("differs in worst_case, guardrail, guardrail_over_epsilon")
    path.write_text(card_files.text(card | {"detector": {"dataset": "faces", "name": "f"}}))
    assert cards.verify(path, here)[1] == "not computed again: the study here does not hold f on faces"
    assert len(cards.verify(path)) == 2


def test_the_commit_is_put_in_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert card_files.committed({"a": 1}) == {"a": 1, "commit": None, "uncommitted_changes": None}

    def git(*arguments: str) -> str:
        names = ["-c", "user.name=n", "-c", "user.email=e"]
        return subprocess.run(["git", *names, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    for name in ("file", "dvc.lock"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    (tmp_path / "dvc.lock").write_text("2")  # as a run of the study leaves it
    assert card_files.committed({}) == {"commit": git("rev-parse", "HEAD"), "uncommitted_changes": False}
    (tmp_path / "file").write_text("2")
    assert card_files.committed({})["uncommitted_changes"]


def test_a_card_says_first_whether_the_attacks_can_be_trusted(here, monkeypatch):
    table = attacked(300)
    first = cards.content(here, "synthetic", "meso4", table)["does_not_show"][0]
    assert first == ("Whether the attacks can be trusted was not asked: `python -m rrlib trust synthetic meso4` does.")
    fine = {"gradient": True, "loss_gradient": True, "slope_error": 0.0, "rise": 1.0, "rising": 1.0}
    fine |= {"unbounded_low": 0.0, "unbounded_high": 1.0, "square": 0.0, "long": 0.0}
    some = table.drop_duplicates("sample").head(24)[["sample", "group", "label", "p_clean"]]
    some = some.assign(**dict.fromkeys(["p_again", "long_low", "long_high"], some["p_clean"]), **fine)
    for probed, said in ((some, False), (some.assign(gradient=False), True)):
        probe.write(paths.probe_path("synthetic", "meso4"), probed, {"epsilon": 0.01})
        first = cards.content(here, "synthetic", "meso4", table)["does_not_show"][0]
        assert first.startswith("The attacks on it cannot be trusted") == said
        assert ("gradients are there: 24 of 24 samples have a gradient that is zero" in first) == said


def test_a_study_may_ask_for_another_promise(here):
    table, given = attacked(300), yaml.safe_load(study.PARAMS.read_text())
    given["highlight"] |= {"budget": 0.2, "confidence": 0.9}
    study.PARAMS.write_text(yaml.safe_dump(given))
    found = cards.content(study.load(), "synthetic", "meso4", table)["guardrail"]["clean score"]["promise"]
    assert (found["budget"], found["confidence"]) == (0.2, 0.9)
    asked = cards.content(here, "synthetic", "meso4", table, budget=0.2, confidence=0.9)
    assert asked["guardrail"]["clean score"]["promise"] == found


def test_a_pdf_says_the_same_each_time_and_has_two_pages(here, tmp_path):
    table = study.judged(here, attacked(60))
    card = cards.content(here, "synthetic", "meso4", table)
    for name in ("first.pdf", "second.pdf"):
        pdf.write(card, table, list(here.tolerances), tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.pdf", "second.pdf"))
    assert first == second
    assert first.count(b"/Type /Page\n") + first.count(b"/Type /Page ") + first.count(b"/Type /Page/") == 2
