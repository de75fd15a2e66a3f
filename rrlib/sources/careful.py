"""Files of an archive that give no more than is sound, whatever their headers ask for."""

import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from rrlib.errors import InputError

MEMORY = 256 << 20  # bytes that an .xz may ask for; `xz -9` asks for 65 MiB
READ = 1 << 16  # compressed bytes, and plain ones, at a time


class Readable(Protocol):
    """What is asked of the file behind."""

    def read(self, size: int, /) -> bytes | None: ...
    def seek(self, offset: int, whence: int, /) -> int: ...
    def tell(self) -> int: ...


class Careful:
    """A file for a parser that believes what headers say: it gives at most `at_once` bytes at once, `in_all` in all.

    A header that claims two gigabytes then costs nothing. Raises InputError where more is asked for: `beyond()` where
    it is too much in all.
    """

    def __init__(
        self,
        file: Readable,
        path: Path,
        at_once: int,
        in_all: int | None = None,
        beyond: Callable[[], InputError] | None = None,
    ):
        self._file, self._path, self._at_once, self._in_all, self._beyond = file, path, at_once, in_all, beyond
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        """As a file does; without a size the rest, which must not be more than is given at once."""
        if size > self._at_once:
            raise InputError(
                f"{self._path} has a header that claims {size} bytes, where {self._at_once} are the most; "
                "ask who made it for a sound one"
            )
        parts: list[bytes] = []
        left = size if size >= 0 else self._at_once
        while left and (part := self._file.read(left)):
            parts.append(part)
            left -= len(part)
        found = b"".join(parts)
        self._given += len(found)
        if self._in_all is not None and self._beyond is not None and self._given > self._in_all:
            raise self._beyond()
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As a file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As a file does."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing: who opened the file closes it."""


class Xz(io.RawIOBase):
    """What `lzma.LZMAFile` gives, read forward only, within `MEMORY`, for which that has no option.

    The header of an .xz says how much memory its reader needs, up to 4 GiB, and liblzma takes it at once.
    """

    def __init__(self, file: IO[bytes], path: Path):
        self._file, self._path, self._at = file, path, 0
        self._decompressor = self._begin()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]  # any buffer is a memoryview here
        """The next bytes; 0 at the end. Raises lzma.LZMAError or EOFError for a damaged file."""
        while True:
            if self._decompressor.eof:
                data = self._decompressor.unused_data or self._file.read(READ)
                if not data.strip(b"\0"):  # padding, or the end
                    return 0
                self._decompressor = self._begin()
            else:
                data = self._file.read(READ) if self._decompressor.needs_input else b""
                if not data and self._decompressor.needs_input:
                    raise EOFError("it ends before its end-of-stream mark")
            found = self._decompress(data, len(buffer))
            if found:
                buffer[: len(found)] = found
                self._at += len(found)
                return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Forward to `offset`, or to the end."""
        if whence != io.SEEK_SET or offset < self._at:
            raise io.UnsupportedOperation("it is read forward only")
        while self._at < offset and self.read(min(READ, offset - self._at)):
            pass
        return self._at

    def tell(self) -> int:
        """How many bytes were read."""
        return self._at

    def _begin(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)

    def _decompress(self, data: bytes, most: int) -> bytes:
        try:
            return self._decompressor.decompress(data, most)
        except lzma.LZMAError as error:
            if "Memory usage limit" not in str(error):
                raise
            raise InputError(
                f"{self._path} needs more than {MEMORY >> 20} MiB of memory to unpack, which looks like a bomb; unpack "
                "it by hand if you trust it"
            ) from None
