"""Published video data sets as they were distributed: what is real there, what belongs together, official splits."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rrlib.datasets import folder, manifest
from rrlib.datasets.layouts import celeb_df, dfdc, faceforensics
from rrlib.datasets.left_out import LeftOut
from rrlib.errors import InputError, unknown


@dataclass(frozen=True)
class Layout:
    """How a data set is recognised (patterns, one of which its folder has), its options, their check, and its rows.

    read(source, **options) gives columns path (from `source`), label, group, split (empty where it is to be dealt),
    family and, where more than a group goes into one split as a whole, deal.
    """

    marks: tuple[str, ...]
    options: tuple[str, ...]
    check: Callable[..., None]
    read: Callable[..., pd.DataFrame]


LAYOUTS = {
    name: Layout(module.MARKS, module.OPTIONS, module.check, module.read)
    for name, module in (("faceforensics", faceforensics), ("celeb-df", celeb_df), ("dfdc", dfdc))
}


def check(where: str, layout: object) -> None:
    """Raise InputError, which begins with `where`, unless `layout` is a name, or a mapping of name and known options.

    >>> check("params.yaml: video.datasets.ff.layout", {"name": "faceforensics", "compression": "c23"})
    """
    if not isinstance(layout, str) and not (isinstance(layout, dict) and "name" in layout):
        raise InputError(f"{where} is {layout!r}; write one of {', '.join(LAYOUTS)}, or {{name: …}} with its options")
    name, options = _parts(layout)
    if name not in list(LAYOUTS):
        raise unknown(where, name, LAYOUTS)
    known = LAYOUTS[name].options
    for option in options:
        if option not in known:
            raise InputError(f"{where} has the option {option}; {name} takes {', '.join(known) or 'none'}")
    LAYOUTS[name].check(where, **options)


def read(
    source: Path, layout: str | dict, seed: int, samples: folder.Samples, left_out: LeftOut | None = None
) -> pd.DataFrame:
    """The rows of a published data set, as `folder.read` gives them.

    layout: as `check` takes it. What has no official split is dealt out with `seed` over the splits that none has, in
    the proportions of `manifest.FRACTIONS`; what shares its group with an official split is left out instead, so that
    no group is in two. `left_out` is as for `folder.read`; a listed video that is absent is one that cannot be used.

    Raises InputError if the source is not in that layout, or as its reader and `folder.read` do.
    """
    name, options = _parts(layout)
    source, left_out = Path(source), left_out or LeftOut()
    _check_recognised(source, name)
    frame = LAYOUTS[name].read(source, **options)
    frame["sample"] = frame["path"].str.removesuffix(".mp4")
    official = frame[frame["split"] != ""]
    split_of = dict(zip(official["group"], official["split"], strict=True))
    shared = (frame["split"] == "") & frame["group"].isin(list(split_of))
    left_out.skipped += [
        {"path": path, "reason": f"its group {group} is in the official {split_of[group]} split"}
        for path, group in zip(frame["path"][shared], frame["group"][shared], strict=True)
    ]
    open_splits = [split for split in manifest.SPLITS if split not in set(official["split"])]
    frame = _present(source, frame[~shared], left_out)
    return folder.usable(
        frame, source, samples, left_out, lambda rows: folder.dealt(rows, str(source), seed, open_splits)
    )


def refuse(source: Path) -> None:
    """Raise InputError if a folder has neither real/ nor fake/ nor a manifest, but looks like a published data set."""
    source = Path(source)
    if any((source / name).exists() for name in (*manifest.CLASSES.values(), manifest.NAME)):
        return
    if look := _look(source):
        raise _mistaken(source, *look, "a folder with real/ and fake/")


def _parts(layout: str | dict) -> tuple[str, dict]:
    if isinstance(layout, str):
        return layout, {}
    return layout["name"], {key: value for key, value in layout.items() if key != "name"}


def _mark(source: Path, name: str) -> str:
    """The file or, with a slash, the folder in `source` by which a layout is recognised; empty if there is none."""
    found = (path for pattern in LAYOUTS[name].marks for path in sorted(source.glob(pattern)))
    path = next(found, None)
    return "" if path is None else path.relative_to(source).as_posix() + "/" * path.is_dir()


def _look(source: Path) -> tuple[str, str] | None:
    """(layout, mark) of the first layout that a folder looks like."""
    return next(((name, mark) for name in LAYOUTS if (mark := _mark(source, name))), None)


def _mistaken(source: Path, name: str, mark: str, instead: str) -> InputError:
    return InputError(f"{source} looks like {name} (found {mark}), not {instead}; write layout: {name}")


def _check_recognised(source: Path, name: str) -> None:
    if not source.is_dir():
        what = "is no folder" if source.exists() else "does not exist"
        raise InputError(f"{source} {what}; give the folder of {name} as it was distributed")
    if _mark(source, name):
        return
    if look := _look(source):
        raise _mistaken(source, *look, name)
    expected = ", ".join(LAYOUTS[name].marks)
    raise InputError(f"{source} is not laid out as {name}, which has one of {expected}; correct source or layout")


def _present(source: Path, frame: pd.DataFrame, left_out: LeftOut) -> pd.DataFrame:
    """The rows whose clips are there; the others are left out or, unless skipping, refused."""
    there = pd.Series([(source / path).exists() for path in frame["path"]], frame.index, dtype=bool)
    absent = frame["path"][~there]
    if len(absent) and not (left_out.skip and there.any()):
        raise InputError(
            f"{source} lacks {len(absent)} of {len(frame)} videos, the first is {min(absent)}; complete the data set, "
            "or write on_error: skip to go on without them"
        )
    left_out.skipped += [{"path": path, "reason": "is listed, but absent"} for path in absent]
    return frame[there]
