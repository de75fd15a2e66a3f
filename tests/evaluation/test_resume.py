"""An evaluation that was killed goes on after its last finished batch, and its table is the one it would have been."""

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from rrlib import study
from rrlib.errors import InputError
from rrlib.evaluation import Cell, resume, tables
from rrlib.study import paths

CELL = Cell("drawn", "small", "pgd")


def part(number: int) -> pd.DataFrame:
    """A batch of one sample at two epsilons."""
    return pd.DataFrame(
        {
            "dataset": "faces",
            "detector": "small",
            "attack": "pgd",
            "epsilon": [0.0, 0.1],
            "sample": f"sample{number}",
            "group": "x",
            "label": number % 2,
            "p_clean": 0.25,
            "p_attacked": [0.25, 0.5],
            "shift": [0.0, 0.25],
            "linf": [0.0, 0.1],
            "gradient": pd.array([pd.NA, True], dtype="boolean"),
        }
    )


def test_it_knows_the_finished_batches_in_whatever_order_they_were_finished(tmp_path):
    place = resume.begin(tmp_path / "unfinished", "key")
    assert resume.finished(place) == set()
    resume.keep(place, 3, part(3))
    resume.keep(place, 0, part(0))
    assert resume.finished(resume.begin(tmp_path / "unfinished", "key")) == {0, 3}


def test_another_key_begins_anew(tmp_path):
    resume.keep(resume.begin(tmp_path / "unfinished", "key"), 0, part(0))
    assert resume.finished(resume.begin(tmp_path / "unfinished", "another")) == set()


def test_the_rows_of_all_batches_come_in_their_order_and_the_folder_goes(tmp_path):
    folder = tmp_path / "unfinished"
    place = resume.begin(folder, "key")
    for number in reversed(range(12)):  # more than ten: batches are in the order of their numbers
        frame = part(number)
        frame.attrs = {"attacked": "the detector itself"}
        resume.keep(place, number, frame)
    found = resume.parts(place)
    assert found["sample"].tolist() == [f"sample{number}" for number in range(12) for _ in range(2)]
    assert found.attrs == {"attacked": "the detector itself"}
    resume.end(folder)
    assert not folder.exists()


def test_a_damaged_batch_is_not_finished(tmp_path):
    place = resume.begin(tmp_path / "unfinished", "key")
    for number in range(3):
        resume.keep(place, number, part(number))
    (place / "000001.parquet").write_bytes(b"")
    (place / ".000003.123.parquet").write_bytes(b"of a writer that was killed")
    assert resume.finished(place) == {0, 2}
    assert len(resume.parts(place)) == 4


def test_a_batch_that_breaks_the_tables_definition_is_not_kept(tmp_path):
    place = resume.begin(tmp_path / "unfinished", "key")
    with pytest.raises(InputError, match="a shift at epsilon 0 in 1 of 2 rows"):
        resume.keep(place, 0, part(0).assign(shift=0.25))
    assert resume.finished(place) == set()


def test_a_table_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path):
    target = tmp_path / "cell.parquet"
    target.mkdir()
    with pytest.raises(InputError, match=r"^.*cell\.parquet cannot be written \(.*\); see that this place can be"):
        tables.write(target, part(0))
    assert [path.name for path in tmp_path.iterdir()] == ["cell.parquet"]


STUDY = """
seed: 0
device: cpu
batch_size: 4
workers: 0
fold: true
compiled: false
retrain: false
distance: linf
threshold: 0.5
cells: {}
damage:
epsilons: [0, 0.01, 0.1]
tolerances: [0.1]
highlight: {epsilon: 0.01, tolerance: 0.1, attack: pgd}
datasets:
  drawn: {kind: synthetic, size: 32, strength: 0.6, seed: 0, images: {train: 8, validation: 4, test: 48}}
detectors:
  small: {architecture: resnet, input_size: 32, training: {epochs: 1}}
attacks:
  pgd: {rule: pgd, steps: 20}
video: {datasets: {}, detectors: {}, attacks: {}}
sources: {}
"""
MEASURE = """
import torch
from rrlib import study
torch.set_num_threads(1)
study.measure(study.load(), "drawn", "small")
"""


def start(code: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


@pytest.fixture
def drawn(tmp_path, monkeypatch) -> Path:
    """A study with its data set and checkpoint, and the bytes of its table, which is then taken away again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    Path("params.yaml").write_text(STUDY)
    study.prepare_dataset(study.load(), "drawn")
    study.make_checkpoint(study.load(), "drawn", "small")
    study.measure(study.load(), "drawn", "small")
    table = paths.table_path(CELL)
    table.rename("expected.parquet")
    shutil.rmtree(paths.measured_folder(*CELL[:2]))
    return table


def test_a_killed_measurement_goes_on_and_gives_the_same_bytes(drawn):
    unfinished = paths.unfinished_folder(*CELL[:2])
    killed = start(MEASURE)
    while len(list(unfinished.glob("*/[0-9]*.parquet"))) < 3:  # not the one that is being written
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not drawn.exists()

    resumed = start(MEASURE)
    _, log = resumed.communicate()
    assert resumed.returncode == 0, log
    assert int(re.search(r"(\d+)/48", log).group(1)) >= 12  # the bar begins where the last run was killed
    assert drawn.read_bytes() == Path("expected.parquet").read_bytes()
    assert not unfinished.exists()


def test_shards_that_run_side_by_side_give_the_same_bytes(drawn):
    shard = MEASURE.replace(
        'study.measure(study.load(), "drawn", "small")', 'study.measure_shard(study.load(), "drawn", "small", ({}, 3))'
    )
    shards = [start(shard.format(which)) for which in (1, 2, 3)]
    logs = [process.communicate()[1] for process in shards]
    assert [process.returncode for process in shards] == [0, 0, 0], logs
    assert not drawn.exists()  # a shard leaves batches, not tables
    study.measure(study.load(), "drawn", "small")
    assert drawn.read_bytes() == Path("expected.parquet").read_bytes()
    assert not paths.unfinished_folder(*CELL[:2]).exists()


@pytest.mark.parametrize("count", [1, 8])
def test_any_number_of_shards_gives_the_same_bytes(drawn, count):
    for which in range(count, 0, -1):
        study.measure_shard(study.load(), "drawn", "small", (which, count))
    study.measure(study.load(), "drawn", "small")
    assert drawn.read_bytes() == Path("expected.parquet").read_bytes()


def test_shards_do_all_the_work_of_a_measurement_and_none_of_it_twice(drawn):
    unfinished = paths.unfinished_folder(*CELL[:2])
    done = []
    for which in (1, 2):
        study.measure_shard(study.load(), "drawn", "small", (which, 2))
        done.append(len(list(unfinished.glob("*/[0-9]*.parquet"))))
    assert done == [6, 12]  # of 12 batches of four samples
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("rrlib.attacks.sweep_together", None)
        study.measure(study.load(), "drawn", "small")  # which only puts together what is there
    assert drawn.read_bytes() == Path("expected.parquet").read_bytes()


def test_two_at_once_leave_one_whole_table(drawn):
    both = [start(MEASURE), start(MEASURE)]
    logs = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], logs
    assert drawn.read_bytes() == Path("expected.parquet").read_bytes()
    assert sum("48/48" in log for log in logs) == 1  # the second found what the first had measured


PEAK = """
import resource, sys
from pathlib import Path
import pandas as pd, torch
from rrlib.attacks import rule
from rrlib.evaluation import resume
from rrlib.detectors.catalogue import build
from rrlib.evaluation import batches

class Drawn(torch.utils.data.Dataset):
    def __init__(self, count):
        names = [f"sample{number}" for number in range(count)]
        self.table = pd.DataFrame({"sample": names, "group": names, "label": [n % 2 for n in range(count)]})
    def __len__(self): return len(self.table)
    def __getitem__(self, i): return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i)), i % 2, i

torch.set_num_threads(1)
place = resume.begin(Path("unfinished"), "key")
rules, data = {"fgsm": rule("fgsm")}, Drawn(int(sys.argv[1]))
parts = batches(build("resnet", 32, seed=0), data, rules, [0, 0.01, 0.1], batch_size=64)
rows = 0
for number, part in enumerate(parts):
    resume.keep(place, number, part)
    rows += len(part)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, rows)
"""


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    peaks = {}
    for count in (256, 4096):
        command = [sys.executable, "-c", PEAK, str(count)]
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        peaks[count], rows = map(int, done.stdout.split())
        assert rows == 3 * count
    assert abs(peaks[4096] / peaks[256] - 1) < 0.1, peaks
