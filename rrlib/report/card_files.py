"""Cards as files: YAML that ends with a SHA-256 over all the rest.

It is a digest and no identity: it shows that a card was not changed since it was written, and not who wrote it. What
DVC keeps says nothing of commits, as no number depends on them; the commit is put in when a card leaves the study, in
the book or by `python -m rrlib card`.
"""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rrlib.errors import InputError
from rrlib.study import paths

CARDS = paths.OUTPUTS / "cards"
DIGEST = "sha256"
ABOUT_THE_DIGEST = (
    "Its last line is the SHA-256 of all the rest, a digest and no identity: `python -m rrlib card --verify FILE` says "
    "whether a copy was changed since it was written, not who wrote it, and computes it again where the study is here."
)
HEAD = """\
# What is promised of this detector on this data set, and what is not.
# The last line is the SHA-256 of all the rest: a digest, which shows that nothing was changed since, and no identity.
# To check it: python -m rrlib card --verify THIS_FILE
"""


def card_path(dataset: str, detector: str) -> Path:
    """Where the stage `cards` leaves a card, without a commit."""
    return CARDS / dataset / f"{detector}.yaml"


def card_name(dataset: str, detector: str) -> str:
    """What a card is called where a reader takes it from the book.

    >>> card_name("synthetic", "resnet")
    'synthetic-resnet-card.yaml'
    """
    return f"{dataset}-{detector}-card.yaml"


def committed(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card with the commit of the repository that it leaves, and whether files differ from that commit.

    Both are None outside a git repository, and in one without commits.
    """
    commit = _git("rev-parse", "HEAD")
    # the lock is written while a study runs, and says nothing but what its stages made
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)dvc.lock")
    return {**card, "commit": commit, "uncommitted_changes": None if commit is None else bool(changes)}


def digest(card: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical form of a card: JSON of all but the digest itself, keys sorted, no spaces, UTF-8.

    The order of keys, the line breaks and the comments of a YAML file change nothing.

    >>> digest({"a": 1, "b": 0.5}) == digest({"b": 0.5, "a": 1, "sha256": "old"})
    True
    """
    rest = {key: value for key, value in card.items() if key != DIGEST}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def text(card: Mapping[str, Any]) -> str:
    """A card as YAML with its digest as the last line."""
    signed = {key: value for key, value in card.items() if key != DIGEST} | {DIGEST: digest(card)}
    return HEAD + yaml.safe_dump(signed, sort_keys=False, allow_unicode=True, width=120)


def read(path: Path) -> dict[str, Any]:
    """A card whose digest is that of its content.

    Raises:
        InputError: for a file that is absent or no card, and for a card that was changed since it was written.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is absent; make it with `dvc repro`, or give the path of a card")
    try:
        card = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        card = None
    if not isinstance(card, dict) or DIGEST not in card:
        raise InputError(f"{path} is no card; give a YAML file that `python -m rrlib card` wrote")
    try:
        here = digest(card)
    except (TypeError, ValueError):  # a date, a set, a number that is none: nothing that `text` writes
        here = "that of nothing that a card may hold"
    if here != card[DIGEST]:
        raise InputError(
            f"{path} was changed since it was written: it says SHA-256 {card[DIGEST]}, its content has {here}; "
            "take the card again from where it came"
        )
    return card


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return run.stdout.strip() if run.returncode == 0 else None
