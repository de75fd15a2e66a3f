"""Ordinary damage: what happens to images and clips on their way, without anybody's intent. Forward passes only.

A kind of damage is a function from a batch of samples and a severity to the damaged batch. Severity 0 is the sample
itself; what a severity is, and in which unit, is said by each kind. In tables a severity stands in the place of ε. It
is no radius: damage may move a pixel further than its number, so the law of the ball does not bind it.

Batches are images (N, 3, H, W) or clips (N, T, 3, H, W), float32 in [0, 1], and so is what comes back. Each sample is
damaged by itself, so that batches do not matter, and equal samples are damaged equally (noise: those of equal numbers).
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from rrlib.detectors import batch_to_device, check_logits, private, to_device
from rrlib.errors import InputError, unknown
from rrlib.evaluation.changed import rows
from rrlib.evaluation.measuring import device_of, joined, probabilities
from rrlib.evaluation.samples import labelled

LEVELS = 255  # of a pixel of 8 bits
BLOCK = 16  # pixels of a side of H.264's blocks


@dataclass(frozen=True)
class Draws:
    """What noise is drawn from: a seed, and the numbers (N,) of the samples in their data set."""

    seed: int
    samples: Sequence[int]


@dataclass(frozen=True)
class Kind:
    """One kind of damage.

    apply: (batch, severity other than 0, draws) → batch.
    lowest, highest: the severities that it knows, 0 among them; `whole` where they are whole numbers.
    severity: what a severity is, with its unit; `quantity` and `value` say one as people do, "quality" and "80".
    usual: severities that a study takes which names none.
    clips_only: whether it is done to clips alone.
    """

    apply: Callable[[Tensor, float, Draws], Tensor]
    lowest: float
    highest: float
    severity: str
    quantity: str
    value: Callable[[float], str]
    usual: tuple[float, ...]
    whole: bool = False
    clips_only: bool = False


def jpeg(x: Tensor, severity: float, draws: Draws | None = None) -> Tensor:
    """Each frame saved as JPEG of quality 100 − severity and read again (Pillow, chroma at half size, 4:2:0).

    Pixels are rounded to 8 bits first. A mid-grey image stays as it is at any quality; a constant one moves by no more
    than 1/16 of the quantisation step of its mean (ITU-T T.81, Annex A.3.4).
    """
    from PIL import Image  # here, as in all of these: a study that damages nothing needs none of their libraries

    def one(frame: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=100 - round(severity), subsampling="4:2:0")
        return np.asarray(Image.open(file))

    frames = _bytes(x).reshape(-1, *_bytes(x).shape[-3:])
    return _floats(np.stack([one(frame) for frame in frames]).reshape(_bytes(x).shape))


def resize(x: Tensor, severity: float, draws: Draws | None = None) -> Tensor:
    """Each frame without the share `severity` of its side length, and back: bilinear, with antialiasing downwards.

    Severity 0.5 is 256 → 128 → 256. At least one pixel is left.
    """
    height, width = x.shape[-2:]
    small = [max(1, round((1 - severity) * side)) for side in (height, width)]
    frames = x.reshape(-1, *x.shape[-3:])
    down = nn.functional.interpolate(frames, small, mode="bilinear", antialias=True)
    back = nn.functional.interpolate(down, [height, width], mode="bilinear", antialias=True)
    return back.reshape(x.shape).clamp(0, 1)


def blur(x: Tensor, severity: float, draws: Draws | None = None) -> Tensor:
    """Gaussian blur of each frame, σ = severity in pixels (SciPy, cut at 4 σ, edges mirrored, so that the mean stays).

    The pixels are those that the detector sees: the same σ is more blur at a smaller input size.
    """
    from scipy.ndimage import gaussian_filter

    sigma = [0.0] * (x.dim() - 2) + [severity, severity]
    return torch.from_numpy(gaussian_filter(x.numpy(), sigma, mode="reflect")).clamp(0, 1)


def noise(x: Tensor, severity: float, draws: Draws) -> Tensor:
    """Gaussian noise, independent in each pixel and channel, σ = severity in pixel units, clipped to [0, 1].

    A sample's noise is a function of (seed, number of the sample) alone; another severity scales the same draw.
    """
    drawn = [
        np.random.default_rng((draws.seed, number)).standard_normal(tuple(x.shape[1:]), np.float32)
        for number in draws.samples
    ]
    return x.add(torch.from_numpy(np.stack(drawn)), alpha=severity).clamp(0, 1)


def brightness(x: Tensor, severity: float, draws: Draws | None = None) -> Tensor:
    """severity added to each pixel, clipped to [0, 1]; below 0 it is darker."""
    return (x + severity).clamp(0, 1)


def h264(x: Tensor, severity: float, draws: Draws | None = None) -> Tensor:
    """Each clip compressed as H.264 (x264, preset medium, 4:2:0, 25 frames a second) and decoded; severity is the CRF.

    The constant rate factor runs from 0 to 51, 23 is the encoder's default, and 6 more roughly halve the bits. Pixels
    are rounded to 8 bits and go through YCbCr, which alone moves them by some levels. Edges are repeated up to whole
    blocks of 16 pixels, as the codec has them, and cut again.
    """
    clips = _bytes(x)
    height, width = clips.shape[2:4]
    blocks = np.pad(clips, [(0, 0), (0, 0), (0, -height % BLOCK), (0, -width % BLOCK), (0, 0)], mode="edge")
    return _floats(np.stack([_through_h264(clip, round(severity)) for clip in blocks])[:, :, :height, :width])


def _through_h264(clip: np.ndarray, rate_factor: int) -> np.ndarray:
    """uint8 (T, H, W, 3), H and W multiples of `BLOCK`, encoded and decoded: the same shape, on any processor."""
    import av

    height, width = clip.shape[1:3]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    # else what was in memory before, and the processor, decide at times (seen where a side is no multiple of a block)
    repeats = {"threads": "1", "flags": "+bitexact", "x264-params": "cpu-independent=1"}
    encoder.options = {"crf": str(rate_factor), "preset": "medium"} | repeats
    packets = []
    for number, pixels in enumerate(clip):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])


KINDS: dict[str, Kind] = {
    "jpeg": Kind(jpeg, 0, 99, "100 − JPEG quality", "quality", lambda s: f"{100 - s:g}", (20, 50, 80), whole=True),
    "resize": Kind(
        resize,
        0,
        0.99,
        "share of the side length that is lost",
        "side length kept",
        lambda s: f"{1 - s:.0%}",
        (0.1, 0.5),
    ),
    "blur": Kind(blur, 0, 64, "σ in pixels", "σ in pixels", lambda s: f"{s:g}", (0.5, 1)),
    "noise": Kind(noise, 0, 1, "σ, pixels in [0, 1]", "σ", lambda s: f"{s:g}", (0.02, 0.05, 0.1)),
    "brightness": Kind(
        brightness,
        -1,
        1,
        "what is added to each pixel in [0, 1]",
        "added to pixels",
        lambda s: f"{s:+g}".replace("-", "−"),
        (-0.2, 0.2),
    ),
    "h264": Kind(
        h264,
        0,
        51,
        "constant rate factor (CRF)",
        "CRF",
        lambda s: f"{s:g}",
        (18, 28, 38),
        whole=True,
        clips_only=True,
    ),
}
USUAL: dict[str, tuple[float, ...]] = {name: kind.usual for name, kind in KINDS.items()}


def checked(kind: str, severities: object, where: str = "damage") -> tuple[float, ...]:
    """The severities of one kind, once each is known to it; InputError, which begins with `where`, if not.

    >>> checked("jpeg", [10, 101])
    Traceback (most recent call last):
    rrlib.errors.InputError: damage: 101 is given; for jpeg (100 − JPEG quality) it is a whole number from 0 to 99
    """
    if kind not in KINDS:
        raise unknown(where, kind, KINDS)
    about = KINDS[kind]
    if not isinstance(severities, list | tuple) or not severities:
        raise InputError(f"{where}: {severities!r} is given; list at least one severity: {about.severity}")
    for each in severities:
        fits = isinstance(each, int | float) and not isinstance(each, bool) and about.lowest <= each <= about.highest
        if not fits or (about.whole and each != int(each)):
            number = "a whole number" if about.whole else "a number"
            raise InputError(
                f"{where}: {each!r} is given; for {kind} ({about.severity}) it is {number} from {about.lowest:g} to "
                f"{about.highest:g}"
            )
    if list(severities) != sorted(set(severities)):
        raise InputError(f"{where}: {list(severities)} is given; list each severity once, in increasing order")
    return tuple(float(each) for each in severities)


def apply(
    kind: str, x: Tensor, severity: float, *, seed: int = 0, samples: Sequence[int] | Tensor | None = None
) -> Tensor:
    """A batch, damaged: images (N, 3, H, W) or clips (N, T, 3, H, W) in [0, 1] → the same shape, on the processor.

    Args:
        kind: a name in `KINDS`.
        severity: 0 gives the batch itself; else as the kind says.
        seed: of noise.
        samples: (N,), the numbers of the samples in their data set, which choose their noise; 0 … N − 1 unless given.

    Raises:
        InputError: for an unknown kind, a severity that it does not know, another shape, pixels outside [0, 1], and for
            a kind of clips on images.

    >>> apply("brightness", torch.full((1, 3, 1, 1), 0.5), 0.25).flatten().tolist()
    [0.75, 0.75, 0.75]
    """
    (severity,) = checked(kind, [severity])
    if x.dim() not in (4, 5) or x.shape[-3] != 3:
        raise InputError(f"a batch of shape {tuple(x.shape)} is given; images are (N, 3, H, W), clips (N, T, 3, H, W)")
    if KINDS[kind].clips_only and x.dim() == 4:
        raise InputError(f"{kind} is done to clips (N, T, 3, H, W), and images are given; take another kind")
    if x.numel() and not (x.amin() >= 0 and x.amax() <= 1):
        raise InputError(f"pixels lie in [{float(x.min()):.4g}, {float(x.max()):.4g}]; scale them to [0, 1]")
    if severity == 0 or not len(x):
        return x
    numbers = range(len(x)) if samples is None else [int(number) for number in samples]
    pixels = x.detach().to("cpu", torch.float32).contiguous()
    return KINDS[kind].apply(pixels, severity, Draws(seed, list(numbers)))


def damaged(
    detector: nn.Module,
    data: object,
    kinds: Mapping[str, Sequence[float]],
    *,
    distance: str = "linf",
    seed: int = 0,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    workers: int = 0,
    dataset_name: str = "",
    detector_name: str = "",
) -> pd.DataFrame:
    """What a detector says of damaged samples: a table of the columns of `tables.py`, kind below kind.

    `attack` is the kind, `epsilon` its severity (0, the clean sample, is always there), `linf` how far a pixel moved
    at most, which may be more than the severity; `gradient` is missing, as none is asked for. A kind of clips is passed
    over for images.

    Args:
        detector: pixels in [0, 1] to logits (N, 2), [real, fake]; it is copied and stays as it is.
        data: as `evaluate` takes it.
        kinds: severities by kind, names in `KINDS`.
        distance: of probability vectors, a name in `metrics.DISTANCES`.
        seed: of noise.
        batch_size, workers: speed and memory; no result depends on them.
        device: where the detector computes; its own unless given.
        dataset_name, detector_name: what the table calls them.

    Raises:
        InputError: for kinds and severities that are not known, where no kind is left, and as `evaluate`.

    >>> from rrlib.detectors import build
    >>> x, y = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    >>> table = damaged(build("resnet", 32, seed=0), (x, y), {"blur": [1.0]})
    >>> table[["attack", "epsilon", "sample"]].values.tolist()
    [['blur', 0.0, '0'], ['blur', 1.0, '0'], ['blur', 0.0, '1'], ['blur', 1.0, '1']]
    """
    dataset = labelled(data)
    sample = dataset[0][0]
    chosen = {
        kind: (0.0, *(each for each in checked(kind, severities) if each))
        for kind, severities in kinds.items()
        if kind not in KINDS or not KINDS[kind].clips_only or sample.dim() == 4
    }
    if not chosen:
        raise InputError(f"no damage that can be done to these samples is named; choose from {', '.join(KINDS)}")
    name = detector_name or type(detector).__name__
    return joined(
        part.assign(dataset=dataset_name, detector=name)
        for part in _batches(detector, dataset, chosen, distance, seed, batch_size, device, workers, name, dataset_name)
    )


def _batches(
    detector: nn.Module,
    dataset: Any,
    kinds: Mapping[str, Sequence[float]],
    distance: str,
    seed: int,
    batch_size: int,
    device: torch.device | str | None,
    workers: int,
    name: str,
    dataset_name: str,
) -> Iterator[pd.DataFrame]:
    device = device_of(detector) if device is None else torch.device(device)
    loader = DataLoader(cast(Dataset[Any], dataset), batch_size, num_workers=workers, generator=torch.Generator())
    description = "/".join(filter(None, (dataset_name, name, "damage")))
    with private(detector) as copied, tqdm(total=len(dataset), desc=description, unit="sample") as progress:
        copied = to_device(copied, device, dataset[0][0])

        def seen(x: Tensor) -> Tensor:
            with torch.no_grad():
                return probabilities(check_logits(copied(batch_to_device(x, device, copied)), len(x), name))

        for x, labels, samples in loader:
            about = dataset.table.iloc[samples.numpy()][["sample", "group"]].reset_index(drop=True)
            about["label"] = labels.numpy()
            p_clean = seen(x)
            for kind, severities in kinds.items():
                of_severities = []
                for severity in severities:
                    moved = apply(kind, x, severity, seed=seed, samples=samples)
                    p_moved = seen(moved) if severity else p_clean
                    linf = (moved - x).abs().amax(tuple(range(1, x.dim())))
                    of_severities.append(rows(about, kind, severity, p_clean, p_moved, linf, distance))
                yield pd.concat(of_severities).sort_index(kind="stable")
            progress.update(len(x))


def _bytes(x: Tensor) -> np.ndarray:
    """Pixels (…, 3, H, W) in [0, 1] as 8 bits (…, H, W, 3)."""
    whole: np.ndarray = x.mul(LEVELS).round().to(torch.uint8).movedim(-3, -1).numpy()
    return whole


def _floats(pixels: np.ndarray) -> Tensor:
    """8 bits (…, H, W, 3) as pixels (…, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, -3).to(torch.float32).div(LEVELS).contiguous()
