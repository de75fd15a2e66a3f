"""How much memory a large video takes, measured in a process of its own, and what is counted of a picture."""

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
from PIL import Image

from rrlib.datasets import images, memory

ROOT = Path(__file__).resolve().parents[2]
MOST = 2.0  # GiB
MAKE = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000"}  # what make says, which is the harder case
READ = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from rrlib.datasets import video

def read(path):
    for _ in video.stream(path, 4, examine=True):
        pass

paths = [Path(path) for path in sys.argv[1:]]
with ThreadPoolExecutor(len(paths)) as pool:
    list(pool.map(read, paths))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "linux" else 30))
"""


def peak(paths: list[Path]) -> float:
    """GiB at the height of a process that reads all of these at the same time."""
    environment = os.environ | MAKE | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_all_that_is_held_of_a_jpeg_file_while_it_is_examined_is_counted(tmp_path, monkeypatch):
    """Its pixels and those of two more looks lie beside the work of one decoder, whoever else reads."""
    asked = []

    class Counting(memory.Budget):
        def hold(self, needed):
            if not getattr(self._own, "holding", False):
                asked.append(needed)
            return super().hold(needed)

    monkeypatch.setattr(memory, "DECODING", Counting(2**30))
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    picture.save(tmp_path / "a.jpg")
    picture.save(tmp_path / "a.png")
    images.examine(tmp_path / "a.jpg")
    assert asked == [40 * 50 * (images.WORK + 9)]
    images.examine(tmp_path / "a.png")
    assert asked[1:] == [40 * 50 * images.WORK]


def test_six_readers_of_a_4k_video_take_less_than_two_gib(tmp_path):
    path = tmp_path / "a.mp4"
    frame = np.zeros((2160, 3840, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 3840, 2160, "yuv420p"
        for number in range(8):
            frame[:, 100 * number : 100 * number + 100] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    assert peak([path] * 6) < MOST
