"""Video files as arrays of frames, and back."""

import os
from pathlib import Path

import av
import numpy as np

from rrlib.errors import InputError

# both keep RGB as it is: nothing is rounded on the way through YCbCr
LOSSLESS = {
    ".mp4": ("mp4", "libx264rgb", "rgb24", {"crf": "0", "preset": "veryfast"}),
    ".mkv": ("matroska", "ffv1", "bgr0", {}),
}


def encode(path: Path, frames: np.ndarray, *, fps: int = 25) -> None:
    """Write frames as a lossless video: uint8 (T, H, W, 3), RGB in [0, 255], T ≥ 1; the same bytes each time.

    The suffix chooses container and codec: .mp4 is H.264 in RGB, .mkv is FFV1. The file appears whole or not at all.

    Raises InputError for any other suffix, shape or type.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     encode(Path(folder, "grey.mkv"), np.full((3, 4, 5, 3), 7, np.uint8))
    ...     Path(folder, "grey.mkv").stat().st_size > 0
    True
    """
    path = Path(path)
    if path.suffix not in LOSSLESS:
        raise InputError(f"{path} would be a video of an unknown kind; end its name in {' or '.join(LOSSLESS)}")
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or frames.size == 0:
        raise InputError(f"{path}: frames are {frames.dtype} {frames.shape}; give uint8 (T, H, W, 3) with T, H, W ≥ 1")
    name, codec, pixel_format, options = LOSSLESS[path.suffix]
    unfinished = path.with_name(f".{path.name}.part")
    try:
        # bitexact leaves out the muxer's version, random identifiers and the time of writing
        with av.open(str(unfinished.absolute()), "w", format=name, options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(codec, rate=fps, options=options | {"threads": "1", "flags": "+bitexact"})
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
            container.mux(stream.encode())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
