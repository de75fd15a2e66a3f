"""Which samples belong together where names say so: frames of one video must not come into two splits."""

import re
from collections import defaultdict

from rrlib.errors import InputError

FRAME = re.compile(r"(?P<group>.+)[_-](?:frame|f)?[0-9]+")
FEWEST = 2  # images that share a beginning, for it to be taken for a video


def check_pattern(where: str, pattern: object) -> None:
    """Raise InputError, which begins with `where`, unless `pattern` is a regular expression with a part named group.

    >>> check_pattern("params.yaml: datasets.faces.group", "(?P<group>[^_]+)_.*")
    """
    example = "write one with a part of that name, such as '(?P<group>[^_]+)_.*'"
    try:
        known = re.compile(pattern).groupindex if isinstance(pattern, str) else None
    except re.error as error:
        raise InputError(f"{where} is {pattern!r}, which is no regular expression ({error}); {example}") from None
    if known is None or "group" not in known:
        raise InputError(f"{where} is {pattern!r}, but it has no (?P<group>…); {example}")


def by_pattern(name: str, pattern: str, where: str) -> str:
    """What the part named group matches in a name.

    Raises InputError, which begins with `where`, if the pattern does not match the whole name, or the part is empty.

    >>> by_pattern("id7_0001", "(?P<group>[^_]+)_.*", "faces")
    'id7'
    """
    match = re.fullmatch(pattern, name)
    if not match or not match["group"]:
        raise InputError(f"{where}: the name {name} does not match group, {pattern!r}; correct the pattern or the name")
    return match["group"]


def of_frames(names: list[str]) -> dict[str, str]:
    """The videos that images are frames of, by their names: `VIDEO_0001`, `VIDEO-12`, `VIDEO_frame3` → `VIDEO`.

    Only where at least two beginnings occur, one of them more than once: `img_0001`, `img_0002`, … of one beginning
    are taken for a numbering. Empty if nothing is to be said.

    >>> of_frames(["a_1", "a_2", "b_1"])
    {'a_1': 'a', 'a_2': 'a', 'b_1': 'b'}
    >>> of_frames(["img_1", "img_2"])
    {}
    """
    matches = {name: match["group"] for name in names if (match := FRAME.fullmatch(name))}
    held = defaultdict(set)
    for name, video in matches.items():
        held[video].add(name)
    several = any(len(of_video) >= FEWEST for of_video in held.values())
    return matches if len(held) > 1 and several else {}
