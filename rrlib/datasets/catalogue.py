"""The one door to the data sets: prepare one from its lines in params.yaml, then load a split of it."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from rrlib.datasets import clips, crops, deepfakeface, frames, layouts, manifest, synthetic, video
from rrlib.datasets import folder as sources
from rrlib.datasets.clips import ClipSet
from rrlib.datasets.images import ImageSet
from rrlib.datasets.synthetic import write_clips
from rrlib.errors import InputError, unknown

ON_ERROR = ("stop", "skip")


def check(where: str, definition: dict) -> None:
    """Raise InputError, which begins with `where`, unless a definition has a known kind and that kind's options.

    >>> check("params.yaml: datasets.faces", {"kind": "folder", "source": "faces", "seed": 0})
    """
    kind = definition.get("kind")
    if kind not in list(KINDS):
        raise unknown(f"{where}.kind", kind, KINDS)
    _, examine, needed, optional = KINDS[kind]
    options = definition.keys() - {"kind"}
    if not needed <= options <= needed | optional:
        raise InputError(
            f"{where} has the options {', '.join(sorted(options)) or 'none'}; "
            f"the kind {kind} takes {', '.join(sorted(needed | optional))}"
        )
    examine(where, {option: definition[option] for option in options})


def prepare(name: str, definition: dict, folder: Path) -> None:
    """Make the data set `name` in `folder`: its samples where they have to be made, and last its manifest.csv.

    definition: `kind`, one of `KINDS`, and that kind's options:
    - synthetic draws faces: size (pixels), images (split → count), strength, seed; `source` names the code and is
      for DVC only.
    - folder takes images as they lie: source (see `rrlib.datasets.folder.read`; relative to the working directory)
      and seed; layout: deepfakeface where it is that data set as it is distributed. Nothing is copied: the manifest's
      paths lead from `folder` to the source.
    - clips takes videos and folders of frames in the same way: source, seed, layout (of a published data set, see
      `rrlib.datasets.layouts`), frames and stride (see `rrlib.datasets.clips.stream`), on_error (stop, or skip what
      cannot be used), and crop, which cuts faces out into new videos in `folder`: scale (of the box; at least 1) and
      size (pixels). A clips.json says what was done.
    - frames takes what clips takes, with the same options, and writes the chosen frames, or the face crops, as images:
      `folder`/SAMPLE/000.png and so on, one sample each. A frames.json says what was done.
    - synthetic-clips draws faces that move: size (pixels), frames (of each clip, all of which are read), clips (split →
      count), strength, seed; `source` as for synthetic.

    Raises what `check` raises, and InputError if the samples cannot be used; then no manifest.csv is left behind.
    """
    check(f"params.yaml: datasets.{name}", definition)
    make, *_ = KINDS[definition["kind"]]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame = make(folder, {key: value for key, value in definition.items() if key != "kind"})
    if "sha256" not in frame:
        frame["sha256"] = [clips.sha256(folder / path) for path in frame["path"]]
    manifest.write(folder, frame)


def load(folder: Path, split: str, input_size: int, keep: bool = False) -> Dataset:
    """The samples of one split of a prepared data set: an `ImageSet` or a `ClipSet`, as the data set has it.

    Each image or frame is resized to (3, input_size, input_size). `keep` holds what was decoded in memory.

    Raises InputError if `folder` has no sound manifest or the split holds no samples.
    """
    if split not in manifest.SPLITS:
        raise unknown(f"{folder}: split", split, manifest.SPLITS)
    report = clip_report(folder)
    frame = manifest.read(folder)
    chosen = frame[frame["split"] == split]
    if chosen.empty:
        what = "images" if report is None else "clips"
        raise InputError(f"{folder} has no {split} {what}; it has {', '.join(sorted(set(frame['split'])))}")
    if report is None:
        return ImageSet(chosen, Path(folder), input_size, keep)
    # what was cut out has been chosen from the source already
    stride = None if report["crop"] else report["stride"]
    return ClipSet(chosen, Path(folder), input_size, keep, frames=report["frames"], stride=stride)


def clip_report(folder: Path) -> dict | None:
    """What clips.json says of a prepared data set, or None where it is of images.

    frames and stride (see `rrlib.datasets.clips.stream`), skipped (path and reason of each source that could not be
    used) and crop (None, or scale, size, frames, without_face and, by path of the source, how many frames of it had no
    face).
    """
    return clips.read_report(folder)


def frame_report(folder: Path) -> dict | None:
    """The same from frames.json, of a data set whose images are frames of videos; None where they are not."""
    return clips.read_report(folder, frames.NAME)


def _check_drawn(where: str, options: dict) -> None:
    _check_with(synthetic.check, where, options)


def _check_drawn_clips(where: str, options: dict) -> None:
    _check_with(write_clips.check, where, options)


def _check_with(check_options: Callable, where: str, options: dict) -> None:
    try:
        check_options(**_without_source(options))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _without_source(options: dict) -> dict:
    return {key: value for key, value in options.items() if key != "source"}


def _check_folder(where: str, options: dict) -> None:
    if options.get("layout", "deepfakeface") != "deepfakeface":
        raise unknown(f"{where}.layout", options["layout"], ["deepfakeface"])


def _check_clips(where: str, options: dict, fewest: int = 2) -> None:
    _check_whole(f"{where}.frames", options["frames"], fewest)
    if "stride" in options:
        _check_whole(f"{where}.stride", options["stride"], 1)
    if options.get("on_error", "stop") not in ON_ERROR:
        raise unknown(f"{where}.on_error", options["on_error"], ON_ERROR)
    if "layout" in options:
        layouts.check(f"{where}.layout", options["layout"])
    crop = options.get("crop", {})
    if not isinstance(crop, dict) or crop.keys() - {"scale", "size"}:
        raise InputError(f"{where}.crop is {crop!r}; give {{scale: {crops.SCALE}, size: {crops.SIZE}}} or either")
    scale = crop.get("scale", crops.SCALE)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 1 <= scale <= 10:
        raise InputError(f"{where}.crop.scale is {scale!r}; give a number from 1 to 10")
    _check_whole(f"{where}.crop.size", crop.get("size", crops.SIZE), 16)


def _check_frames(where: str, options: dict) -> None:
    _check_clips(where, options, fewest=1)


def _check_whole(where: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{where} is {value!r}; give a whole number of at least {least}")


def _drawn(folder: Path, options: dict) -> pd.DataFrame:
    _clear(folder)
    frame = synthetic.write(folder, **_without_source(options))
    return frame.assign(sample=frame["path"].str.removesuffix(".png"))


def _drawn_clips(folder: Path, options: dict) -> pd.DataFrame:
    _clear(folder)
    frame = write_clips.write(folder, **_without_source(options))
    clips.write_report(folder, options["frames"])
    return frame.assign(sample=frame["path"].str.removesuffix(".mp4"))


def _taken(folder: Path, options: dict) -> pd.DataFrame:
    source = Path(options["source"])
    root = _way(folder, source)
    _clear(folder)
    frame = (deepfakeface if "layout" in options else sources).read(source, options["seed"])
    return frame.assign(path=[(root / path).as_posix() for path in frame["path"]])


def _clips(folder: Path, options: dict) -> pd.DataFrame:
    crop = "crop" in options
    root = _way(folder, Path(options["source"]))
    _clear(folder)

    def keep(sample: str, taken: Iterable[np.ndarray]) -> None:
        if crop:
            target = folder / f"{sample}.mkv"
            target.parent.mkdir(parents=True, exist_ok=True)
            video.encode(target, np.stack(list(taken)))
        else:
            for _ in taken:
                pass

    frame, report = _read_clips(options, keep)
    clips.write_report(folder, **report)
    if crop:
        return frame.assign(path=frame["sample"] + ".mkv")
    return frame.assign(path=[(root / path).as_posix() for path in frame["path"]])


def _frames(folder: Path, options: dict) -> pd.DataFrame:
    source = Path(options["source"])
    if ".." not in _way(folder, source).parts:
        raise InputError(f"{source} lies in {folder}, whose images are made anew; prepare it in another folder")
    _clear(folder)
    frames.clear(folder)
    frame, report = _read_clips(options, lambda sample, taken: frames.write(folder / sample, taken))
    clips.write_report(folder, **report, name=frames.NAME)
    return frames.rows(folder, frame, options["frames"])


def _read_clips(options: dict, keep: Callable[[str, Iterable[np.ndarray]], None]) -> tuple[pd.DataFrame, dict]:
    """One row per clip of the source, and what its report says; `keep` is given the frames of each sample."""
    source, count, stride = Path(options["source"]), options["frames"], options.get("stride")
    crop = {"scale": crops.SCALE, "size": crops.SIZE} | options["crop"] if "crop" in options else None
    faceless = {}

    def decode(sample: str, path: Path) -> None:
        keep(sample, clips.stream(path, count, stride))

    def cut(sample: str, path: Path) -> None:
        faces, faceless[sample] = crops.cut_out(path, count, stride, **crop)
        keep(sample, faces)

    if crop:
        crops.check_installed()
    frame, skipped = _read(source, options, sources.of_clips(cut if crop else decode))
    if crop:
        counts = {path: faceless[sample] for sample, path in zip(frame["sample"], frame["path"], strict=True)}
        crop |= {"frames": count * len(frame), "without_face": sum(counts.values())}
        crop["without_face_by_path"] = {path: missing for path, missing in counts.items() if missing}
    return frame, {"frames": count, "stride": stride, "skipped": skipped, "crop": crop}


def _read(source: Path, options: dict, samples: sources.Samples) -> tuple[pd.DataFrame, list[dict]]:
    """The rows of a source of clips, and what has none: path and reason."""
    skipped = [] if options.get("on_error") == "skip" else None
    if "layout" in options:
        return layouts.read(source, options["layout"], options["seed"], samples, skipped)
    layouts.refuse(source)
    return sources.read(source, options["seed"], samples, skipped), skipped or []


def _way(folder: Path, source: Path) -> Path:
    """The relative path from a prepared data set to its source."""
    # both ends resolved, because ".." is followed after symbolic links
    root = Path(os.path.relpath(sources.root(source).resolve(), folder.resolve()))
    if root == Path("."):
        raise InputError(f"{source} would be prepared in its own folder, over its own files; prepare it in another one")
    return root


def _clear(folder: Path) -> None:
    for name in (manifest.NAME, clips.NAME, frames.NAME):
        (folder / name).unlink(missing_ok=True)


OF_CLIPS = {"source", "seed", "frames"}, {"stride", "on_error", "crop", "layout"}
# kind: (maker from folder and options, check of the options, those that it needs, those that it may have)
KINDS: dict[str, tuple[Callable, Callable, set[str], set[str]]] = {
    "synthetic": (_drawn, _check_drawn, {"size", "images", "strength", "seed"}, {"source"}),
    "folder": (_taken, _check_folder, {"source", "seed"}, {"layout"}),
    "clips": (_clips, _check_clips, *OF_CLIPS),
    "frames": (_frames, _check_frames, *OF_CLIPS),
    "synthetic-clips": (
        _drawn_clips,
        _check_drawn_clips,
        {"size", "frames", "clips", "strength", "seed"},
        {"source"},
    ),
}
# kinds whose samples are clips, (T, 3, H, W); the others' are images
CLIP_KINDS = frozenset({"clips", "synthetic-clips"})
# kinds whose images are frames of videos: the part of a sample before its last slash is the video
FRAME_KINDS = frozenset({"frames"})
