"""Kills and doubled runs of a tiny study, whose tables and pages must end as those of an undisturbed run.

    python benchmarks/chaos.py --kills 50 --doubled 20 --seed 0 [--by dvc]

In a copy of the repository, a run (`python -m rrlib run`, or `dvc repro` with `--by dvc`) is killed (SIGKILL) at seeded
random moments: its main process alone, its process group, a kernel or what else a command has begun, or any one of its
processes. Each next run goes on from what is there; when one has ended, its tables and pages are compared byte by byte
with the undisturbed ones, and the study begins anew. A doubled run is begun while another one is at work, on a study of
images alone. Five seconds after each kill no process of that run may be left. Linux alone, as it looks into /proc.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "pipeline"))
from small import FEW, change, project_files  # noqa: E402

COMPARED = ("outputs/tables/**/*.parquet", "outputs/results/*.parquet", "outputs/notebooks/**/*.ipynb")
COMPARED += ("outputs/book/**/*.html", "outputs/metrics.json", "outputs/plots/*")
MARK = "RRLIB_CHAOS"
KINDS = ("main", "group", "kernel", "any")
COMMANDS = {"run": (sys.executable, "-m", "rrlib", "run"), "dvc": ("dvc", "repro")}
GRACE = 5  # seconds


class Run(subprocess.Popen[bytes]):
    """A run whose processes all carry `mark` in their environment."""

    def __init__(self, mark: str, command: tuple[str, ...], **how: Any):
        super().__init__(command, **how)
        self.mark = mark


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--doubled", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by", choices=COMMANDS, default="run")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="what is killed")
    options = parser.parse_args()
    command = COMMANDS[options.by]
    rng, counts = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        if options.kills:
            place = copied(Path(folder, "study"))
            expected, usual = undisturbed(place, command)
            while counts["kills"] < options.kills:
                if not kill_once(place, command, rng, usual, options.kinds, counts):
                    compare(place, expected, counts, "runs that ended")
                print(dict(counts), flush=True)
            ended(start(place, command), place)
            compare(place, expected, counts, "runs that ended")
        if options.doubled:
            place = copied(Path(folder, "images"), video={"datasets": {}, "detectors": {}, "attacks": {}})
            expected, usual = undisturbed(place, command)
        for _ in range(options.doubled):
            first = start(place, command)
            time.sleep(rng.uniform(0, usual))
            second = start(place, command)
            for run in (first, second):
                run.wait()  # DVC refuses one of them while the other holds its lock
            ended(start(place, command), place)
            compare(place, expected, counts, "doubled runs")
            print(dict(counts), flush=True)
    print(dict(counts))


def undisturbed(place: Path, command: tuple[str, ...]) -> tuple[dict[str, str], float]:
    """What a run that nothing disturbs makes, and its seconds; afterwards nothing is made."""
    begun = time.monotonic()
    ended(start(place, command), place)
    usual, expected = time.monotonic() - begun, hashes(place)
    print(f"undisturbed: {len(expected)} files in {usual:.0f} s", flush=True)
    wipe(place)
    return expected, usual


def compare(place: Path, expected: dict[str, str], counts: Counter[str], what: str) -> None:
    """Count a run that ended, and whether it ended alike; name the files that differ, and begin anew."""
    found = hashes(place)
    counts[what] += 1
    counts[f"{what}, alike"] += found == expected
    for name in differing(found, expected):
        print(f"{name} differs", flush=True)
    wipe(place)


def differing(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """The files that are not alike, or that one side lacks."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def copied(place: Path, **parameters: object) -> Path:
    """The project with a tiny study, of images and clips unless `parameters` say otherwise, and nothing made."""
    for name in project_files():
        if (REPOSITORY / name).is_file() and not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, place / name)
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    change(place, detectors={"resnet": FEW["detectors"]["resnet"]}, **parameters)
    wipe(place)
    return place


def wipe(place: Path) -> None:
    """The study as before its first run; DVC's cache goes, too."""
    for name in ("outputs", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(place / name, ignore_errors=True)
    (place / "dvc.lock").unlink(missing_ok=True)


def start(place: Path, command: tuple[str, ...]) -> Run:
    """A run in a process group of its own, whose processes all carry a mark in their environment."""
    settings = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    settings |= {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", MARK: uuid.uuid4().hex}
    with log(place).open("wb") as said:
        return Run(
            settings[MARK],
            command,
            cwd=place,
            env=os.environ | settings,
            start_new_session=True,
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def log(place: Path) -> Path:
    """What the run that was begun last has printed."""
    return place.with_suffix(".log")


def last_line(path: Path) -> str:
    """Which stage was done or begun last."""
    lines = [line for line in path.read_text(errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1][:100] if lines else "nothing yet"


def ended(run: Run, place: Path) -> None:
    if run.wait():
        raise SystemExit(f"a run that nothing disturbed ended with {run.returncode}: {log(place).read_text()[-3000:]}")


def kill_once(
    place: Path, command: tuple[str, ...], rng: random.Random, usual: float, kinds: list[str], counts: Counter[str]
) -> bool:
    """Kill one run, or a process of it, at a random moment; False where it ended before that."""
    run, kind = start(place, command), rng.choice(kinds)
    until = rng.uniform(0.5, min(usual / 2, 40))  # s: later moments come with the runs that go on
    begun, victims = time.monotonic(), list[int]()
    while run.poll() is None and not victims and (kind == "kernel" or time.monotonic() < begun + until):
        time.sleep(0.05)
        if kind == "kernel" and time.monotonic() > begun + until:
            victims = begun_by_commands(run)
            if time.monotonic() > begun + usual:
                break
    if run.poll() is not None:
        if run.returncode:
            raise SystemExit(
                f"after a kill, the next run ended with {run.returncode}: {log(place).read_text()[-3000:]}"
            )
        return False
    if kind == "any":
        victims = sorted(members(run))
    if victims:
        kill(rng.choice(victims))  # what was lost is tried again, or fails and is named
    elif kind == "group":
        os.killpg(run.pid, signal.SIGKILL)
    else:
        kind = "main"
        run.kill()
    run.wait()
    time.sleep(GRACE)
    left = members(run)
    print(f"a kill of {kind}, after the line: {last_line(log(place))}", flush=True)
    counts["kills"] += 1
    counts[f"kills of {kind}"] += 1
    counts["processes left after 5 s"] += len(left)
    for process in left:
        print(f"left after a kill of {kind}: {said(process)}", flush=True)
        kill(process)
    return True


def kill(process: int) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(process, signal.SIGKILL)


def members(run: Run) -> list[int]:
    """The living processes that carry the run's mark."""
    mark, found = f"{MARK}={run.mark}".encode(), []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def said(process: int) -> str:
    """The command line of a process, as far as it still lives."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "ended meanwhile"


def begun_by_commands(run: Run) -> list[int]:
    """Kernels of pages, and what else the commands of stages have begun: what lies deeper than they do."""
    parents = {process: parent_of(process) for process in members(run)}

    def depth(process: int) -> int:
        return 0 if process == run.pid or process not in parents else 1 + depth(parents[process])

    return sorted(process for process in parents if depth(process) > 2)  # run, what commands are forked from, command


def parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def hashes(place: Path) -> dict[str, str]:
    files = sorted(path for pattern in COMPARED for path in place.glob(pattern) if path.is_file())
    return {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
