"""Data sets by name: from the lines of params.yaml to a kind, and from a kind to a prepared folder."""

from collections.abc import Mapping
from pathlib import Path

from rrlib.datasets import clips, manifest, traces
from rrlib.datasets.kinds import Clips, Folder, Frames, Kind, Synthetic, SyntheticClips
from rrlib.datasets.loading import clip_report, frame_report, load
from rrlib.errors import InputError, unknown

__all__ = ["KINDS", "clip_report", "definition", "frame_report", "load", "prepare"]

KINDS: dict[str, type[Kind]] = {each.kind: each for each in (Synthetic, Folder, Clips, Frames, SyntheticClips)}


def definition(where: str, given: object) -> Kind:
    """The data set that a mapping of `kind`, one of `KINDS`, and that kind's options describes.

    Raises InputError, which begins with `where`, for anything else.

    >>> definition("params.yaml: datasets.faces", {"kind": "folder", "source": "faces", "seed": 0}).modality
    'image'
    """
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise InputError(f"{where} holds {given!r}; give its kind, one of {', '.join(KINDS)}, and options")
    kind = given.get("kind")
    if kind not in list(KINDS):
        raise unknown(f"{where}.kind", kind, KINDS)
    options = {key: value for key, value in given.items() if key != "kind"}
    needed, optional = KINDS[kind].options()
    if not needed <= options.keys() <= needed | optional:
        raise InputError(
            f"{where} has the options {', '.join(sorted(options)) or 'none'}; "
            f"the kind {kind} takes {', '.join(sorted(needed | optional))}"
        )
    return KINDS[kind](where=where, **options)


def prepare(name: str, dataset: Kind | Mapping, folder: Path) -> None:
    """Make the data set `name` in `folder`: its samples where they have to be made, and last its manifest.csv.

    dataset: a kind, or the lines of params.yaml that `definition` takes. What an earlier preparation left in `folder`
    is removed.

    Raises what `definition` raises, and InputError if the samples cannot be used or `folder` holds files of others;
    then no manifest.csv is left behind.
    """
    kind = dataset if isinstance(dataset, Kind) else definition(f"params.yaml: datasets.{name}", dataset)
    folder = Path(folder)
    frame = kind.prepare(folder)
    if "sha256" not in frame:
        frame["sha256"] = [clips.sha256(folder / path) for path in frame["path"]]
    if kind.modality == "image" and not kind.drawn:
        traces.write(folder, frame)
    manifest.write(folder, frame)


# by the names in params.yaml, for those who have no kind at hand
CLIP_KINDS = frozenset(name for name, kind in KINDS.items() if kind.modality == "video")
FRAME_KINDS = frozenset(name for name, kind in KINDS.items() if kind.of_frames)
