"""The one door to the data sets: prepare one from its lines in params.yaml, then load a split of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from torch.utils.data import Dataset

from rrlib.datasets import clips, crops, layouts, manifest, synthetic
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
      and seed. Nothing is copied: the manifest's paths lead from `folder` to the source.
    - clips takes videos and folders of frames in the same way: source, seed, layout (of a published data set, see
      `rrlib.datasets.layouts`), frames and stride (see `rrlib.datasets.clips.stream`), on_error (stop, or skip what
      cannot be used), and crop, which cuts faces out into new videos in `folder`: scale (of the box; at least 1) and
      size (pixels). A clips.json says what was done.
    - synthetic-clips draws faces that move: size (pixels), frames (of each clip, all of which are read), clips (split →
      count), strength, seed; `source` as for synthetic.

    Raises what `check` raises, and InputError if the samples cannot be used; then no manifest.csv is left behind.
    """
    check(f"params.yaml: datasets.{name}", definition)
    make, *_ = KINDS[definition["kind"]]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame = make(folder, {key: value for key, value in definition.items() if key != "kind"})
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


def _check_clips(where: str, options: dict) -> None:
    _check_whole(f"{where}.frames", options["frames"], 2)
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
    frame = sources.read(source, options["seed"])
    return frame.assign(path=[(root / path).as_posix() for path in frame["path"]])


def _clips(folder: Path, options: dict) -> pd.DataFrame:
    source, frames, stride = Path(options["source"]), options["frames"], options.get("stride")
    crop = {"scale": crops.SCALE, "size": crops.SIZE} | options["crop"] if "crop" in options else None
    root = _way(folder, source)
    _clear(folder)
    faceless = {}

    def decode(sample: str, path: Path) -> None:
        for _ in clips.stream(path, frames, stride):
            pass

    def cut(sample: str, path: Path) -> None:
        faceless[sample] = crops.write(path, folder / f"{sample}.mkv", frames, stride, **crop)

    if crop:
        crops.check_installed()
    frame, skipped = _read(source, options, sources.of_clips(cut if crop else decode))
    if crop:
        counts = {path: faceless[sample] for sample, path in zip(frame["sample"], frame["path"], strict=True)}
        crop |= {"frames": frames * len(frame), "without_face": sum(counts.values())}
        crop["without_face_by_path"] = {path: count for path, count in counts.items() if count}
        paths = [f"{sample}.mkv" for sample in frame["sample"]]
    else:
        paths = [(root / path).as_posix() for path in frame["path"]]
    clips.write_report(folder, frames, stride, skipped, crop)
    return frame.assign(path=paths)


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
    for name in (manifest.NAME, clips.NAME):
        (folder / name).unlink(missing_ok=True)


# kind: (maker from folder and options, check of the options, those that it needs, those that it may have)
KINDS: dict[str, tuple[Callable, Callable, set[str], set[str]]] = {
    "synthetic": (_drawn, _check_drawn, {"size", "images", "strength", "seed"}, {"source"}),
    "folder": (_taken, lambda where, options: None, {"source", "seed"}, set()),
    "clips": (_clips, _check_clips, {"source", "seed", "frames"}, {"stride", "on_error", "crop", "layout"}),
    "synthetic-clips": (
        _drawn_clips,
        _check_drawn_clips,
        {"size", "frames", "clips", "strength", "seed"},
        {"source"},
    ),
}
# kinds whose samples are clips, (T, 3, H, W); the others' are images
CLIP_KINDS = frozenset({"clips", "synthetic-clips"})
