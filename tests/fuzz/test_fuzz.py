"""The suite itself: it passes on what we read, and it catches what it says that it catches."""

import ctypes
import json
import mmap
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from rrlib.errors import InputError
from tests.fuzz import campaign, worker
from tests.fuzz.kinds import KINDS, Kind

REPOSITORY = Path(__file__).resolve().parents[2]
CASES, SECONDS = 20_000, 90  # it takes half of that on a machine of 2024

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems bound no memory and have no /proc")


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """What a run of the corpus and of `CASES` cases says, in a process of its own."""
    folder = tmp_path_factory.mktemp("fuzz")
    command = [sys.executable, "-m", "tests.fuzz", "--corpus", "--cases", str(CASES), "--seed", "0"]
    command += ["--to", str(folder / "failures"), "--json", str(folder / "found.json")]
    run = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert (folder / "found.json").exists(), run.stderr
    return json.loads((folder / "found.json").read_text())


def test_every_damaged_file_is_read_or_refused_with_a_sentence(found):
    assert found["failures"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_cases_some_of_which_are_read_and_some_refused(found, kind):
    outcomes = found["outcomes"][kind]
    assert set(outcomes) == {"read", "refused"}
    assert sum(outcomes.values()) == campaign.shares(CASES, KINDS.values())[kind]


def test_it_is_quick_enough_to_run_each_time(found):
    assert sum(sum(outcomes.values()) for outcomes in found["outcomes"].values()) >= CASES
    assert found["seconds"] < SECONDS


def test_a_case_is_the_same_bytes_each_time():
    kind = KINDS["image"]
    valid = kind.seeds()
    first = [kind.damaged(0, number, valid) for number in range(200)]
    assert first == [kind.damaged(0, number, valid) for number in range(200)]
    assert len(set(first)) > 190
    assert first != [kind.damaged(1, number, valid) for number in range(200)]


def test_the_corpus_is_small_and_of_known_kinds():
    files = [path for path in campaign.CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(KINDS)
    assert sum(path.stat().st_size for path in files) < 200_000


# What it catches


def outcome(read: Callable[[Path], object], *cases: bytes, **options: object) -> list[tuple[str, str]]:
    """(outcome, detail) of each case that fails, for a reader that is tried on b"valid" first."""
    kind = Kind("some", "case.bin", lambda: [b"valid"], [read], **options)
    tally = campaign.Tally()
    named = [(str(number), lambda data=data: data) for number, data in enumerate(cases)]
    failures = campaign.run(kind, named, [b"valid"], tally)
    assert tally.cases == len(cases)
    return [(failure.outcome, failure.detail) for failure in failures]


def only(data: bytes, action: Callable[[], object]) -> Callable[[Path], None]:
    """A reader that does something at one content alone."""

    def read(path: Path) -> None:
        if path.read_bytes() == data:
            action()

    return read


def refuse(said: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        if path.read_bytes() != b"valid":
            raise InputError(said.format(path=path))

    return read


def endless() -> None:
    while True:
        pass


def test_what_is_read_or_refused_with_a_sentence_passes():
    assert outcome(lambda path: path.read_bytes(), b"a", b"b") == []
    assert outcome(refuse("{path} is damaged; fetch it again"), b"a") == []


def test_another_exception_is_caught_with_its_traceback():
    [(name, detail)] = outcome(only(b"b", lambda: {}["key"]), b"a", b"b", b"c")
    assert name == "traceback"
    assert detail.endswith("KeyError: 'key'\n")


def test_a_sentence_that_names_no_file_is_caught():
    assert outcome(refuse("it is damaged"), b"a") == [("sentence", "names no file: 'it is damaged'")]


def test_a_hang_is_caught_and_the_next_cases_run():
    begun = time.monotonic()
    assert outcome(only(b"b", endless), b"a", b"b", b"c", b"b", seconds=0.3) == [("hang", "SIGPROF")] * 2
    assert time.monotonic() - begun < 30


def test_a_crash_of_the_process_is_caught_and_the_next_cases_run():
    assert outcome(only(b"b", lambda: ctypes.string_at(0)), b"b", b"a", b"c") == [("crash", "SIGSEGV")]
    assert outcome(only(b"b", lambda: os.kill(os.getpid(), 9)), b"a", b"b") == [("crash", "SIGKILL")]


def test_memory_is_caught_whether_it_is_taken_or_refused():
    def wanted() -> None:
        try:
            bytearray(2 * worker.CEILING)  # twice, as what the worker frees since its limit was set may be taken again
        except MemoryError as error:
            raise InputError("case.bin is too large; take it out") from error

    def taken() -> None:  # not from what this process has freed, which would be no more than before
        with mmap.mmap(-1, 100 << 20) as memory:
            memory[::4096] = bytes((100 << 20) // 4096)

    assert [name for name, _ in outcome(only(b"b", taken), b"b", b"a", memory=50)] == ["memory"]
    assert outcome(only(b"b", taken), b"b", b"a", memory=150) == []
    assert [name for name, _ in outcome(only(b"b", wanted), b"b")] == ["memory"]


def test_a_storm_of_lines_or_warnings_is_caught():
    def warn() -> None:
        for number in range(5):
            warnings.warn(f"odd {number}", stacklevel=1)

    for action in (warn, lambda: print("a\n" * 5, flush=True), lambda: os.write(2, b"a\n" * 5)):
        assert [name for name, _ in outcome(only(b"b", action), b"a", b"b")] == ["noise"]
    assert outcome(only(b"b", lambda: print("a", flush=True)), b"b") == []


@pytest.mark.parametrize(
    "action",
    [
        lambda: os.system("true"),
        lambda: subprocess.run(["true"]),
        lambda: Path("/dev/shm/beside").write_text(""),
        lambda: Path("../beside").write_text(""),
        lambda: Path("a").symlink_to("/etc/passwd") or Path("/dev/shm/beside").unlink(missing_ok=True),
        lambda: Path("case.bin").rename("../away"),
    ],
    ids=["shell", "process", "file", "file above", "removal", "move"],
)
def test_what_a_reader_does_beside_its_folder_is_caught(action):
    assert [name for name, _ in outcome(only(b"b", action), b"a", b"b")] == ["effect"]


def test_what_it_does_in_its_folder_is_its_own():
    assert outcome(only(b"b", lambda: Path("a").write_text("") and Path("a").unlink()), b"b") == []


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    kinds = [KINDS["receipt"], KINDS["report"]]
    whole, _ = campaign.campaign(60, 0, kinds, tmp_path)
    state = campaign.State(tmp_path / "state.json", "60 0 receipt report")
    state.done["receipt"] = 25
    state.tallies["receipt"].outcomes["read"] = 25
    state.save()
    resumed, _ = campaign.campaign(60, 0, kinds, tmp_path, tmp_path / "state.json")
    assert resumed["report"].outcomes == whole["report"].outcomes
    assert resumed["receipt"].cases == whole["receipt"].cases
