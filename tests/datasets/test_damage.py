"""Facts about damaged, oversized and misleading files: what is refused, in which words, and what is let through."""

import io
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from rrlib.datasets import images, jpeg, memory, video
from rrlib.errors import InputError

FRAMES = 16
CODECS = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "av1", "libvpx-vp9": "vp9"}


def smooth(seed: int, *shape: int) -> np.ndarray:
    """Pictures with detail and noise, as photographs have: uint8 (…, 3)."""
    rng = np.random.default_rng(seed)
    blurred = gaussian_filter(rng.normal(size=(*shape, 3)), (*(3 for _ in shape), 0))
    blurred /= blurred.std()
    return np.clip(128 + 50 * blurred + 5 * rng.normal(size=(*shape, 3)), 0, 255).astype(np.uint8)


def jpeg_bytes(seed: int, **options: object) -> bytearray:
    file = io.BytesIO()
    Image.fromarray(smooth(seed, 96, 128)).save(file, "JPEG", **options)
    return bytearray(file.getvalue())


def verdict(path: Path, data: bytes) -> str:
    """Why `images.examine` refuses a file; empty if it does not."""
    path.write_bytes(data)
    try:
        images.examine(path)
    except InputError as error:
        return str(error)
    return ""


KINDS = {
    "plain": {"quality": 75},
    "fine": {"quality": 95, "subsampling": 0},
    "optimised": {"quality": 85, "optimize": True},
    "progressive": {"quality": 85, "progressive": True},
    "restarts": {"quality": 85, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_whole_jpeg_is_let_through(tmp_path, options):
    for seed in range(10):
        assert verdict(tmp_path / "whole.jpg", jpeg_bytes(seed, **options)) == ""


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_jpeg_of_one_colour_is_let_through_though_its_codes_may_be_zeros(tmp_path, options, value):
    file = io.BytesIO()
    Image.new("RGB", (640, 480), (value,) * 3).save(file, "JPEG", **options)
    assert verdict(tmp_path / "flat.jpg", file.getvalue()) == ""


def test_a_jpeg_with_a_preview_or_a_trailer_is_let_through(tmp_path):
    inner = bytes(jpeg_bytes(1, quality=50))
    exif = b"Exif\0\0" + inner
    whole = bytes(jpeg_bytes(2))
    with_preview = whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + whole[2:]
    assert verdict(tmp_path / "preview.jpg", with_preview) == ""
    assert verdict(tmp_path / "trailer.jpg", whole + inner) == ""


@pytest.mark.parametrize("kind", ["plain", "fine", "optimised"])
def test_a_jpeg_with_a_hole_of_zeros_is_refused(tmp_path, kind):
    for seed in range(10):
        data = jpeg_bytes(seed, **KINDS[kind])
        (start, end, _), *_ = jpeg.scans(bytes(data))
        at = start + (end - start - 512) * seed // 10
        data[at : at + 512] = bytes(512)
        assert "found a truncated or damaged JPEG (codes are " in verdict(tmp_path / "hole.jpg", data)


def test_a_progressive_jpeg_with_a_hole_in_its_details_is_refused(tmp_path):
    data = jpeg_bytes(0, quality=95, progressive=True)
    start, end = max(
        ((start, end) for start, end, details in jpeg.scans(bytes(data)) if details), key=lambda s: s[1] - s[0]
    )
    data[(start + end) // 2 : (start + end) // 2 + 200] = bytes(200)
    assert "found a truncated or damaged JPEG" in verdict(tmp_path / "hole.jpg", data)


def test_pixels_of_a_damaged_jpeg_would_have_been_wrong(tmp_path):
    data = jpeg_bytes(3)
    whole = tmp_path / "whole.jpg"
    whole.write_bytes(data)
    start, _, _ = next(jpeg.scans(bytes(data)))
    data[start + 100 : start + 612] = bytes(512)
    (tmp_path / "hole.jpg").write_bytes(data)
    assert np.abs(images.decode(whole).astype(int) - images.decode(tmp_path / "hole.jpg")).max() > 50


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> dict[str, tuple[bytes, list[tuple[int, int]], np.ndarray]]:
    """Of each codec a whole MP4 file, where its packets lie, and its frames."""
    folder, clip, made = tmp_path_factory.mktemp("codecs"), smooth(0, FRAMES, 96, 128), {}
    for encoder in CODECS:
        path = folder / f"{encoder}.mp4"
        options = {"x265-params": "log-level=none"} if encoder == "libx265" else {}
        with av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
            for pixels in clip:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        with av.open(str(path)) as container:
            packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
        made[encoder] = path.read_bytes(), packets, video.decode(path, FRAMES)
    if hasattr(os, "sched_setscheduler"):
        # SVT-AV1 gives root's thread that calls it the highest real-time priority: whatever that thread began after
        # this, a browser say, would leave no time to anything else
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return made


def examined(path: Path, data: bytes) -> np.ndarray | str:
    """All frames of a video, or why it is refused."""
    path.write_bytes(data)
    try:
        return np.stack(list(video.stream(path, FRAMES, examine=True)))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("encoder", CODECS)
def test_a_whole_video_is_let_through(tmp_path, encoded, encoder):
    data, _, expected = encoded[encoder]
    np.testing.assert_array_equal(examined(tmp_path / "whole.mp4", data), expected)


@pytest.mark.parametrize("size", [64, 512])
@pytest.mark.parametrize("encoder", CODECS)
def test_a_hole_in_a_video_is_refused(tmp_path, encoded, encoder, size):
    data, packets, _ = encoded[encoder]
    for number, (at, length) in enumerate(sorted(packets, key=lambda packet: -packet[1])[:6]):
        if length < size + 20:
            continue
        changed = bytearray(data)
        at += 20 + (length - size - 20) * number // 6
        changed[at : at + size] = bytes(size)
        said = examined(tmp_path / "hole.mp4", changed)
        assert isinstance(said, str)
        assert "found a video that is truncated or damaged (" in said


# the least number of 20 videos with one changed byte that are refused; the others decode to something, and of HEVC and
# VP9 most do
@pytest.mark.parametrize(("encoder", "least"), [("libx264", 5), ("libsvtav1", 12)])
def test_changed_bytes_are_refused_where_the_decoder_can_tell(tmp_path, encoded, encoder, least):
    data, packets, expected = encoded[encoder]
    came = Counter()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        at, length = packets[rng.integers(len(packets))]
        changed = bytearray(data)
        changed[at + int(rng.integers(min(30, length - 1), length))] ^= int(rng.integers(1, 256))
        said = examined(tmp_path / "changed.mp4", changed)
        came["refused" if isinstance(said, str) else "same" if np.array_equal(said, expected) else "wrong"] += 1
    assert came["refused"] >= least, came


def music(path: Path, cover: bool) -> None:
    """A second of silence, with a cover picture."""
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        picture = container.add_stream("mjpeg") if cover else None
        if picture:
            picture.width = picture.height = 32
            picture.pix_fmt = "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts = 44100, 1024 * number
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
        if picture:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
            container.mux(picture.encode())


def test_music_with_a_cover_picture_is_no_video(tmp_path):
    music(tmp_path / "song.m4a", cover=True)
    with av.open(str(tmp_path / "song.m4a")) as container:
        assert container.streams.video[0].disposition & av.stream.Disposition.attached_pic
    with pytest.raises(InputError, match=r"song\.m4a: found a cover picture and no video stream, but a clip must be "):
        video.decode(tmp_path / "song.m4a", 2)


def test_a_frame_larger_than_8k_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "large.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 8190, 4320, "yuv420p"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(8190, 4320, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(
        InputError, match=r"found 8190 × 4320 pixels, more than 33554432, but a clip must be .* it down$"
    ):
        video.decode(path, 2)


def test_more_threads_than_the_budget_has_room_for_wait_for_each_other():
    budget, inside, most = memory.Budget(10), 0, 0
    lock = threading.Lock()

    def work():
        nonlocal inside, most
        with budget.hold(4), budget.hold(100):  # the second is inside the first, and may not wait
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.01)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (inside, most) == (0, 2)


READ = """
import resource, sys
from pathlib import Path
from rrlib import datasets
datasets.prepare("large", datasets.Folder(source=sys.argv[1], seed=0), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def test_large_pictures_are_read_in_less_than_two_gibibytes(tmp_path):
    for name in ("real", "fake"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for number in range(3):
            large = Image.new("RGB", (8192, 8192), (number, len(name), name == "real"))
            large.save(tmp_path / "faces" / name / f"{name}{number}.png", compress_level=1)
    command = [sys.executable, "-c", READ, str(tmp_path / "faces"), str(tmp_path / "out")]
    # what make says, under which each thread would keep the memory that it has freed
    make = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
    done = subprocess.run(command, env=os.environ | make, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2**31
