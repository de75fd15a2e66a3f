"""The kinds of data sets: a dataclass each, whose fields are the options that its lines in params.yaml may hold."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import MISSING, InitVar, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd

from rrlib import entries
from rrlib.datasets import crops, deepfakeface, folds, frames, layouts, prepared, reports, synthetic, video
from rrlib.datasets import folder as sources
from rrlib.datasets.groups import check_pattern
from rrlib.datasets.left_out import LeftOut
from rrlib.datasets.reading import Clipping, read_clips
from rrlib.datasets.synthetic import write_clips
from rrlib.errors import InputError, unknown

ON_ERROR = ("stop", "skip")


@dataclass(frozen=True, kw_only=True)
class Kind(ABC):
    """What every kind has: `source`, a folder or CSV file as params.yaml names it, and `seed`, whole, from 0.

    Raises InputError, which begins with `where` (by default the kind's name), for options that are out of range.
    """

    kind: ClassVar[str]
    modality: ClassVar[Literal["image", "video"]]
    of_frames: ClassVar[bool] = False  # images that are frames of videos: a sample up to its last slash is the video
    drawn: ClassVar[bool] = False  # by the simulator; `source` then names its code, and is for DVC only

    source: str | None
    seed: int
    where: InitVar[str] = ""

    def __post_init__(self, where: str) -> None:
        where = where or self.kind
        self._check(where)
        entries.whole(self.seed, f"{where}.seed", 0)
        if not isinstance(self.source, str) and not (self.drawn and self.source is None):
            raise InputError(f"{where}.source is {self.source!r}; give the path of a folder or CSV file")

    @abstractmethod
    def prepare(self, folder: Path) -> pd.DataFrame:
        """Make in `folder` the samples that have to be made; one row each, as a manifest has them but for sha256.

        Raises InputError if the samples cannot be used.
        """

    @abstractmethod
    def _check(self, where: str) -> None: ...

    @classmethod
    def options(cls) -> tuple[set[str], set[str]]:
        """The names of the options that are needed, and of those that may be left out."""
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        return needed, {field.name for field in fields(cls)} - needed

    @property
    def noun(self) -> str:
        """What the samples are called: images, frames or clips."""
        if self.of_frames:
            return "frames"
        return "clips" if self.modality == "video" else "images"

    @property
    def frames_each(self) -> int:
        """How many frames are taken of each video; 1 where the samples were images from the start."""
        return getattr(self, "frames", 1)

    def without_training(self) -> Self:
        """The same without the training split, where samples are drawn; any other as it is."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """The lines in params.yaml that say the same: the kind, and the options that are not at their default.

        >>> Folder(source="faces", seed=0).to_dict()
        {'kind': 'folder', 'source': 'faces', 'seed': 0}
        """
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = {field.name: field.default for field in fields(self)}
        return {"kind": self.kind} | {name: value for name, value in given.items() if value != defaults[name]}


@dataclass(frozen=True, kw_only=True)
class Synthetic(Kind):
    """Drawn faces: `size` (pixels), `images` (split → count), `strength` of the forgeries, in (0, 1]."""

    kind = "synthetic"
    modality = "image"
    drawn = True

    source: str | None = None
    size: int
    images: dict[str, int]
    strength: float

    def _check(self, where: str) -> None:
        entries.placed(where, synthetic.check, self.size, self.images, self.seed, self.strength)

    def without_training(self) -> Self:
        return replace(self, images=_without_train(self.images))

    def prepare(self, folder: Path) -> pd.DataFrame:
        """The images in real/ and fake/, as `synthetic.write` draws them."""
        prepared.begin(folder)
        frame = synthetic.write(folder, size=self.size, images=self.images, seed=self.seed, strength=self.strength)
        return frame.assign(sample=frame["path"].str.removesuffix(".png"))


@dataclass(frozen=True, kw_only=True)
class SyntheticClips(Kind):
    """Drawn faces that move: `size` (pixels), `frames` of each clip, all of which are read, `clips` (split → count),
    `strength` of the forgeries, in (0, 1]."""

    kind = "synthetic-clips"
    modality = "video"
    drawn = True

    source: str | None = None
    size: int
    frames: int
    clips: dict[str, int]
    strength: float

    def _check(self, where: str) -> None:
        entries.placed(where, write_clips.check, self.size, self.frames, self.clips, self.seed, self.strength)

    def without_training(self) -> Self:
        return replace(self, clips=_without_train(self.clips))

    def prepare(self, folder: Path) -> pd.DataFrame:
        """The videos in real/ and fake/, as `write_clips.write` draws them, and clips.json."""
        prepared.begin(folder)
        frame = write_clips.write(
            folder, size=self.size, frames=self.frames, clips=self.clips, seed=self.seed, strength=self.strength
        )
        reports.write_report(folder, self.frames)
        return frame.assign(sample=frame["path"].str.removesuffix(".mp4"))


@dataclass(frozen=True, kw_only=True)
class Folder(Kind):
    """Images as they lie (see `rrlib.datasets.folder.read`), or DeepFakeFace with `layout: deepfakeface`.

    on_error: stop at what cannot be used, or skip it. group: a regular expression for what samples share, see there.
    fold: {number, of}, for cross-fitting: that fold is the test split, in the place of any other (`folds.split`).
    train: false where no detector is trained, so that all samples are for validation and test.
    """

    kind = "folder"
    modality = "image"

    source: str
    on_error: str = "stop"
    group: str | None = None
    layout: str | None = None
    fold: dict[str, int] | None = None
    train: bool = True

    def _check(self, where: str) -> None:
        if self.layout not in (None, "deepfakeface"):
            raise unknown(f"{where}.layout", self.layout, ["deepfakeface"])
        _check_reading(where, self.on_error, self.group, self.layout, self.train)
        if self.fold is not None:
            folds.check(f"{where}.fold", self.fold)

    def prepare(self, folder: Path) -> pd.DataFrame:
        """Nothing is copied: the paths lead from `folder` to the source; images.json says what was left out."""
        source = Path(self.source)
        way = prepared.way(folder, source)
        prepared.begin(folder)
        left_out = LeftOut(skip=self.on_error == "skip")
        if self.layout:
            frame = deepfakeface.read(source, self.seed, left_out)
        else:
            frame = sources.read(source, self.seed, sources.IMAGES, left_out, self.group, self.train)
        if self.fold:
            frame["split"] = folds.split(frame, **self.fold, seed=self.seed, where=str(source))
        reports.write_report(folder, name=reports.IMAGES, **left_out.report())
        return frame.assign(path=[(way / path).as_posix() for path in frame["path"]])


@dataclass(frozen=True, kw_only=True)
class _OfClips(Kind):
    """What is made of videos and folders of frames: how they are read, and what is cut out of them."""

    fewest: ClassVar[int]

    source: str
    frames: int
    stride: int | None = None
    on_error: str = "stop"
    crop: dict[str, float] | None = None
    group: str | None = None
    layout: str | dict[str, Any] | None = None
    train: bool = True

    def _check(self, where: str) -> None:
        _check_whole(f"{where}.frames", self.frames, self.fewest)
        if self.stride is not None:
            _check_whole(f"{where}.stride", self.stride, 1)
        _check_reading(where, self.on_error, self.group, self.layout, self.train)
        if self.layout is not None:
            layouts.check(f"{where}.layout", self.layout)
        if self.crop is not None:
            _check_crop(f"{where}.crop", self.crop)

    def _read(self, keep: Callable[[str, Iterable[np.ndarray]], None]) -> tuple[pd.DataFrame, dict]:
        left_out = LeftOut(skip=self.on_error == "skip")
        clipping = Clipping(self.frames, self.stride, self.crop)
        return read_clips(Path(self.source), self.seed, clipping, keep, left_out, self.layout, self.group, self.train)


@dataclass(frozen=True, kw_only=True)
class Clips(_OfClips):
    """Videos and folders of frames as they lie: `frames` and `stride` of each (see `rrlib.datasets.clips.stream`).

    on_error: stop at what cannot be used, or skip it. layout: how a published data set lies (see
    `rrlib.datasets.layouts`). crop: faces are cut out into new videos; scale (of the box, from 1 to 10), size (pixels).
    """

    kind = "clips"
    modality = "video"
    fewest = 2

    def prepare(self, folder: Path) -> pd.DataFrame:
        """The face crops as lossless videos, else nothing but paths to the source; clips.json says what was done."""
        way = prepared.way(folder, Path(self.source))
        prepared.begin(folder)
        frame, report = self._read(self._encode(folder) if self.crop is not None else _try)
        reports.write_report(folder, **report)
        if self.crop is not None:
            return frame.assign(path=frame["sample"] + ".mkv")
        return frame.assign(path=[(way / path).as_posix() for path in frame["path"]])

    @staticmethod
    def _encode(folder: Path) -> Callable[[str, Iterable[np.ndarray]], None]:
        def keep(sample: str, taken: Iterable[np.ndarray]) -> None:
            target = folder / f"{sample}.mkv"
            target.parent.mkdir(parents=True, exist_ok=True)
            video.encode(target, np.stack(list(taken)))

        return keep


@dataclass(frozen=True, kw_only=True)
class Frames(_OfClips):
    """Frames of videos, or the faces in them, as images: the options of `Clips`, with `frames` from 1."""

    kind = "frames"
    modality = "image"
    of_frames = True
    fewest = 1

    def prepare(self, folder: Path) -> pd.DataFrame:
        """The images as `folder`/SAMPLE/000.png and so on, one sample each; frames.json says what was done."""
        prepared.way(folder, Path(self.source))
        prepared.begin(folder)
        frame, report = self._read(lambda sample, taken: frames.write(folder / sample, taken))
        reports.write_report(folder, **report, name=reports.FRAMES)
        return frames.rows(folder, frame, self.frames)


def _without_train(counts: dict[str, int]) -> dict[str, int]:
    return {split: count for split, count in counts.items() if split != "train"}


def _try(sample: str, taken: Iterable[np.ndarray]) -> None:
    for _ in taken:
        pass


def _check_reading(where: str, on_error: object, group: object, layout: object, train: object) -> None:
    if on_error not in ON_ERROR:
        raise unknown(f"{where}.on_error", on_error, ON_ERROR)
    if group is not None:
        check_pattern(f"{where}.group", group)
        if layout is not None:
            raise InputError(f"{where} has group and layout, but a layout says what its groups are; leave out group")
    if not entries.switch(train, f"{where}.train") and layout is not None:
        raise InputError(f"{where} has train: false and layout, but a layout says what its splits are; leave out train")


def _check_crop(where: str, crop: object) -> None:
    if not isinstance(crop, dict) or crop.keys() - {"scale", "size"}:
        raise InputError(f"{where} is {crop!r}; give {{scale: {crops.SCALE}, size: {crops.SIZE}}} or either")
    scale = crop.get("scale", crops.SCALE)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 1 <= scale <= 10:
        raise InputError(f"{where}.scale is {scale!r}; give a number from 1 to 10")
    _check_whole(f"{where}.size", crop.get("size", crops.SIZE), 16)


def _check_whole(where: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{where} is {value!r}; give a whole number of at least {least}")
