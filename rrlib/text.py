"""Text of others (names of files, families, labels, sources) stays text: in HTML, Markdown, figures and a terminal.

Whatever a page, a table or a figure shows that did not come from this repository goes through here, and nowhere else is
anything escaped. Formulas in figures are switched off where their style is set (`rrlib.report.figures`).
"""

import html as _html
import re

LABEL = 40  # characters of a name beside a picture; a longer one would make the picture as wide as itself
# What Markdown, with the extensions that the book's pages are read with, may take for markup wherever it stands …
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>|~$&@^#!])")
# … at the beginning of a line (a list, a fence, a comment, a target) …
_BEGINS = re.compile(r"^(\d*)([-+=:.)(%])")
# … and what it makes a link of by itself: http://…, www.…, name.com
_LINKED = re.compile(r"(?<=\w)([.:])(?=[^\W\d]|//)")


def line(text: object) -> str:
    r"""One line that can be seen: white space as one blank, what is not printable as Python writes it.

    >>> line("a\nb\tc"), line("\x1b[2J"), line("caf\udce9"), line("été")
    ('a b c', '\\x1b[2J', 'caf\\udce9', 'été')
    """
    return terminal(" ".join(str(text).split()))


def terminal(text: object) -> str:
    r"""Text for a terminal: line breaks stay, any other character that would steer it is written out.

    >>> print(terminal("a\nb\x1b[2J\u202ec"))
    a
    b\x1b[2J\u202ec
    """
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in str(text))


def html(text: object) -> str:
    """Text for HTML, also inside an attribute.

    >>> html("<img src=x onerror=alert(1)>")
    '&lt;img src=x onerror=alert(1)&gt;'
    """
    return _html.escape(line(text))


def markdown(text: object) -> str:
    r"""Text for a paragraph, a heading or the cell of a table in Markdown (CommonMark and MyST).

    >>> print(markdown("[x](javascript:alert(1)) | $5 \\foo$"), markdown("resnet-madry"))
    \[x\](javascript\:alert(1)) \| \$5 \\foo\$ resnet-madry
    """
    said = _ACTIVE.sub(r"\\\1", line(text))
    return _BEGINS.sub(r"\1\\\2", _LINKED.sub(r"\\\1", said))


def code(text: object) -> str:
    """Text as code in Markdown: between as many backticks as it does not hold itself.

    >>> code("faces"), code("a`b"), code("`")
    ('`faces`', '``a`b``', '`` ` ``')
    """
    said = line(text) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", said)), default=0))
    blank = " " if said.startswith("`") or said.endswith("`") else ""
    return f"{fence}{blank}{said}{blank}{fence}"


def label(text: object) -> str:
    """Text beside a picture: one line of at most `LABEL` characters.

    >>> label("a" * 50) == "a" * 39 + "…"
    True
    """
    said = line(text)
    return said if len(said) <= LABEL else f"{said[: LABEL - 1]}…"
