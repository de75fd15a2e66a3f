"""Ways to damage bytes, trees of values, texts and tables; each takes a generator and draws all it needs from it."""

import copy
import random
from collections.abc import Callable
from typing import Any

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
NASTY_TEXTS = (
    "",
    " ",
    "\0",
    "\n",
    "a\r\nb",
    "\u2028",
    "\ud800",
    "\ufeff",
    "é\u0301\U0001f600",
    "\x1b[31mred",
    "../../../etc/passwd",
    "/etc/passwd",
    "~root",
    "$(touch x)",
    "x; touch y #",
    "<img src=x onerror=alert(1)>",
    r"$5 \foo$",
    "%s%n{0}{}",
    "nan",
    "null",
    "no",
    "007",
    "1e999",
    "python:os:system",
    "hub:/",
    "hub:owner/name@main",
    "http://[::1",
    "file:///etc/passwd",
    "a" * 300,
    "9" * 5000,
    "(" * 200,
    "(a+)+$",
    "A" * 20_000,
)
NASTY_NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    255,
    256,
    8193,
    2**31 - 1,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**18,
    10**30,
    10**400,
    0.0,
    -0.0,
    0.1,
    0.5,
    1e-320,
    1e308,
    -1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
)


def of_bytes(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """One to four damages, most often one: a flip, an extreme, a cut, a hole, a copy, a splice with another seed."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        data = rng.choice(BYTES)(rng, data, others)
    return data


def _place(rng: random.Random, data: bytes) -> int:
    """An offset, half of the time in the first or last 64 bytes, where headers and directories lie."""
    if not data:
        return 0
    near = min(64, len(data))
    pick = rng.random()
    if pick < 0.35:
        return rng.randrange(near)
    return len(data) - 1 - rng.randrange(near) if pick < 0.5 else rng.randrange(len(data))


def _flip(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[_place(rng, data)] = rng.choice((0, 1, 0x20, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))
    return bytes(changed)


def _extreme(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    size, start = rng.choice((1, 2, 4, 4, 8)), _place(rng, data)
    value = rng.choice((*EXTREMES, len(data), rng.getrandbits(64))) % (1 << 8 * size)
    written = value.to_bytes(size, rng.choice(("little", "big")))
    return data[:start] + written + data[start + size :]


def _nudge(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """A number that is a little more or less than it was, as lengths and offsets that do not quite fit."""
    size, start, order = rng.choice((1, 2, 4)), _place(rng, data), rng.choice(("little", "big"))
    value = int.from_bytes(data[start : start + size], order) + rng.choice((-8, -4, -2, -1, 1, 2, 4, 8))
    return data[:start] + (value % (1 << 8 * size)).to_bytes(size, order) + data[start + size :]


def _cut(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _cut_out(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    start = _place(rng, data)
    return data[:start] + data[start + rng.choice((1, 2, 4, 16, 256, 4096)) :]


def _double(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    start, size = _place(rng, data), rng.choice((1, 4, 16, 256))
    return data[: start + size] + data[start : start + size] * rng.choice((1, 1, 2, 100)) + data[start + size :]


def _insert(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    start, size = _place(rng, data), rng.choice((1, 2, 4, 16, 64))
    return data[:start] + rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size)) + data[start:]


def _hole(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    start, size = _place(rng, data), rng.choice((4, 16, 64, 512))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


def _splice(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _swap(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    size = rng.choice((1, 4, 16, 64))
    one, two = sorted((_place(rng, data), _place(rng, data)))
    two = max(two, one + size)
    return data[:one] + data[two : two + size] + data[one + size : two] + data[one : one + size] + data[two + size :]


def _append(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    return data + rng.choice((rng.randbytes(40), bytes(4096), rng.choice(others)))


BYTES: tuple[Callable[[random.Random, bytes, list[bytes]], bytes], ...] = (
    *(_flip, _flip, _set, _extreme, _extreme, _nudge, _cut, _cut_out, _double, _insert, _hole, _splice, _swap, _append),
)


def value(rng: random.Random, simple: bool = False) -> Any:
    """Anything that JSON or YAML can hold, where something else is meant; no lists of others if it is to be simple."""
    pick = rng.randrange(8 if simple else 10)
    if pick < 3:
        return rng.choice(NASTY_NUMBERS)
    if pick < 6:
        return rng.choice(NASTY_TEXTS)
    if pick < 8:
        return rng.choice((None, True, False, [], {}, [None], [[]], {"": None}, [0, 0, 0], {"a": {"b": []}}))
    if pick == 8:
        return [value(rng, simple=True) for _ in range(rng.choice((1, 2, 3, 40)))]
    deep: Any = 0
    for _ in range(rng.choice((2, 10, 30, 120))):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    return deep


def of_tree(rng: random.Random, tree: Any, others: list[Any]) -> Any:
    """A tree of mappings, lists and values with one to three damages; a copy."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return value(rng)
        holder, key = rng.choice(places)
        found = holder[key]
        damage = rng.randrange(8)
        if damage <= 2:
            holder[key] = value(rng)
        elif damage == 3:
            del holder[key]
        elif damage == 4:
            many = 3 if isinstance(found, dict | list) else 300
            holder[key] = rng.choice(([found], {"a": found}, [found, found], str(found), [found] * many))
        elif damage == 5 and isinstance(holder, dict):
            holder[rng.choice((f"{key}x", key.upper(), *NASTY_TEXTS))] = rng.choice((found, value(rng)))
        elif damage == 6:  # what stands elsewhere in it, or in another
            source = rng.choice((tree, *others))
            elsewhere, other = rng.choice(list(_places(source)) or [(holder, key)])
            holder[key] = copy.deepcopy(elsewhere[other])
        elif isinstance(found, bool):
            holder[key] = not found
        elif isinstance(found, int | float) and abs(found) < 1e300:
            holder[key] = rng.choice((-found, found + 1, found - 1, found * 1000, found * 0.3, str(found)[:400]))
        elif isinstance(found, str):
            holder[key] = of_text(rng, found)
        else:
            holder[key] = value(rng)
    return tree


def _places(tree: Any) -> Any:
    """(holder, key or index) of every value in a tree."""
    waiting = [tree]
    while waiting:
        here = waiting.pop()
        entries = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        for key, each in entries:
            yield here, key
            waiting.append(each)


def of_text(rng: random.Random, text: str) -> str:
    """A text with one damage."""
    start = rng.randrange(len(text) + 1)
    damage = rng.randrange(5)
    if damage == 0:
        return text[:start]
    if damage == 1:
        return text[:start] + rng.choice(NASTY_TEXTS) + text[start:]
    if damage == 2:
        return text * rng.choice((2, 50))
    return text[:start] + text[start + 1 :] if damage == 3 else rng.choice(NASTY_TEXTS)


MARKUP = (
    *("&a ", "*a", "<<: *a", "!!python/object/apply:os.system ['touch x']", "!!binary x", "!!set {a}", "!a ", "---\n"),
    *("...\n", "%YAML 9.9\n", "\t", "? ", ": ", "- ", "|\n", ">-\n", "'", '"', "{", "}", "[", "]", ",", "#", "@", "`"),
    *("!!int 0x", "0o7", "1_000", "2001-12-14", "12:30:45", ".inf", ".nan", "~", "yes", "\x00", "\x85", "\ufeff"),
    *("\\u0000", "\\ud800", "NaN", "Infinity", "1e400", "/*", "<<", "=", "&a [*a]", "[" * 60, "{a: " * 60),
)


def of_lines(rng: random.Random, text: str, others: list[str]) -> str:
    """A text of lines, such as YAML, JSON or CSV, with one to three damages that a hand would do."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        lines = text.split("\n")
        at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
        damage = rng.randrange(9)
        if damage == 0:
            del lines[at]
        elif damage == 1:
            lines.insert(to, lines[at])
        elif damage == 2:
            lines[at], lines[to] = lines[to], lines[at]
        elif damage == 3:
            lines[at] = " " * rng.choice((1, 2, 4)) + lines[at]
        elif damage == 4:
            lines[at] = lines[at].lstrip() if lines[at].startswith(" ") else f"- {lines[at]}"
        elif damage == 5:
            lines[at] = of_text(rng, lines[at])
        elif damage == 6:
            lines.insert(at, rng.choice(rng.choice(others).split("\n")))
        else:
            place = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + rng.choice(MARKUP) + lines[at][place:]
        text = "\n".join(lines)
    return text


def of_table(rng: random.Random, rows: list[list[str]]) -> list[list[str]]:
    """A table of texts, its header first, with one to three damages."""
    rows = [list(row) for row in rows]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, to = rng.randrange(len(rows)), rng.randrange(len(rows))
        column = rng.randrange(max(1, len(rows[at])))
        damage = rng.randrange(9)
        if not rows[at]:
            rows[at] = ["x"]
        elif damage == 0:
            rows[at][column] = rng.choice(NASTY_TEXTS)
        elif damage == 1:
            rows[at][column] = of_text(rng, rows[at][column])
        elif damage == 2:
            rows[at] = list(rows[to])
        elif damage == 3:
            del rows[at]
            rows = rows or [[]]
        elif damage == 4:
            rows[at].insert(column, rng.choice(NASTY_TEXTS))
        elif damage == 5:
            del rows[at][column]
        elif damage == 6:
            for row in rows:
                row[column : column + 1] = []
        elif damage == 7:
            rows[at], rows[to] = rows[to], rows[at]
        else:
            rows[at][column] = rows[to][min(column, len(rows[to]) - 1)] if rows[to] else ""
    return rows
