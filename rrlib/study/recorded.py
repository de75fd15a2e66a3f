"""A study that is recorded with the repository: its tables without a pixel, and the detectors that were measured.

`data/recorded/NAME/` is what `params.NAME.yaml` left where its data lay. Pages read it, so that who lacks the data
reads the study; `verify` measures a part of it again where they are.
"""

import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from rrlib import files
from rrlib.datasets import manifest, traces
from rrlib.errors import InputError, parsing
from rrlib.evaluation import probe, tables
from rrlib.study import paths
from rrlib.study.harm import read_damage, read_transfer
from rrlib.study.params import Study, load
from rrlib.study.probing import read_probe

RECORDED = paths.DATA / "recorded"
ABOUT, SAMPLES, TRUST = "about.json", "samples.csv", "trust.json"
RESULTS, DAMAGE, TRANSFER = "results.parquet", "damage.parquet", "transfer.parquet"
OF_SAMPLE = ["dataset", "sample", "label", "group", "sha256"]


@dataclass(frozen=True)
class Recorded:
    """A recorded study. In every table the folds of one data set are one (`pooled`).

    results: all result tables below each other; damage: a severity in the place of ε; transfer: with the column
    `source`; probes: by (data set, detector); these three may be empty. samples: dataset, sample, label, group and
    sha256 of the image file; traces: what the files alone tell, or None (`datasets.traces`); about: commit, versions,
    processor and date of the record.
    """

    study: Study
    results: pd.DataFrame
    damage: pd.DataFrame
    transfer: pd.DataFrame
    probes: dict[tuple[str, str], pd.DataFrame]
    samples: pd.DataFrame
    traces: pd.DataFrame | None
    about: dict[str, Any]


def file_of(name: str) -> Path:
    """The file of the study that is recorded as `name`.

    >>> file_of("faces").as_posix()
    'params.faces.yaml'
    """
    return Path(f"params.{name}.yaml")


def folder_of_record(name: str) -> Path:
    """Where the record of a study lies."""
    return RECORDED / name


def name_of(file: object) -> str:
    """The name of the record of the study in `file`; empty for no file, or one that is not recorded."""
    if not isinstance(file, Path):
        return ""
    name = file.name.removeprefix("params.").removesuffix(".yaml")
    return name if (folder_of_record(name) / RESULTS).is_file() else ""


def names() -> list[str]:
    """The recorded studies."""
    return sorted(path.parent.name for path in RECORDED.glob(f"*/{RESULTS}"))


def pooled(study: Study) -> dict[str, str]:
    """What each data set of a study is called once folds are put together: faces-1, faces-2, … become faces.

    That is the name without the number of its fold, where it ends so and every fold of the data set is in the study.
    """
    names = {name: name for name in study.datasets}
    for name, entry in study.datasets.items():
        fold = getattr(entry, "fold", None)
        if fold and name.endswith(f"-{fold['number']}"):
            whole = name.removesuffix(f"-{fold['number']}")
            if all(f"{whole}-{number}" in study.datasets for number in range(1, fold["of"] + 1)):
                names[name] = whole
    return names


def record(file: Path) -> list[str]:
    """Record the study in `file`, whose folder this is, with the detectors that were trained; the lines to be shown."""
    study, folder = load(), folder_of_record(file.name.removeprefix("params.").removesuffix(".yaml"))
    written = write(study, folder, about())
    for dataset, detector in study.pairs():
        if study.detectors[detector].training:
            made = paths.checkpoint_path(dataset, detector).read_bytes()
            given = paths.given_path(dataset, detector)
            with files.whole(given) as unfinished:
                unfinished.write_bytes(made)
            written.append(given)
    total = sum(path.stat().st_size for path in written)
    return [f"{len(written)} files, {total / 1e6:.1f} MB, in {folder} and {paths.GIVEN}; name them in data.dvc"]


def about() -> dict[str, str]:
    """What a record says of its making: commit, date, processor, system and versions; no name of a machine."""
    told = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
                          capture_output=True, text=True, check=False).stdout.strip()  # fmt: skip
    return {
        "commit": told or "unknown",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "pandas", "pillow")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


def write(study: Study, folder: Path, said: Mapping[str, Any]) -> list[Path]:
    """Write what the stages of a study left in outputs/ to `folder`, and what is `said` of it; the files.

    Result tables must be there; damage and transfer are written where all their stages have run, and every look that
    `trust` took, be it of one fold alone. Raises
    InputError for a result table that is absent.
    """
    results = [tables.read(paths.table_path(cell)) for cell in study.cells()]
    ran = {
        DAMAGE: all(paths.damage_path(*pair).is_file() for pair in study.pairs()),
        TRANSFER: all(paths.transfer_path(*pair).is_file() for pair in study.pairs()),
        TRUST: any(paths.probe_path(*pair).is_file() for pair in study.pairs()),
    }
    samples = []
    for name in study.datasets:
        frame = manifest.read(paths.dataset_folder(name)).query("split == 'test'")
        samples.append(frame.assign(dataset=name)[OF_SAMPLE])
    tables.write(folder / RESULTS, _below(results))
    if ran[DAMAGE]:
        tables.write(folder / DAMAGE, _below(list(read_damage(study).values())), ball=False)
    if ran[TRANSFER]:
        seen = _below(list(read_transfer(study).values()))
        tables.write(folder / TRANSFER, seen.assign(attack=seen["source"]))  # all are of one attack, the highlighted
    if ran[TRUST]:
        probes = [read_probe(*pair) for pair in study.pairs() if paths.probe_path(*pair).is_file()]
        looks = [probe.to_json(each, {str(key): value for key, value in each.attrs.items()}) for each in probes]
        files.write_text(folder / TRUST, json.dumps(looks) + "\n")
    with files.whole(folder / SAMPLES) as unfinished:
        pd.concat(samples).sort_values(["dataset", "sample"]).to_csv(unfinished, index=False, lineterminator="\n")
    first = paths.dataset_folder(next(iter(study.datasets))) / traces.NAME  # of all splits, so of every fold
    if first.is_file():
        files.write_text(folder / traces.NAME, first.read_text(encoding="utf-8"))
    files.write_text(folder / ABOUT, json.dumps(dict(said), indent=1, sort_keys=True) + "\n")
    names = (ABOUT, RESULTS, SAMPLES, traces.NAME, *ran)
    return [folder / name for name in names if (folder / name).is_file()]


def read(name: str) -> Recorded:
    """The recorded study `name`, its folds put together; InputError if a file of it is absent or damaged."""
    folder, study = folder_of_record(name), load(file_of(name))
    names = pooled(study)
    seen = _read(folder / TRANSFER, names) if (folder / TRANSFER).is_file() else pd.DataFrame()
    return Recorded(
        study=study,
        results=_read(folder / RESULTS, names),
        damage=_read(folder / DAMAGE, names, ball=False) if (folder / DAMAGE).is_file() else pd.DataFrame(),
        transfer=seen.assign(source=seen["attack"], attack=study.highlight.attack) if len(seen) else seen,
        probes=_probes(folder / TRUST, names) if (folder / TRUST).is_file() else {},
        samples=samples_of(name).replace({"dataset": names}),
        traces=traces.read(folder),
        about=_json(folder / ABOUT),
    )


def samples_of(name: str) -> pd.DataFrame:
    """The samples of a record: dataset (as params.yaml calls it), sample, label, group, sha256."""
    path = folder_of_record(name) / SAMPLES
    if not path.is_file():
        raise _absent(path)
    return manifest.read_text(path).astype({"label": int})


def tables_of(name: str) -> pd.DataFrame:
    """All recorded result tables below each other, data sets as params.yaml calls them."""
    return tables.read(folder_of_record(name) / RESULTS)


def _read(path: Path, names: Mapping[str, str], ball: bool = True) -> pd.DataFrame:
    if not path.is_file():
        raise _absent(path)
    return tables.read(path, ball).replace({"dataset": dict(names)})


def _probes(path: Path, names: Mapping[str, str]) -> dict[tuple[str, str], pd.DataFrame]:
    found: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for held in _json(path):
        table = probe.from_json(held)
        found.setdefault((names[table.attrs["dataset"]], table.attrs["detector"]), []).append(table)
    return {pair: _below(each) for pair, each in found.items()}


def _json(path: Path) -> Any:
    if not path.is_file():
        raise _absent(path)
    with parsing(path, "a whole record", f"`git checkout {path}` brings it back"):
        return json.loads(path.read_text(encoding="utf-8"))


def _absent(path: Path) -> InputError:
    return InputError(f"{path} is absent; `git checkout {path}` brings it back")


def _below(found: list[pd.DataFrame]) -> pd.DataFrame:
    attrs = found[0].attrs
    for table in found:
        table.attrs = {}
    whole = pd.concat(found, ignore_index=True)
    whole.attrs = {"epsilon": attrs["epsilon"]} if "epsilon" in attrs else {}
    return whole
