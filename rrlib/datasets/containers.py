"""Does a video file end where its container says? FFmpeg plays a file that was cut off to its last whole frame."""

import os
import struct
from pathlib import Path
from typing import BinaryIO

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """How many bytes of a video file are cut off at its end: 0 where it is whole or its container cannot tell.

    The outermost lengths are asked: the boxes of MP4 and MOV (ISO/IEC 14496-12, section 4.2), the segment of Matroska
    and WebM (RFC 8794, section 4; a live recording leaves it open), the RIFF chunks of AVI. Frame counts and durations
    in the headers play no part: they are often wrong in files that are whole.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "cut.avi").write_bytes(b"RIFF" + bytes([20, 0, 0, 0]) + b"AVI LIST")
    ...     missing_bytes(Path(folder, "cut.avi"))
    12
    """
    with open(path, "rb") as file:
        start = file.read(12)
        file.seek(0)
        if start[:4] == EBML:
            end = _matroska_end(file)
        elif start[:4] == b"RIFF":
            end = _chunks_end(file, os.path.getsize(path))
        elif start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            end = _boxes_end(file, os.path.getsize(path))
        else:
            end = 0
    return max(0, end - os.path.getsize(path))


def _boxes_end(file: BinaryIO, size: int) -> int:
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(16).ljust(16, b"\0")
        length = struct.unpack(">I", header[:4])[0]
        if length == 1:
            length = struct.unpack(">Q", header[8:])[0]
        named = all(32 <= byte < 127 or byte == 0xA9 for byte in header[4:8])
        if length < 8 or not named:  # a box to the end of the file, or what somebody put after the last one
            return 0
        end += length
    return end


def _chunks_end(file: BinaryIO, size: int) -> int:
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b"RIFF":  # padding after the last chunk
            return end
        end += 8 + struct.unpack("<I", header[4:])[0]
    return end


def _matroska_end(file: BinaryIO) -> int:
    file.seek(4)
    length = _length(file)
    if length is None:
        return 0
    file.seek(length, os.SEEK_CUR)
    if file.read(4) != SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: BinaryIO) -> int | None:
    """An EBML length at the file's position, or None where it is left open or absent."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    size = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(size - 1), "big") ^ (1 << 7 * size)
    return None if value == (1 << 7 * size) - 1 else value
