"""What layouts share: a list in JSON, and where the clips of a folder lie, as videos or as folders of frames."""

import json
from collections.abc import Iterable
from pathlib import Path

from rrlib import files
from rrlib.errors import InputError, unknown

FORMS = ("frames", "videos")


def read_json(path: Path) -> object:
    """What a JSON file holds; raises InputError if it cannot be read."""
    files.check_size(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); complete the data set") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged JSON ({error}); fetch it again") from None


def check_form(where: str, clips: object) -> None:
    """Raise InputError unless `clips`, the option, is None or one of `FORMS`."""
    if clips is not None and clips not in FORMS:
        raise unknown(f"{where}.clips", clips, FORMS)


def form(folders: Iterable[Path], wanted: str | None) -> str:
    """The one of `FORMS` in which every folder holds its clips; `wanted` where that is left open.

    Frames lie in frames/NAME/, videos in videos/NAME.mp4 or straight in the folder, as NAME.mp4.

    Raises InputError if a folder does not hold them, or if all hold both and `wanted` does not say which.
    """
    held = {folder: [each for each in FORMS if _holds(folder, each)] for folder in folders}
    for folder, forms in held.items():
        if not forms or (wanted and wanted not in forms):
            sought = wanted or "frames or videos"
            raise InputError(f"{folder} holds no {sought}; complete the data set, or correct layout")
    common = [each for each in FORMS if all(each in forms for forms in held.values())]
    if wanted in common:
        return wanted
    if len(common) == 1:
        return common[0]
    if not common:
        told = ", ".join(f"{folder} has {forms[0]}" for folder, forms in held.items() if len(forms) == 1)
        raise InputError(f"some clips are frames, others videos: {told}; lay out all in one way")
    folder = next(iter(held))
    raise InputError(f"{folder} holds both frames and videos; write clips: frames or clips: videos in layout")


def clip(folder: Path, form: str, name: str) -> Path:
    """Where the clip of that name lies, or would lie."""
    if form == "frames":
        return folder / "frames" / name
    return (folder / "videos" if (folder / "videos").is_dir() else folder) / f"{name}.mp4"


def names(folder: Path, form: str) -> list[str]:
    """The names of the clips in a folder, sorted; hidden files and files of another kind are passed over."""
    place = clip(folder, form, "any").parent
    if not place.is_dir():
        return []
    entries = [entry for entry in place.iterdir() if not entry.name.startswith(".")]
    if form == "frames":
        return sorted(entry.name for entry in entries if entry.is_dir())
    return sorted(entry.stem for entry in entries if entry.suffix == ".mp4")


def _holds(folder: Path, form: str) -> bool:
    if form == "frames":
        return (folder / "frames").is_dir()
    return (folder / "videos").is_dir() or any(folder.glob("*.mp4"))
