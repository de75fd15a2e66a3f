"""matplotlib's SVG in a third of its bytes, the same picture to the eye."""

import base64
import io
import re

import numpy as np
from PIL import Image

DECIMALS = 1  # of a coordinate in points; a twentieth of one, by which it is off, is a fifteenth of a pixel
QUALITY = 80
CLOSE = 35.0  # decibels; a picture that WebP's lossy way keeps less well than this is kept exactly
_MARKERS = re.compile(
    r'<g(?P<group>(?: clip-path="[^"]*")?)>(?P<markers>(?:<use href="[^"]*"[^>]*? style="[^"]*"/>){2,})</g>'
)
# what matplotlib names without ever referring to it
_UNUSED = re.compile(r' id="(?:[A-Za-z]+\d?d?|matplotlib\.axis)_\d+"')
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_PLACES = re.compile(r'(?<= )(?:d|points|x|y|x1|x2|y1|y2|cx|cy|width|height|viewBox)="[^"]*"|translate\([^)]*\)')
_CLIPPED = re.compile(r'<path [^>]*?(?P<clip> clip-path="[^"]*")[^>]*/>(?:<path [^>]*?(?P=clip)[^>]*/>)+')
_FONT = re.compile(r'(?<=; )font-family: ([^;"]+); ')
_EMBEDDED = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")


def lighter(svg: str) -> str:
    """The same picture without metadata, comments and needless digits, its pixels packed; equal in, equal out.

    >>> lighter('<g id="text_1">\\n <!-- 0.1 -->\\n <path d="M 1.23456 2 \\nL 3 4 \\nz\\n"/>\\n</g>')
    '<path d="M1.2 2l1.8 2z"/>'
    """
    svg = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = _PLACES.sub(_shorter, svg)
    svg = _EMBEDDED.sub(lambda found: packed(base64.b64decode(found[1])), svg)
    svg = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", svg)
    svg = _UNUSED.sub("", svg)
    svg = re.sub(r'<use xlink:href="([^"]+)" transform="translate\(([-\d.]+) 0\)"/>', r'<use href="\1" x="\2"/>', svg)
    svg = svg.replace("xlink:href=", "href=").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    svg = re.sub(r">\s+<", "><", svg).strip()
    return _with_classes(_named_shortly(_merged(_ungrouped(svg))))


def packed(png: bytes) -> str:
    """A PNG as the shortest `data:` address: WebP, exactly or so that it is `CLOSE`, or a PNG where that is shorter."""
    picture: Image.Image = Image.open(io.BytesIO(png))
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    tries = [
        ("png", _written(picture, "PNG", optimize=True)),
        ("webp", _written(picture, "WEBP", lossless=True, quality=25, method=1)),
    ]
    if picture.mode == "RGB":
        lossy = _written(picture, "WEBP", quality=QUALITY, method=4)
        if _likeness(picture, lossy) >= CLOSE:
            tries.append(("webp", lossy))
    kind, shortest = min(tries, key=lambda each: len(each[1]))
    return f"data:image/{kind};base64,{base64.b64encode(shortest).decode()}"


def _written(picture: Image.Image, kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def _likeness(picture: Image.Image, encoded: bytes) -> float:
    """Peak signal-to-noise ratio in decibels."""
    again = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), dtype=float)
    error = float(((np.asarray(picture, dtype=float) - again) ** 2).mean())
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def _shorter(found: re.Match[str]) -> str:
    place = found[0]
    if place.startswith("d="):
        return f'd="{_path(place[3:-1])}"'
    return _NUMBER.sub(lambda number: _rounded(number[0]), place)


def _path(path: str) -> str:
    """Path data with what follows a point said from there: `h` and `v` where a line is level or upright.

    Steps are taken between rounded points, so that no error adds up.

    >>> _path("M 1 1 \\nL 3.456 1 \\nL 3.456 0.5 \\nL 4 2 \\nz")
    'M1 1h2.5v-.5l.5 1.5z'
    """
    parts, unit = [], 10**DECIMALS
    x = y = begin_x = begin_y = 0
    if re.search(r"[^MLQCZz\d\s.-]", path):  # arcs, or steps already
        return _NUMBER.sub(lambda number: _rounded(number[0]), " ".join(path.split()))
    for letter, said in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        numbers = [round(float(each) * unit) for each in said.split()]
        if letter in "zZ":
            parts.append("z")
            x, y = begin_x, begin_y
            continue
        if letter == "M":
            parts.append("M" + _listed(numbers, unit))
            begin_x, begin_y = numbers
        elif letter == "L" and numbers[1] == y:
            parts.append("h" + _listed([numbers[0] - x], unit))
        elif letter == "L" and numbers[0] == x:
            parts.append("v" + _listed([numbers[1] - y], unit))
        else:
            away = [number - (x, y)[place % 2] for place, number in enumerate(numbers)]
            parts.append(letter.lower() + _listed(away, unit))
        x, y = numbers[-2:]
    return "".join(parts)


def _listed(numbers: list[int], unit: int) -> str:
    """Whole numbers of units as decimals, with no more signs between them than a reader of SVG needs."""
    told = [f"{number / unit:.{DECIMALS}f}".rstrip("0").rstrip(".") for number in numbers]
    told = ["0" if each in ("-0", "") else re.sub(r"^(-?)0\.", r"\1.", each) for each in told]
    return re.sub(r" (?=-)", "", " ".join(told))


def _rounded(number: str) -> str:
    short = f"{float(number):.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _ungrouped(svg: str) -> str:
    """Without the groups that say nothing of what they hold."""
    kept: list[bool] = []

    def told(found: re.Match[str]) -> str:
        if found[0] == "</g>":
            return "</g>" if kept.pop() else ""
        kept.append(found[0] != "<g>")
        return found[0] if kept[-1] else ""

    return re.sub(r"<g(?: [^>]*)?>|</g>", told, svg)


def _merged(svg: str) -> str:
    """What neighbours share, their group says once: markers their look, lines and areas what clips them."""
    svg = _MARKERS.sub(_in_a_group, svg)
    svg = _CLIPPED.sub(lambda found: f"<g{found['clip']}>{found[0].replace(found['clip'], '')}</g>", svg)
    if len(set(_FONT.findall(svg))) == 1 and "</style>" in svg:
        family = _FONT.findall(svg)[0]
        svg = _FONT.sub("", svg).replace("</style>", f"text{{font-family:{family}}}</style>", 1)
    return svg


def _in_a_group(found: re.Match[str]) -> str:
    """A look that is inherited, as that of lines and areas is; opacity as a whole is not."""
    looks = set(re.findall(r' style="([^"]*)"', found["markers"]))
    if len(looks) != 1 or "opacity" in re.sub(r"(?:fill|stroke)-opacity", "", *looks):
        return found[0]
    return f'<g{found["group"]} style="{looks.pop()}">{re.sub(r" style=.[^>]*?(?=/>)", "", found["markers"])}</g>'


def _with_classes(svg: str) -> str:
    """Each style that elements share is written once."""
    styles = [re.sub(r"\s*([:;,])\s*", r"\1", style) for style in re.findall(r' style="([^"]*)"', svg)]
    names = {style: f"s{number}" for number, style in enumerate(dict.fromkeys(styles)) if styles.count(style) > 1}
    said = "".join(f".{name}{{{style}}}" for style, name in names.items())
    turn = iter(styles)

    def classed(found: re.Match[str]) -> str:
        style = next(turn)
        return f' class="{names[style]}"' if style in names else f' style="{style}"'

    svg = re.sub(r' style="[^"]*"', classed, svg)
    return svg.replace("</style>", f"{said}</style>", 1) if "</style>" in svg else svg


def _named_shortly(svg: str) -> str:
    """Glyphs, markers and clip paths named by their order."""
    names = {name: f"n{number}" for number, name in enumerate(dict.fromkeys(re.findall(r' id="([^"]+)"', svg)))}
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{names[found[1]]}"', svg)
    return re.sub(r'(?<=["(])#([^")]+)(?=[")])', lambda found: f"#{names.get(found[1], found[1])}", svg)


def number_clips(svg: str) -> str:
    """The same picture with its clip paths named by their order.

    matplotlib names them after a hash of coordinates that its layout finds with other last digits from run to run.

    >>> number_clips('<g clip-path="url(#p161ef81eee)"/><clipPath id="p161ef81eee"/>')
    '<g clip-path="url(#clip0)"/><clipPath id="clip0"/>'
    """
    for number, name in enumerate(re.findall(r'<clipPath id="(p[0-9a-f]{10})"', svg)):
        svg = svg.replace(name, f"clip{number}")
    return svg
