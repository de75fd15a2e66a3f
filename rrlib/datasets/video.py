"""Video files as arrays of frames, and back."""

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter

from rrlib import files
from rrlib.datasets import memory
from rrlib.datasets.containers import missing_bytes
from rrlib.datasets.found import shown as told
from rrlib.errors import InputError

# both keep RGB as it is: nothing is rounded on the way through YCbCr
LOSSLESS = {
    ".mp4": ("mp4", "libx264rgb", "rgb24", {"crf": "0", "preset": "veryfast"}),
    ".mkv": ("matroska", "ffv1", "bgr0", {}),
}
# containers that tell when they are cut off; FFmpeg would also follow the addresses in a playlist
CONTAINERS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"}
# FFmpeg's fast way darkens deep colours by two levels; on 8 bits it is within one, and it is OpenCV's
EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
STRICT = {"err_detect": "explode"}  # to stop at errors that a player would conceal
# codecs that leave no zeros standing: 48 of them on end are a hole that a broken copy left
DENSE, HOLE = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d"), bytes(48)
MAX_PIXELS = 2**25  # of a frame: 7680 × 4320 (8K UHD) and a little more
WORK = 36  # bytes a pixel: the frames that a decoder and its threads hold, and one as RGB
ALLOWED = "a clip must be a whole MP4, MOV, MKV, WebM or AVI file with two or more frames of one size"


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
        with (
            files.writing(path),
            av.open(str(unfinished.absolute()), "w", format=name, options={"fflags": "+bitexact"}) as container,
        ):
            stream = container.add_stream(codec, rate=fps, options=options | {"threads": "1", "flags": "+bitexact"})
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
            container.mux(stream.encode())
        os.replace(unfinished, path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def decode(path: Path, frames: int, stride: int | None = None) -> np.ndarray:
    """T = `frames` frames of a video file, as `stream` gives them: uint8 (T, H, W, 3), RGB in [0, 255].

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     encode(Path(folder, "grey.mkv"), np.arange(5, dtype=np.uint8).repeat(3).reshape(5, 1, 1, 3))
    ...     decode(Path(folder, "grey.mkv"), 2).ravel().tolist()
    [1, 1, 1, 3, 3, 3]
    """
    return np.stack(list(stream(path, frames, stride)))


def stream(path: Path, frames: int, stride: int | None = None, examine: bool = False) -> Iterator[np.ndarray]:
    """T = `frames` ≥ 1 frames of a video file, one after the other: uint8 (H, W, 3), RGB in [0, 255].

    Without `stride`, the video is cut into T parts of equal time and frame i is what is on show in the middle of part
    i. At a constant rate (to a quarter of a frame) that is frame floor((i + ½) n / T) of n; where the rate varies, one
    frame that stays long may be taken twice. With `stride`, frames are `stride` ≥ 1 apart in a window at the middle of
    the video.

    Frames are counted and timed by reading the file once without decoding it; what the container says about its
    length is not believed. AVI files have a constant rate. The display matrix is applied (turns by 90° and mirrors),
    grey becomes three equal channels, more than 8 bits become 8, and alpha is dropped. Colours are by the file's
    matrix, or BT.601 if it names none. Pixels that are not square stay as they are stored.

    Damage: decoders are told to stop at errors that they would conceal (FFmpeg's err_detect=explode), frames that are
    marked as corrupt are refused, and so are holes of zeros in what H.264, HEVC, VP8, VP9 and AV1 compress.
    With `examine`, the whole file is decoded, and each frame that the container lists must come (but in AVI). Not
    caught: changed bytes that decode to something, as HEVC and VP9 let most do, H.264 some and AV1 few. Who must know
    keeps hashes.

    Memory: videos that are read at the same time take no more than `memory.DECODING`, by an estimate from their size.

    Raises InputError, naming the file and what was found, for anything but a whole video of one size, at most
    `MAX_PIXELS`, with at least two frames and, of these, at least T or, with `stride`, (T − 1) · stride + 1.
    """
    path = Path(path)
    try:
        times, duration, size = _timeline(path)
        wanted = _wanted(path, times, duration, frames, stride)
        with memory.DECODING.hold(WORK * size):
            yield from _on_show(path, wanted, set(times) if examine else None)
    except av.FFmpegError as error:
        raise _damaged(path, f"FFmpeg: {error.strerror}") from error


def size(path: Path) -> tuple[int, int]:
    """Width and height of a video's frames as its header has them, in pixels; raises InputError as `stream` does."""
    with _opened(Path(path)) as (_, track, _):
        return track.width, track.height


def _wanted(path: Path, times: list[int], duration: int, frames: int, stride: int | None) -> list[int]:
    if len(times) < 2:
        raise _unusable(path, "one frame" if times else "no frame", "take it out")
    needed = frames if stride is None else (frames - 1) * stride + 1
    if len(times) < needed:
        asked = f"{frames} frames" if stride is None else f"{frames} frames at stride {stride}"
        raise InputError(f"{path}: found {len(times)} frames, but {asked} need {needed}; ask for less or take it out")
    if stride is not None:
        first = (len(times) - needed) // 2
        return times[first : first + needed : stride]
    count, middles = len(times), [(2 * part + 1, 2 * frames) for part in range(frames)]
    # containers round times, so that a middle between two frames would fall to either
    if all(4 * abs((time - times[0]) * count - number * duration) <= duration for number, time in enumerate(times)):
        return [times[a * count // b] for a, b in middles]
    return [times[bisect_right(times, times[0] + a * duration // b) - 1] for a, b in middles]


def _timeline(path: Path) -> tuple[list[int], int, int]:
    """When each frame comes on show, in order, and for how long all of them are, in the stream's units; its pixels."""
    shown: dict[int, int] = {}
    corrupt = hole = False
    with _opened(path) as (container, track, untimed):
        size, dense = track.width * track.height, track.codec_context.name in DENSE
        for packet in container.demux(track):
            corrupt |= packet.is_corrupt
            hole |= dense and HOLE in bytes(packet)
            if packet.size and not packet.is_discard:
                time = len(shown) if untimed else packet.pts
                if time is None:
                    raise _unusable(path, "frames without times", "convert it")
                shown[time] = 1 if untimed else packet.duration or 0
    missing = missing_bytes(path)
    if missing or corrupt:
        raise _damaged(path, f"{missing} of its bytes are missing" if missing else "some packets are not whole")
    if hole:
        raise _damaged(path, "it has a hole of zeros")
    times = sorted(shown)
    if len(times) < 2:
        return times, 0, size
    last = shown[times[-1]] or (times[-1] - times[0]) // (len(times) - 1)
    return times, times[-1] + last - times[0], size


def _on_show(path: Path, wanted: list[int], listed: set[int] | None = None) -> Iterator[np.ndarray]:
    """The frames on show at these times, which never fall: a frame is on show until the next one is.

    Given the times that are `listed`, all frames are decoded, and one must come for each.
    """
    converter, left = VideoReformatter(), list(reversed(wanted))
    held: av.VideoFrame | None = None
    since = -(2**63)  # before any time that a container can hold
    with _opened(path) as (container, track, untimed):
        track.thread_type = "AUTO"
        track.codec_context.options = STRICT
        for number, frame in enumerate(container.decode(track)):
            time = number if untimed else frame.pts
            if frame.is_corrupt:
                raise _damaged(path, f"frame {number} cannot be decoded")
            if time is None or time <= since:
                raise _unusable(path, "frames whose times do not rise", "convert it")
            if held is not None:
                if (frame.width, frame.height) != (held.width, held.height):
                    sizes = f"{held.width} × {held.height} and {frame.width} × {frame.height}"
                    raise _unusable(path, f"frames of {sizes} pixels", "cut it where they change")
                while left and left[-1] < time:
                    left.pop()
                    yield _pixels(path, held, converter)
            held, since = frame, time
            if listed is not None:
                listed.discard(time)
            elif left and left[-1] == time and left[0] == time:
                break
        if listed and not untimed:  # AVI files may hold packets that stand for no frame
            raise _damaged(path, f"{len(listed)} of its frames cannot be decoded")
        if held is None or since < wanted[-1]:
            raise _damaged(path, "its last frames cannot be decoded")
        for _ in left:
            yield _pixels(path, held, converter)


def _pixels(path: Path, frame: av.VideoFrame, converter: VideoReformatter) -> np.ndarray:
    # one thread: a frame is small, and the decoder has the others
    flags = EXACT if frame.format.components[0].bits > 8 else Interpolation.BILINEAR
    plane = converter.reformat(frame, format="rgb24", interpolation=flags, threads=1).planes[0]
    stored = np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)
    pixels = stored[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)  # type: ignore[call-overload]  # PyAV's stubs say str
    if matrix is None:
        return pixels.copy()
    # (x, y) is shown at (a x + c y, b x + d y), y downwards
    a, b, _, c, d = (number / 2**16 for number in np.frombuffer(matrix, np.int32)[:5])
    if a == d == 0 and b and c:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    elif b or c or not (a and d):
        raise _unusable(path, "a display matrix that is no turn by 90°", "convert it")
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream, bool]]:
    """A file, its video stream, and whether its frames have to be counted because their times cannot be trusted."""
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                raise _unusable(path, "an empty file", "fetch it again or take it out")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name a video file") from error
    try:
        # an absolute path is never taken for the address of something else
        container = av.open(str(path.absolute()), options=CONTAINERS, metadata_errors="ignore")
    except av.FFmpegError as error:
        if missing_bytes(path):
            raise _damaged(path, f"FFmpeg: {error.strerror}") from error
        raise _unusable(path, "something else", "convert it or take it out") from error
    with container:
        # the picture on the cover of a piece of music is a stream of one frame
        known = [each for each in container.streams.video if each.codec_context is not None]
        moving = [each for each in known if not each.disposition & Disposition.attached_pic]
        best = container.streams.best("video")
        track = best if best in moving else next(iter(moving), None)
        if track is None:
            raise _unusable(path, "a cover picture and no video stream" if known else "no video stream", "take it out")
        if track.width * track.height > MAX_PIXELS:
            raise _unusable(path, f"{track.width} × {track.height} pixels, more than {MAX_PIXELS}", "scale it down")
        # with B-frames, the times that FFmpeg works out for AVI are wrong
        yield container, track, container.format.name == "avi"


def _unusable(path: Path, found: str, remedy: str) -> InputError:
    return InputError(f"{told(path)}: found {found}, but {ALLOWED}; {remedy}")


def _damaged(path: Path, what: str) -> InputError:
    return _unusable(path, f"a video that is truncated or damaged ({what})", "fetch it again or take it out")
