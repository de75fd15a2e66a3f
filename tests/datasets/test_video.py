"""Facts about video files: what is written is read back, in order, and what cannot be used is named."""

import re
import struct
import tracemalloc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rrlib.datasets.video import ALLOWED, decode, encode, stream
from rrlib.errors import InputError

CODECS = {  # name of the file: codec, pixel format, options
    "lossless.mp4": ("libx264rgb", "rgb24", {"crf": "0"}),
    "lossless.mkv": ("ffv1", "bgr0", {}),
    "ordinary.mp4": ("libx264", "yuv420p", {"crf": "18"}),
    "ordinary.mkv": ("libx264", "yuv420p", {"crf": "18"}),
    "ordinary.avi": ("libx264", "yuv420p", {"crf": "18"}),
    "old.avi": ("mpeg4", "yuv420p", {"bf": "2", "qmin": "1", "qmax": "1"}),
    "ordinary.webm": ("libvpx-vp9", "yuv420p", {"crf": "10", "lag-in-frames": "8", "deadline": "realtime"}),
    "deep.mkv": ("ffv1", "yuv420p10le", {}),
    "odd.mkv": ("ffv1", "yuv420p", {}),
    "grey.mkv": ("ffv1", "gray", {}),
}


def save(
    path: Path,
    frames: np.ndarray,
    *,
    fps: int = 25,
    times: Sequence[int] | None = None,
    turn: dict | None = None,
    **muxer: str,
) -> None:
    """Frames in the codec that the file's name stands for, with their times (in 1 / fps) and a display matrix."""
    codec, pixel_format, options = CODECS[path.name]
    with av.open(str(path), "w", options=muxer) as container:
        track = container.add_stream(codec, rate=fps, options=options)
        track.height, track.width, track.pix_fmt = *frames.shape[1:3], pixel_format
        track.codec_context.time_base = Fraction(1, fps)
        if turn:
            track.set_display_rotation(**turn)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, fps)
            container.mux(track.encode(frame))
        container.mux(track.encode())


def noise(count: int = 9, height: int = 33, width: int = 47) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def steps(count: int) -> np.ndarray:
    """Plain grey frames that get brighter by four, which no codec and no colour matrix blurs into each other."""
    return np.full((count, 48, 64, 3), 20, np.uint8) + 4 * np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)


def numbers(frames: np.ndarray) -> list[int]:
    """Which of `steps` these are."""
    return ((frames.mean(axis=(1, 2, 3)) - 20) / 4).round().astype(int).tolist()


def refusal(path: Path, frames: int = 4, stride: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        decode(path, frames, stride)
    return str(caught.value)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_encoding_twice_gives_the_same_bytes(tmp_path, name):
    encode(tmp_path / name, noise())
    first = (tmp_path / name).read_bytes()
    encode(tmp_path / name, noise())
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"clip\.avi would be a video of an unknown kind; end its name in \.mp4 or \.mkv"
    ):
        encode(tmp_path / "clip.avi", noise())


@pytest.mark.parametrize("frames", [noise().astype(np.float32), noise()[0], noise()[:0], noise()[..., :1]])
def test_frames_of_another_kind_are_refused(tmp_path, frames):
    shape = re.escape(str(frames.shape))
    with pytest.raises(InputError, match=rf"frames are {frames.dtype} {shape}; give uint8 \(T, H, W, 3\)"):
        encode(tmp_path / "clip.mp4", frames)
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("size", [(33, 47), (1, 1), (48, 64)])
def test_a_lossless_video_gives_back_what_was_written(tmp_path, name, size):
    encode(tmp_path / name, noise(5, *size))
    np.testing.assert_array_equal(decode(tmp_path / name, 5), noise(5, *size))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("count", [50, 37])
def test_frames_come_in_order_from_the_middles_of_equal_parts(tmp_path, name, count):
    save(tmp_path / name, steps(count))
    for frames in (2, 5, 16, 25):
        expected = [(2 * part + 1) * count // (2 * frames) for part in range(frames)]
        assert numbers(decode(tmp_path / name, frames)) == expected
    assert numbers(decode(tmp_path / name, count)) == list(range(count))


@pytest.mark.parametrize("fps", [24, 30, 60])
def test_times_that_the_container_rounds_change_nothing(tmp_path, fps):
    encode(tmp_path / "clip.mkv", steps(48), fps=fps)
    assert numbers(decode(tmp_path / "clip.mkv", 24)) == list(range(1, 48, 2))


@pytest.mark.parametrize("name", ["lossless.mkv", "ordinary.mp4", "ordinary.avi"])
def test_a_window_with_a_stride_lies_in_the_middle(tmp_path, name):
    save(tmp_path / name, steps(20))
    assert numbers(decode(tmp_path / name, 4, stride=1)) == [8, 9, 10, 11]
    assert numbers(decode(tmp_path / name, 4, stride=5)) == [2, 7, 12, 17]
    assert numbers(decode(tmp_path / name, 20, stride=1)) == list(range(20))


@pytest.mark.parametrize("name", ["lossless.mkv", "lossless.mp4", "ordinary.mp4"])
def test_a_varying_frame_rate_is_honoured(tmp_path, name):
    # ten frames within a second, one that stays for three, and ten more within one
    times = [*range(10), 10, *range(40, 50)]
    save(tmp_path / name, steps(21), fps=10, times=times)
    shown = [max(number for number, time in enumerate(times) if time <= 2.5 + 5 * part) for part in range(10)]
    assert shown == [2, 7, 10, 10, 10, 10, 10, 10, 13, 18]
    assert numbers(decode(tmp_path / name, 10)) == shown


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [{}, {"hflip": True}, {"vflip": True}])
def test_the_display_matrix_is_applied(tmp_path, degrees, mirror):
    save(tmp_path / "lossless.mp4", noise(), turn={"degrees": degrees, **mirror})
    expected = np.rot90(noise(), degrees // 90, axes=(1, 2))
    expected = expected[:, :, ::-1] if "hflip" in mirror else expected[:, ::-1] if "vflip" in mirror else expected
    np.testing.assert_array_equal(decode(tmp_path / "lossless.mp4", 9), expected)


def test_a_display_matrix_askew_is_refused(tmp_path):
    save(tmp_path / "lossless.mp4", noise(), turn={"degrees": 45})
    assert "found a display matrix that is no turn by 90°, but" in refusal(tmp_path / "lossless.mp4")


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = np.repeat(noise()[..., :1], 3, axis=3)
    save(tmp_path / "grey.mkv", grey)
    decoded = decode(tmp_path / "grey.mkv", 9).astype(int)
    assert np.ptp(decoded, axis=3).max() == 0
    assert np.abs(decoded - grey).max() <= 2  # a step of 219 / 255 and rounding


def test_colours_survive_ordinary_compression(tmp_path):
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [180, 180, 20]], np.uint8)
    save(tmp_path / "ordinary.mp4", np.broadcast_to(colours[:, None, None], (4, 32, 32, 3)).copy())
    decoded = decode(tmp_path / "ordinary.mp4", 4)
    assert np.abs(decoded - colours[:, None, None].astype(float)).mean() < 4


def test_what_the_container_says_about_its_length_is_not_believed(tmp_path):
    save(tmp_path / "old.avi", steps(20))
    save(tmp_path / "lossless.mkv", steps(20))
    avi, mkv = (bytearray((tmp_path / name).read_bytes()) for name in ("old.avi", "lossless.mkv"))
    for count in (3, 900):
        for chunk, offset in ((b"avih", 24), (b"strh", 40)):
            at = avi.index(chunk) + offset
            avi[at : at + 4] = struct.pack("<I", count)
        at = mkv.index(b"\x44\x89\x88") + 3
        mkv[at : at + 8] = struct.pack(">d", 40 * count)
        for name, data in (("old.avi", avi), ("lossless.mkv", mkv)):
            (tmp_path / name).write_bytes(data)
            assert numbers(decode(tmp_path / name, 5)) == [2, 6, 10, 14, 18]


@pytest.mark.parametrize("name", ["ordinary.mp4", "ordinary.avi"])
def test_ordinary_frames_are_those_of_opencv(tmp_path, name):
    cv2 = pytest.importorskip("cv2")
    save(tmp_path / name, noise(8, 48, 64))
    capture = cv2.VideoCapture(str(tmp_path / name))
    frames = np.stack([capture.read()[1][..., ::-1] for _ in range(8)])
    np.testing.assert_array_equal(decode(tmp_path / name, 8), frames)


def test_odd_sizes_of_subsampled_colour_are_decoded(tmp_path):
    save(tmp_path / "odd.mkv", noise(4, 33, 47))
    assert decode(tmp_path / "odd.mkv", 4).shape == (4, 33, 47, 3)


def test_decoding_again_gives_the_same_bytes(tmp_path):
    save(tmp_path / "ordinary.mp4", noise(40, 32, 48))
    assert decode(tmp_path / "ordinary.mp4", 7).tobytes() == decode(tmp_path / "ordinary.mp4", 7).tobytes()


def test_memory_is_that_of_the_frames_taken(tmp_path):
    encode(tmp_path / "clip.mkv", np.zeros((400, 64, 64, 3), np.uint8))
    tracemalloc.start()
    decode(tmp_path / "clip.mkv", 4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 400 * 64 * 64 * 3 / 10


@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("name", ["ordinary.mp4", "lossless.mkv", "old.avi", "ordinary.webm"])
def test_a_file_cut_anywhere_is_refused(tmp_path, name, faststart):
    path = tmp_path / name
    save(path, noise(6, 32, 48), **({"movflags": "+faststart"} if faststart and name.endswith("mp4") else {}))
    whole = path.read_bytes()
    for length in [*range(1, len(whole), len(whole) // 23), *range(len(whole) - 3, len(whole))]:
        path.write_bytes(whole[:length])
        found = "a video that is truncated or damaged|something else|no video stream"
        assert re.match(rf"{re.escape(str(path))}: found ({found}).*, but {ALLOWED}; ", refusal(path, 2))


@pytest.mark.parametrize("name", ["ordinary.mp4", "lossless.mkv", "old.avi"])
def test_what_somebody_put_after_the_end_changes_nothing(tmp_path, name):
    save(tmp_path / name, steps(6))
    with open(tmp_path / name, "ab") as file:
        file.write(bytes(3) + b"\x99\xfe" * 50)
    assert numbers(decode(tmp_path / name, 6)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["ordinary.mp4", "ordinary.avi"])
def test_a_hole_in_the_middle_is_told(tmp_path, name):
    save(tmp_path / name, noise(30, 32, 48))
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 3 : len(data) * 2 // 3] = bytes(len(data) * 2 // 3 - len(data) // 3)
    (tmp_path / name).write_bytes(data)
    assert "found a video that is truncated or damaged" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"hello\n" * 99, "something else"),  # FFmpeg shows a text as on a terminal
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "something else"),
        (noise().tobytes(), "something else"),
    ],
)
def test_a_file_that_is_no_video_is_refused(tmp_path, content, found):
    (tmp_path / "clip.mp4").write_bytes(content)
    assert refusal(tmp_path / "clip.mp4").startswith(f"{tmp_path / 'clip.mp4'}: found {found}, but {ALLOWED}; ")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "clip.mp4"
    assert refusal(path) == f"{path} cannot be read (No such file or directory); name a video file"


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        track = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), format="fltp", layout="mono")
        sound.rate = 44100
        container.mux([*track.encode(sound), *track.encode()])
    assert "found no video stream, but" in refusal(tmp_path / "sound.mp4")


def test_a_video_whose_frames_change_size_is_refused(tmp_path):
    with av.open(str(tmp_path / "sizes.mkv"), "w") as container:
        track = container.add_stream("mjpeg", rate=25)
        track.width, track.height, track.pix_fmt = 64, 48, "yuvj420p"
        for number, width in enumerate((64, 64, 32, 32)):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, 48, "yuvj420p", Fraction(1, 25)
            (picture,) = [*encoder.encode(av.VideoFrame(width, 48, "yuvj420p")), *encoder.encode()]
            packet = av.Packet(bytes(picture))
            packet.stream, packet.time_base, packet.pts, packet.dts = track, Fraction(1, 25), number, number
            container.mux(packet)
    assert "found frames of 64 × 48 and 32 × 48 pixels, but" in refusal(tmp_path / "sizes.mkv", 2)


def test_one_frame_is_no_clip(tmp_path):
    encode(tmp_path / "clip.mp4", noise(1))
    assert refusal(tmp_path / "clip.mp4", 1).endswith(f"clip.mp4: found one frame, but {ALLOWED}; take it out")


def test_a_video_shorter_than_asked_is_refused(tmp_path):
    path = tmp_path / "clip.mp4"
    encode(path, noise(5))
    assert refusal(path, 6) == f"{path}: found 5 frames, but 6 frames need 6; ask for less or take it out"
    message = f"{path}: found 5 frames, but 3 frames at stride 3 need 7; ask for less or take it out"
    assert refusal(path, 3, 3) == message


def test_frames_can_be_had_one_by_one(tmp_path):
    encode(tmp_path / "clip.mp4", noise(5))
    np.testing.assert_array_equal(next(stream(tmp_path / "clip.mp4", 5)), noise(5)[0])
