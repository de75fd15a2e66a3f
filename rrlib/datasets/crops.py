"""Face crops: one track through a video, a square box round it, and what is in the box."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rrlib.datasets import clips, memory, video
from rrlib.errors import InputError

SCALE, SIZE = 1.3, 256
CASCADE = "haarcascade_frontalface_alt2.xml"
SEARCHED = 480  # pixels of the shorter side in which faces are looked for: a larger frame is scaled down
SMALLEST = 1 / 12  # of the shorter side: smaller faces are not looked for
MOST_HELD = 2**30  # bytes of a clip's frames
WINDOW = 5  # frames over which a box is smoothed


def check_installed() -> None:
    """Raise InputError unless the face finder, OpenCV with its cascades, is installed."""
    try:
        import cv2.data  # noqa: F401
    except ImportError as error:
        raise InputError(
            "face crops need OpenCV, which is not installed; "
            "install it with `pip install 'opencv-python-headless>=4.8,<5'`"
        ) from error


def cut_out(
    path: Path, frames: int, stride: int | None, scale: float = SCALE, size: int = SIZE, examine: bool = False
) -> tuple[np.ndarray, int]:
    """The face in T frames of a clip, uint8 (T, size, size, 3), and the number of frames without one.

    The box is square, `scale` times as wide as the face that was found; what lies beyond the frame repeats its edge.
    Frames without a face take the box between their neighbours'. All T frames are in memory at once, because a box is
    smoothed over those before and after it.

    path, frames, stride, examine: as `clips.stream` takes them.

    Raises InputError, naming the file, if no frame has a face or the frames take more than `MOST_HELD`, and what
    `clips.stream` raises.
    """
    width, height = clips.size(path)
    needed = frames * 3 * width * height
    if needed > MOST_HELD:
        raise InputError(
            f"{path}: {frames} frames of {width} × {height} pixels take {needed / 2**30:.1f} GiB, but a crop looks at "
            f"all of them and may take {MOST_HELD / 2**30:g}; ask for fewer frames or scale it down"
        )
    with memory.DECODING.hold(needed + video.WORK * width * height):
        taken = list(clips.stream(path, frames, stride, examine))
        boxes = track([faces(frame) for frame in taken])
        missing = int(np.isnan(boxes[:, 0]).sum())
        if missing == len(taken):
            raise InputError(
                f"{path}: found no face in any of {frames} frames, but a crop needs one; take it out or leave out crop"
            )
        return np.stack([cut(*pair, scale, size) for pair in zip(taken, smooth(boxes), strict=True)]), missing


def faces(frame: np.ndarray) -> np.ndarray:
    """The frontal faces in a frame, uint8 (H, W, 3) → (F, 3): the centre's x and y, and the side, in pixels.

    Found by OpenCV's cascade of boosted Haar features (Viola & Jones 2001; Lienhart & Maydt 2002).
    """
    import cv2

    height, width = frame.shape[:2]
    shrink = min(1, SEARCHED / min(height, width))
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else grey
    smallest = max(20, round(min(grey.shape) * SMALLEST))
    # one finder a call, because a finder serves one thread at a time
    finder = cv2.CascadeClassifier(cv2.data.haarcascades + CASCADE)
    found = finder.detectMultiScale(grey, scaleFactor=1.05, minNeighbors=5, minSize=(smallest, smallest))
    boxes = np.array(sorted(map(tuple, found)), float).reshape(-1, 4)
    return np.stack([boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2, boxes[:, 2]], axis=1) / shrink


@dataclass
class _Track:
    boxes: dict[int, np.ndarray]

    def distance(self, number: int, box: np.ndarray) -> float:
        """How far a box is from the track's last one, in sides per frame; infinite where it is of another size."""
        last = max(self.boxes)
        x, y, side = self.boxes[last]
        if not 0.5 <= box[2] / side <= 2:
            return np.inf
        return float(np.hypot(box[0] - x, box[1] - y) / side / (number - last))


def track(found: list[np.ndarray]) -> np.ndarray:
    """One face through all frames, from the faces in each: T arrays (F, 3) → (T, 3), NaN where it was not seen.

    A face belongs to the track whose last one is nearest, at most one side away per frame and half to twice as large;
    else it begins a track. The track with the largest sum of sides is taken: the face that is seen longest and largest.

    >>> near, far = [10.0, 10.0, 8.0], [90.0, 10.0, 6.0]
    >>> track([np.array([far]), np.array([near, far]), np.empty((0, 3)), np.array([near])])[:, 0].tolist()
    [nan, 10.0, nan, 10.0]
    """
    tracks: list[_Track] = []
    for number, boxes in enumerate(found):
        free = list(range(len(tracks)))
        for box in sorted(boxes, key=lambda box: -box[2]):
            nearest = min(free, key=lambda index: tracks[index].distance(number, box), default=None)
            if nearest is not None and tracks[nearest].distance(number, box) <= 1:
                tracks[nearest].boxes[number] = box
                free.remove(nearest)
            else:
                tracks.append(_Track({number: box}))
    result = np.full((len(found), 3), np.nan)
    if tracks:
        best = max(tracks, key=lambda one: sum(box[2] for box in one.boxes.values()))
        for number, box in best.boxes.items():
            result[number] = box
    return result


def smooth(boxes: np.ndarray) -> np.ndarray:
    """Boxes without gaps and jitter: (T, 3) with NaN for an unseen face → (T, 3).

    Gaps are bridged in a straight line, and beyond the ends the first or last box stays. Then a running median over
    `WINDOW` frames takes out single jumps and a running mean over as many what trembles; at the ends, the boxes are
    continued by their point reflection, so that a steady motion stays as it is.

    >>> smooth(np.array([[0.0, 5, 8], [np.nan] * 3, [2, 5, 8], [3, 5, 8]]))[:, 0].round(6).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    seen = np.flatnonzero(~np.isnan(boxes[:, 0]))
    filled = np.stack([np.interp(np.arange(len(boxes)), seen, column[seen]) for column in boxes.T], axis=1)
    if len(boxes) < 2:
        return filled
    for average in (np.median, np.mean):
        padded = np.pad(filled, ((WINDOW // 2, WINDOW // 2), (0, 0)), mode="reflect", reflect_type="odd")
        filled = average(np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0), axis=-1)
    return filled


def cut(frame: np.ndarray, box: np.ndarray, scale: float, size: int) -> np.ndarray:
    """What lies in a box, `scale` times enlarged: uint8 (H, W, 3), (x, y, side) → uint8 (size, size, 3)."""
    x, y, side = box
    reach = max(scale * side / 2, 0.5)
    edges = np.array([x - reach, y - reach, x + reach, y + reach])
    height, width = frame.shape[:2]
    beyond = int(np.ceil(max(0, -edges.min(), edges[2] - width, edges[3] - height)))
    frame = np.pad(frame, ((beyond, beyond), (beyond, beyond), (0, 0)), mode="edge") if beyond else frame
    image = Image.fromarray(frame)
    return np.array(image.resize((size, size), Image.Resampling.BILINEAR, box=tuple((edges + beyond).tolist())))
