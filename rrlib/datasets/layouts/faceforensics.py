"""FaceForensics++ (Rössler et al. 2019): its folders, as distributed or as DeepfakeBench fills them, and its splits.

A fake is named TARGET_SOURCE after the two real videos it was made from, and the official lists pair the videos off:
071 and 054 give the fakes 071_054 and 054_071 of each manipulation, and no other. The pair is the group.
"""

import re
from pathlib import Path

import pandas as pd

from rrlib.datasets.layouts import files
from rrlib.errors import InputError, unknown

TOP = "FaceForensics++"
MARKS = ("original_sequences", "manipulated_sequences", f"{TOP}/original_sequences")
COMPRESSIONS = ("raw", "c23", "c40")
MANIPULATIONS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
LATER = ("FaceShifter",)  # joined the data set after the paper, so it is taken only if it is asked for
LISTS = {"train.json": "train", "val.json": "validation", "test.json": "test"}
OPTIONS = ("compression", "manipulations", "clips", "splits")


def check(
    where: str, compression: object = None, manipulations: object = None, clips: object = None, splits: object = None
) -> None:
    """Raise InputError, which begins with `where`, unless the options can be those of `read`."""
    if compression is not None and compression not in COMPRESSIONS:
        raise unknown(f"{where}.compression", compression, COMPRESSIONS)
    if manipulations is not None:
        known = (*MANIPULATIONS, *LATER)
        if not isinstance(manipulations, list) or not manipulations:
            raise InputError(f"{where}.manipulations is {manipulations!r}; list one or more of {', '.join(known)}")
        for number, name in enumerate(manipulations):
            if name not in known:
                raise unknown(f"{where}.manipulations", name, known)
            if name in manipulations[:number]:
                raise InputError(f"{where}.manipulations lists {name} twice; list it once")
    files.check_form(where, clips)
    if splits is not None and not isinstance(splits, str):
        raise InputError(f"{where}.splits is {splits!r}; give the folder of {', '.join(LISTS)}")


def read(
    source: Path,
    compression: str | None = None,
    manipulations: list[str] | None = None,
    clips: str | None = None,
    splits: str | None = None,
) -> pd.DataFrame:
    """One row for each video that the official lists ask for: path (from `source`), label, group, split, family.

    source: the folder of original_sequences/ and manipulated_sequences/, or the one above it if it is named
    FaceForensics++. compression: one of `COMPRESSIONS`; needed only where there are several. manipulations: by default
    those of the four that are there; it is also the family of a fake. clips: see `files.form`. splits: the folder of
    the lists; else they are looked for in the source.

    Raises InputError if something is ambiguous or absent, a list is damaged, a video is in two pairs, or a clip is
    there that belongs to no pair. Whether each video is there is not looked at.
    """
    home = source if (source / "original_sequences").is_dir() else source / TOP
    compression = _compression(home / "original_sequences" / "youtube", compression)
    real = home / "original_sequences" / "youtube" / compression
    fakes = _manipulated(home / "manipulated_sequences", compression, manipulations)
    form = files.form([real, *fakes.values()], clips)
    lists = _lists(source, splits)
    rows = []
    for one, other, split in _pairs(lists):
        asked = [(real, name, 0, "") for name in (one, other)]
        asked += [(folder, f"{a}_{b}", 1, family) for family, folder in fakes.items() for a, b in _both(one, other)]
        for folder, name, label, family in asked:
            path = files.clip(folder, form, name).relative_to(source).as_posix()
            rows.append((path, label, "_".join(sorted((one, other))), split, family))
    frame = pd.DataFrame(rows, columns=["path", "label", "group", "split", "family"])
    _check_all_listed(source, [real, *fakes.values()], form, set(frame["path"]), lists)
    return frame


def _both(one: str, other: str) -> list[tuple[str, str]]:
    return [(one, other), (other, one)]


def _compression(originals: Path, wanted: str | None) -> str:
    present = [each for each in COMPRESSIONS if (originals / each).is_dir()]
    if wanted in present:
        return wanted
    if wanted or not present:
        there = " and ".join(present) or f"none of {', '.join(COMPRESSIONS)}"
        raise InputError(f"{originals} has {there}; complete the data set, or correct the compression in layout")
    if len(present) > 1:
        choice = " or ".join(f"compression: {each}" for each in present)
        raise InputError(f"{originals} has {' and '.join(present)}; write {choice} in layout")
    return present[0]


def _manipulated(folder: Path, compression: str, wanted: list[str] | None) -> dict[str, Path]:
    places = {name: folder / name / compression for name in wanted or MANIPULATIONS}
    present = {name: place for name, place in places.items() if place.is_dir()}
    absent = [str(place) for name, place in places.items() if name not in present]
    if absent and (wanted or not present):
        raise InputError(f"there is no {absent[0]}; complete the data set, or correct manipulations or compression")
    return present


def _lists(source: Path, splits: str | None) -> Path:
    """The folder with all of `LISTS`."""
    inside = [folder / below for folder in (source, source / TOP) for below in ("", "splits", "dataset/splits")]
    for place in [Path(splits)] if splits else inside:
        if all((place / name).is_file() for name in LISTS):
            return place
    raise InputError(
        f"{splits or source} has no {', '.join(LISTS)}, the official splits of github.com/ondyari/FaceForensics "
        "(dataset/splits); run `python -m rrlib fetch faceforensics-splits --trust-first-use` and write "
        "splits: outputs/sources/faceforensics-splits in layout"
    )


def _pairs(lists: Path) -> list[tuple[str, str, str]]:
    """(video, video, split) of each pair in the lists."""
    found: list[tuple[str, str, str]] = []
    place_of: dict[str, str] = {}
    for name, split in LISTS.items():
        pairs = files.read_json(lists / name)
        if not isinstance(pairs, list) or not pairs or not all(map(_is_pair, pairs)):
            raise InputError(f'{lists / name} is no list of pairs such as [["071", "054"]]; fetch it again')
        for one, other in pairs:
            for video in (one, other):
                if video in place_of:
                    raise InputError(
                        f"{lists / name}: the video {video} is in two pairs (the other is in {place_of[video]}), "
                        "but it can be in one; fetch the lists again"
                    )
                place_of[video] = name
            found.append((one, other, split))
    return found


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(video, str) and re.fullmatch(r"[0-9]{3}", video) for video in pair)
    )


def _check_all_listed(source: Path, folders: list[Path], form: str, listed: set[str], lists: Path) -> None:
    there = [files.clip(folder, form, name) for folder in folders for name in files.names(folder, form)]
    strange = [path for path in there if path.relative_to(source).as_posix() not in listed]
    if strange:
        others = f" (and {len(strange) - 1} others)" if len(strange) > 1 else ""
        raise InputError(
            f"{strange[0]}{others} belongs to no pair of {', '.join(LISTS)} in {lists}, so its split is not known; "
            "take it out, or list its pair"
        )
