"""Is reading frames through PyAV as fast as through OpenCV? The same frames of one clip, interleaved in one run.

    python benchmarks/decoding.py

Makes a 10-second 720p H.264 clip of moving content (crf 23), takes 32 frames from it either way, and prints the median
seconds of each, the median of the pairs' ratios (PyAV / OpenCV; below 1 is faster), and the largest difference of
pixels. Both decode with as many threads as FFmpeg likes, so the clock on the wall is what counts.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from rrlib.datasets.video import decode

PAIRS, FRAMES, SECONDS, FPS, HEIGHT, WIDTH = 11, 32, 10, 25, 720, 1280


def make(path: Path) -> None:
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(0, 256, (90, 160, 3), dtype=np.uint8), (2 * WIDTH, 2 * HEIGHT))
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=FPS, options={"crf": "23"})
        track.height, track.width, track.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(SECONDS * FPS):
            pixels = np.roll(texture, (-2 * number, -4 * number), axis=(0, 1))[:HEIGHT, :WIDTH].copy()
            pixels[3 * number % HEIGHT :, 200:300] = number
            container.mux(track.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(track.encode())


def through_opencv(path: Path) -> np.ndarray:
    count = SECONDS * FPS
    wanted = [(2 * part + 1) * count // (2 * FRAMES) for part in range(FRAMES)]
    taken, capture = [], cv2.VideoCapture(str(path))
    for number in range(wanted[-1] + 1):
        capture.grab()
        if number == wanted[len(taken)]:
            taken.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
    capture.release()
    return np.stack(taken)


def through_pyav(path: Path) -> np.ndarray:
    return decode(path, FRAMES)


def seconds(read: Callable[[Path], np.ndarray], path: Path) -> float:
    started = time.perf_counter()
    read(path)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        make(path)
        pairs = [(seconds(through_pyav, path), seconds(through_opencv, path)) for _ in range(PAIRS + 1)][1:]
        difference = np.abs(through_pyav(path).astype(int) - through_opencv(path)).max()
        size = path.stat().st_size / 1e6
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"{FRAMES} of {SECONDS * FPS} frames, {WIDTH} × {HEIGHT}, {size:.1f} MB, {PAIRS} pairs, PyAV {av.__version__}"
    )
    print(f"PyAV {ours:.3f} s, OpenCV {theirs:.3f} s, ratio {ratio:.2f}, largest difference {difference}")


if __name__ == "__main__":
    main()
