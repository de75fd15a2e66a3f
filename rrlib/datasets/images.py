"""Image files as arrays, and the images of one split as a torch data set that decodes when asked."""

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from torch.utils.data import Dataset

from rrlib.datasets import jpeg, memory
from rrlib.datasets.found import shown
from rrlib.errors import InputError

MAX_PIXELS = 2**26  # 8192 × 8192: larger headers are taken for a decompression bomb before anything is decoded
MOST_KEPT = 2**30  # bytes
EXAMINED = 23  # bytes a pixel of a JPEG file that is examined: the pixels of three looks at it beside the work of one
WORK = 14  # bytes a pixel that decoding takes at its height: Pillow's four, and copies
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"  # the last chunk's name and checksum; Pillow does not miss it when it is cut off
PNG_BIT_DEPTH = 24  # the offset of IHDR's bit depth (PNG specification, section 11.2.1)
MOST_BYTES = 2**29  # of a file: more than its pixels can take in either format


def decode(path: Path) -> np.ndarray:
    """The pixels of a JPEG or PNG file, told by its content: uint8 (H, W, 3), RGB in [0, 255].

    The EXIF orientation is applied. Grey and palette images become RGB, grey as three equal channels. An alpha
    channel is dropped when the whole image is opaque. Colour profiles are ignored.

    Raises InputError, naming the file and what was found, for anything else: no such file, another format, a
    truncated or damaged file, transparent pixels, 16 bits per channel, CMYK, more than `MAX_PIXELS` pixels (asked of
    the header, before anything is decoded). All bits of a PNG file are under a checksum; of a JPEG file, `examine`
    catches more. Images that are decoded at the same time take no more than `memory.DECODING`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (5, 4), 7).save(Path(folder, "grey.png"))
    ...     decode(Path(folder, "grey.png")).shape
    (4, 5, 3)
    """
    return _decode(Path(path), _read(Path(path)))


def size(path: Path) -> tuple[int, int]:
    """Width and height of an image as its header has them, in pixels; raises InputError where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            with Image.open(path, formats=["JPEG", "PNG"]) as image:
                return image.size
    except Exception as error:  # whatever Pillow makes of bytes that are no image
        raise _unusable(Path(path), "no image", "convert it or take it out") from error


def examine(path: Path) -> np.ndarray:
    """As `decode`, and also refuses a JPEG file whose bits were changed, as far as `jpeg.damage` can tell."""
    path = Path(path)
    data = _read(path)
    if data.startswith(PNG_SIGNATURE):
        return _decode(path, data)

    def again(changed: bytes) -> np.ndarray | None:
        try:
            return _decode(path, changed)
        except InputError:
            return None

    try:
        width, height = size(path)
    except InputError:  # what it is instead is told below
        width = height = 0
    with memory.DECODING.hold(EXAMINED * width * height):
        pixels = _decode(path, data)
        if what := jpeg.damage(data, again):
            raise _damaged(path, png=False, what=what)
    return pixels


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _unusable(path, f"more than {MOST_BYTES} bytes", "scale it down")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read ({error.strerror}); name a JPEG or PNG file") from error


def _decode(path: Path, data: bytes) -> np.ndarray:
    png = data.startswith(PNG_SIGNATURE)
    if not (png or data.startswith(b"\xff\xd8\xff")):
        found = "neither a JPEG nor a PNG file" if data else "an empty file"
        raise _unusable(path, found, "convert it or take it out")
    # Pillow would quietly halve a 16-bit colour PNG to 8 bits, so the header is asked first
    if png and data[PNG_BIT_DEPTH : PNG_BIT_DEPTH + 1] == b"\x10":
        raise _unusable(path, "16 bits per channel", "convert it to 8 bits")
    with warnings.catch_warnings():
        # a line for each file that is a little odd would bury what matters; of bombs, our own limit is the lower one
        warnings.filterwarnings("ignore", module=r"PIL\.")
        return _decode_quietly(path, data, png)


def _decode_quietly(path: Path, data: bytes, png: bool) -> np.ndarray:
    try:
        image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG"])
    except Image.DecompressionBombError as error:
        raise _too_large(path, str(error)) from error
    except Exception as error:  # whatever Pillow makes of bytes that are no image
        raise _damaged(path, png) from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path, f"{image.width} × {image.height} pixels exceed {MAX_PIXELS}")
    with memory.DECODING.hold(WORK * image.width * image.height):
        try:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
            has_alpha = "A" in image.getbands() or "transparency" in image.info
            opaque = not has_alpha or np.asarray(image.convert("RGBA").getchannel("A")).min() == 255
        except Exception as error:
            raise _damaged(path, png) from error
        if png and PNG_END not in data:
            raise _damaged(path, png)
        if image.mode == "CMYK":
            raise _unusable(path, "CMYK", "convert it to RGB")
        if not opaque:
            raise _unusable(path, "transparent pixels", "lay it on an opaque background")
        return pixels


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """An image scaled to a square: uint8 (H, W, 3) → uint8 (size, size, 3), the same array if it has that size.

    Bilinear with antialiasing (Pillow). The aspect ratio is not kept: what is given is taken for a face crop, and
    MesoNet (Afchar et al. 2018) and DeepfakeBench (Yan et al. 2023) stretch their crops in the same way.

    >>> resize(np.zeros((4, 6, 3), np.uint8), 2).shape
    (2, 2, 3)
    """
    if image.shape[:2] == (size, size):
        return image
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


class ImageSet(Dataset):
    """The images that the rows of a manifest name, read from disk one at a time.

    Item `i` is `(image, label, i)`: float32 (3, S, S) in [0, 1] with S = `input_size`, 0 real or 1 fake, and the
    row of `table` (columns sample, group, label) that says which sample it is. A file that cannot be used raises
    InputError when its item is asked for.

    frame: the rows, with columns sample, path, label, group; root: the folder that the paths start from; keep: hold
    what was decoded as bytes, up to `MOST_KEPT` of them, for training, which asks for each image many times.
    """

    def __init__(self, frame: pd.DataFrame, root: Path, input_size: int, keep: bool = False):
        self.table = frame[["sample", "group", "label"]].reset_index(drop=True)
        self.input_size = input_size
        self._paths = [Path(root, path) for path in frame["path"]]
        self._labels = [int(label) for label in frame["label"]]
        self._kept: dict[int, np.ndarray] = {}
        self._most_kept = MOST_KEPT // (3 * input_size**2) if keep else 0

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, int]:
        pixels = self._kept.get(index)
        if pixels is None:
            pixels = resize(decode(self._paths[index]), self.input_size)
            if len(self._kept) < self._most_kept:
                self._kept[index] = pixels
        image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        return image, self._labels[index], index


def _unusable(path: Path, found: str, remedy: str) -> InputError:
    allowed = "an image must be JPEG or PNG, 8 bits per channel, RGB or grey, opaque"
    return InputError(f"{shown(path)}: found {found}, but {allowed}; {remedy}")


def _too_large(path: Path, why: str) -> InputError:
    return _unusable(path, f"too large an image ({why})", "scale it down")


def _damaged(path: Path, png: bool, what: str = "") -> InputError:
    kind = f"a truncated or damaged {'PNG' if png else 'JPEG'}{f' ({what})' if what else ''}"
    return _unusable(path, kind, "fetch it again or take it out")
