"""Is a JPEG file what its encoder wrote? Its decoder, libjpeg, shows something for nearly any bits."""

from collections.abc import Callable, Iterator

import numpy as np

SLACK = 8  # bytes; an encoder leaves less than one unused
HOLE = 64  # bytes of zeros on end, which no encoder writes where coefficients that vary are coded
MARKER, START_OF_SCAN, END, RESTARTS = 0xFF, 0xDA, 0xD9, range(0xD0, 0xD8)
PROGRESSIVE = 0xC2


def damage(data: bytes, decode: Callable[[bytes], np.ndarray | None]) -> str:
    """What tells that the bits of a JPEG file were changed; empty if nothing does.

    The Huffman codes of a picture end with its last block (ITU-T T.81, section F.2). So a whole file cannot be decoded
    without its last bytes, and its pixels do not change if bytes are put in behind them: else codes are left over, or
    missing. A file that was written in one pass is examined so; of a progressive one, its last pass, and whether there
    is a hole of zeros in a pass of details.

    Not caught: changes after which just as many bits are used (about nine in ten changes of a single byte), a hole of
    less than about 100 bytes now and then, and most changes of a progressive file other than holes and cuts. Who must
    know keeps hashes.

    decode: the pixels of a file, or None where it is refused; data: a file that it does not refuse.
    """
    parts = list(scans(data))
    if not parts:
        return "it has no picture"
    if any(details and data.find(bytes(HOLE), start, end) >= 0 for start, end, details in parts):
        return "it has a hole of zeros"
    start, end, _ = parts[-1]
    if end - start > 2 * SLACK and decode(data[: end - SLACK]) is not None:
        return "codes are left over at its end"
    same, longer = decode(data), decode(data[:end] + b"\x55" * HOLE + data[end:])
    if same is None or longer is None or not np.array_equal(longer, same):
        return "codes are missing at its end"
    return ""


def scans(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Where the coded bits of each scan begin and end, and whether they are details of a progressive file.

    Stops where no marker stands in its place, and at the end of the image: what follows (a preview, say) is no part.
    """
    place, progressive = 2, False
    while place + 4 <= len(data) and data[place] == MARKER:
        kind = data[place + 1]
        if kind == MARKER:  # fill
            place += 1
            continue
        if kind == END:
            return
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        progressive |= kind == PROGRESSIVE
        place += 2 + length
        if kind == START_OF_SCAN:
            start, place = place, _next_marker(data, place)
            first_coefficient = data[start - 3]
            yield start, place, progressive and first_coefficient > 0


def _next_marker(data: bytes, place: int) -> int:
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        if data[place + 1] and data[place + 1] not in RESTARTS:
            return place
        place += 2
    return len(data)
