"""Style sheets without the rules that no page of a book can use."""

import re
from collections.abc import Collection, Iterator

_STRING = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_NESTED = ("@media", "@supports", "@layer", "@container")
_NAME = re.compile(r"[.#]((?:[\w-]|\\.)+)")


def lighter(css: str, names: Collection[str]) -> str:
    """The rules of a style sheet that can apply where classes and identifiers are of `names` alone, in their order.

    A name that ends in a hyphen stands for all that begin so, as scripts put some together.

    >>> lighter("a.x, p .y:not(.z) {top:0} @media print {.z {top:1}} .z > b {top:2}", {"x", "y"})
    'a.x,p .y:not(.z){top:0}'
    """
    begins = tuple(name for name in names if name.endswith("-") and len(name) > 2)
    return _lighter(re.sub(rf"({_STRING})|/\*.*?\*/", r"\1", css, flags=re.DOTALL), set(names), begins)


def names_in(pages: Collection[str], scripts: Collection[str]) -> set[str]:
    """What classes and identifiers pages and scripts may give to an element.

    >>> sorted(names_in(['<p class="a b" id="c">d</p>'], ['e.classList.add("show")']))
    ['a', 'add', 'b', 'c', 'classList', 'e', 'show']
    """
    given = {name for page in pages for said in re.findall(r'(?:class|id)="([^"]*)"', page) for name in said.split()}
    return given | {name for script in scripts for name in re.findall(r"[A-Za-z_][\w-]*", script)}


def _lighter(css: str, names: set[str], begins: tuple[str, ...]) -> str:
    kept = []
    for head, body in _rules(css):
        if body is None:
            kept.append(f"{head};")
        elif head.startswith(_NESTED):
            if inside := _lighter(body, names, begins):
                kept.append(f"{head}{{{inside}}}")
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        elif selectors := [each for each in _selectors(head) if _can_apply(each, names, begins)]:
            kept.append(f"{','.join(selectors)}{{{body}}}")
    return "".join(kept)


def _rules(css: str) -> Iterator[tuple[str, str | None]]:
    """Head and body of each rule; of a statement without a body its words and None."""
    depth = begin = opened = 0
    for found in re.finditer(rf"url\((?:{_STRING}|[^\"')]*)\)|{_STRING}|[{{}};]", css):
        sign = found[0]
        if sign == "{":
            opened, depth = (found.start() if depth == 0 else opened), depth + 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                yield css[begin:opened].strip(), css[opened + 1 : found.start()].strip()
                begin = found.end()
        elif sign == ";" and depth == 0:
            yield css[begin : found.start()].strip(), None
            begin = found.end()


def _selectors(head: str) -> Iterator[str]:
    """The parts of a list, whose commas in brackets part nothing."""
    depth = begin = 0
    for place, sign in enumerate(head):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            yield head[begin:place].strip()
            begin = place + 1
    yield head[begin:].strip()


def _can_apply(selector: str, names: set[str], begins: tuple[str, ...]) -> bool:
    """Whether each class and identifier that it asks for may be there; alternatives and exceptions are let be."""
    plain = re.sub(rf"{_STRING}", "", selector)
    while (shorter := re.sub(r":[\w-]+\([^()]*\)|\[[^\]]*\]", "", plain)) != plain:
        plain = shorter
    asked = [re.sub(r"\\(.)", r"\1", name) for name in _NAME.findall(plain)]
    return all(name in names or name.startswith(begins) for name in asked)
