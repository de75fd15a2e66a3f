"""A small pipeline of shell commands, run by Dask for DVC: the same as `dvc repro` leaves, side by side."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed
import pytest
import yaml
from dvc.repo import Repo
from processes import left, lives

from rrlib import cluster
from rrlib.errors import InputError
from rrlib.report import kernels

# each run of a command leaves a line in `ran`, which DVC knows nothing of
CHAIN = {
    "one": {"cmd": "echo one >> ran; cat given > a", "deps": ["given"], "outs": ["a"]},
    "two": {"cmd": "echo two >> ran; cat a a > b", "deps": ["a"], "params": ["factor"], "outs": ["b"]},
    "apart": {"cmd": "echo apart >> ran; echo apart > c", "params": ["other"], "outs": ["c"]},
}


SHARDED = {"measure": {"cmd": "sh measure.sh", "outs": ["table"], "deps": ["measure.sh"]}, "apart": CHAIN["apart"]}
OUTSIDE = r"^one: .*faces lies outside this folder and is not sent; run what reads it by `dvc repro`"
LOST = r"^apart: its workers were lost again and again; look after their machines \(outputs/logs/apart.log\)$"
NOT_HERE = r"^apart: its command ended well and made no c; workers in folders of their own need --apart \(outputs/logs"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A function that makes a DVC project of some stages and makes it the working directory."""

    def make(stages: dict, name: str = "project") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        Repo.init(folder, no_scm=True).close()
        folder.joinpath("given").write_text("given\n")
        folder.joinpath("params.yaml").write_text("factor: 1\nother: 1\n")
        folder.joinpath("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
        monkeypatch.chdir(folder)
        return folder

    return make


def ran(folder: Path) -> list[str]:
    """The commands that ran since the last call, sorted."""
    path = folder / "ran"
    found = sorted(path.read_text().split()) if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def test_runs_what_is_stale_and_nothing_else(place):
    folder = place(CHAIN)
    assert sorted(cluster.run(workers=2)) == ran(folder) == ["apart", "one", "two"]
    assert folder.joinpath("b").read_text() == "given\ngiven\n"
    assert cluster.run(workers=2) == ran(folder) == []
    folder.joinpath("params.yaml").write_text("factor: 2\nother: 1\n")
    assert cluster.run(workers=2) == ran(folder) == ["two"]
    folder.joinpath("given").write_text("other\n")
    assert sorted(cluster.run(workers=2)) == ran(folder) == ["one", "two"]
    folder.joinpath("b").unlink()
    cluster.run(workers=2)
    assert folder.joinpath("b").read_text() == "other\nother\n"


def test_leaves_what_dvc_repro_leaves(place):
    by_dvc = place(CHAIN, "by-dvc")
    with Repo() as repo:
        repo.reproduce()
    ours = place(CHAIN, "ours")
    cluster.run(workers=3)
    assert yaml.safe_load(ours.joinpath("dvc.lock").read_text()) == yaml.safe_load(
        by_dvc.joinpath("dvc.lock").read_text()
    )
    assert "&id" not in ours.joinpath("dvc.lock").read_text()  # no stage borrows another's parameters
    with Repo() as repo:
        assert repo.status() == {}


def test_what_ran_before_is_restored_from_the_cache_of_dvc(place):
    folder = place(CHAIN)
    cluster.run(workers=2)
    folder.joinpath("given").write_text("other\n")
    cluster.run(workers=2)
    ran(folder)
    folder.joinpath("given").write_text("given\n")
    assert cluster.run(workers=2) == ran(folder) == []
    assert folder.joinpath("b").read_text() == "given\ngiven\n"


def test_stages_that_do_not_rest_on_each_other_run_side_by_side(place):
    wait = "touch {0}.here; for i in $(seq 200); do test -f {1}.here && exec touch {0}; sleep .05; done; exit 1"
    meet = {
        mine: {"cmd": wait.format(mine, other), "outs": [mine]}
        for mine, other in (("left", "right"), ("right", "left"))
    }
    place(meet)
    assert sorted(cluster.run(workers=2)) == ["left", "right"]


def test_dask_is_given_as_many_stages_as_workers_and_first_what_others_wait_for(place, monkeypatch):
    names = ["page-1", "page-2", "page-3", "measure-1", "measure-2"]
    place({name: {"cmd": f"echo {name} > {name}", "outs": [name]} for name in names})
    submit, sent, unfinished = distributed.Client.submit, [], []

    def submitted(client, *arguments, **how):
        future = submit(client, *arguments, **how)
        sent.append(future)
        unfinished.append(sum(not each.done() for each in sent))
        return future

    monkeypatch.setattr(distributed.Client, "submit", submitted)
    assert sorted(cluster.run(workers=2)) == sorted(names)
    assert max(unfinished) <= 2
    assert [future.key for future in sent][:2] == ["measure-1", "measure-2"]


def test_a_measurement_in_shards_runs_its_parts_side_by_side_and_then_itself(place):
    # every run of the command: what it was told besides its name
    folder = place(SHARDED)
    folder.joinpath("measure.sh").write_text(
        'echo "measure$2" >> ran\n[ -n "$2" ] || { cat part-* > table; exit; }\ntouch part-${2%/*}\n'
    )
    assert sorted(cluster.run(workers=2, shards=3)) == ["apart", "measure"]
    lines = folder.joinpath("ran").read_text().split()
    assert sorted(lines) == ["apart", "measure", "measure1/3", "measure2/3", "measure3/3"]
    assert lines.index("measure") > max(lines.index(f"measure{which}/3") for which in (1, 2, 3))


def test_what_a_failed_shard_left_undone_is_the_stages_own_work(place):
    folder = place({"measure": {"cmd": "sh measure.sh", "outs": ["table"], "deps": ["measure.sh"]}})
    folder.joinpath("measure.sh").write_text('[ "$2" = 1/2 ] && exit 1\n[ -n "$2" ] || echo whole > table\n')
    assert cluster.run(workers=2, shards=2) == ["measure"]


def test_a_failure_is_told_with_its_last_words_and_its_log(place):
    folder = place(CHAIN | {"one": CHAIN["one"] | {"cmd": "echo reason; exit 3"}})
    with pytest.raises(InputError, match=re.escape("one: reason | exit code 3 (outputs/logs/one.log)")):
        cluster.run(workers=1, keep_going=True)
    assert ran(folder) == ["apart"]
    folder.joinpath("dvc.yaml").write_text(yaml.safe_dump({"stages": CHAIN}))
    assert cluster.run(workers=1) == ran(folder) == ["one", "two"]


def test_after_a_failure_nothing_new_begins_unless_told_to_keep_going(place):
    fails = {"cmd": "echo fails >> ran; exit 1", "outs": ["x"]}
    later = {"cmd": "echo later >> ran; cat c > d", "deps": ["c"], "outs": ["d"]}
    apart = CHAIN["apart"] | {"cmd": "echo apart >> ran; sleep 1; echo apart > c"}
    folder = place({"fails": fails, "apart": apart, "later": later})
    with pytest.raises(InputError, match=re.escape("fails: exit code 1 (outputs/logs/fails.log)")):
        cluster.run(workers=2)
    assert ran(folder) == ["apart", "fails"]  # what was at work is kept
    with pytest.raises(InputError):
        cluster.run(workers=2, keep_going=True)
    assert ran(folder) == ["fails", "later"]


def test_a_command_that_a_signal_ends_is_tried_three_times(place):
    folder = place({"dies": {"cmd": "echo dies >> ran; kill -9 $$", "outs": ["x"]}})
    message = "dies: signal 9 ended it, 3 times; free memory or run with fewer --workers (outputs/logs/dies.log)"
    with pytest.raises(InputError, match=re.escape(message)):
        cluster.run(workers=1)
    assert ran(folder) == ["dies"] * 3


def test_two_runs_at_once_are_refused(place):
    place(CHAIN)
    with Repo() as repo, repo.lock, pytest.raises(InputError, match="another run or DVC command is at work"):
        cluster.run(workers=1)


def test_a_killed_run_leaves_no_process_and_loses_nothing_that_was_finished(place):
    slow = {"cmd": "echo $$ > slow.pid; exec sleep 60", "deps": ["b"], "outs": ["s"]}
    folder = place(CHAIN | {"slow": slow})
    main = subprocess.Popen([sys.executable, "-c", "from rrlib import cluster; cluster.run(workers=2)"])
    pid = folder / "slow.pid"
    for _ in range(600):
        if pid.exists() and pid.read_text().strip():
            break
        time.sleep(0.1)
    main.send_signal(signal.SIGKILL)
    main.wait()
    if still := left([pid.read_text().strip()]):
        os.kill(int(still[0]), signal.SIGKILL)
        pytest.fail("the command outlived its run by 5 s")
    assert ran(folder) == ["apart", "one", "two"]
    folder.joinpath("dvc.yaml").write_text(yaml.safe_dump({"stages": CHAIN | {"slow": slow | {"cmd": "cat b > s"}}}))
    assert cluster.run(workers=2) == ["slow"]
    assert ran(folder) == []  # the others were restored


@pytest.mark.skipif(not kernels.FORKS, reason="commands are forked on Linux alone")
def test_what_commands_are_forked_from_ends_before_its_imports_where_its_run_is_gone():
    command = [sys.executable, "-X", "importtime", "-c", "import rrlib.processes.preload"]
    gone = subprocess.run(command, env=os.environ | {"RRLIB_RUN": "1"}, capture_output=True, text=True)
    assert gone.returncode == 1
    assert "rrlib.report.warm" in gone.stderr
    assert not {"torch", "matplotlib", "nbclient"} & set(re.findall(r"\| +(\w+)$", gone.stderr, re.MULTILINE))


@contextmanager
def workers_in(folders: list[Path]) -> Iterator[str]:
    """The address of a scheduler with a worker in each of these folders."""
    start = [sys.executable, "-m", "dask"]
    file = Path("cluster.json").absolute()
    file.unlink(missing_ok=True)
    how = ["--scheduler-file", str(file), "--no-dashboard"]
    begun = [subprocess.Popen([*start, "scheduler", *how, "--host", "127.0.0.1", "--port", "0"])]
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
            begun.append(subprocess.Popen([*start, "worker", *how, "--nthreads", "1"], cwd=folder))
        for _ in range(300):
            if file.exists():
                break
            time.sleep(0.1)
        address = yaml.safe_load(file.read_text())["address"]
        with distributed.Client(address) as client:
            client.wait_for_workers(len(folders), timeout=60)
        yield address
    finally:
        for process in reversed(begun):
            process.terminate()
            process.wait(20)


def test_workers_of_a_cluster_run_the_stages(place):
    folder = place(CHAIN)
    with workers_in([folder]) as address:
        assert sorted(cluster.run(scheduler=address)) == ran(folder) == ["apart", "one", "two"]
    assert folder.joinpath("b").read_text() == "given\ngiven\n"


def forgotten(address: str, folder: Path, times: int) -> threading.Thread:
    """As where a machine is lost with what tasks rest on: the scheduler forgets the stage while it runs, so often."""

    def forget():
        with distributed.Client(address) as client:
            for number in range(1, times + 1):
                while not folder.joinpath("ran").exists() or len(folder.joinpath("ran").read_text().split()) < number:
                    time.sleep(0.1)
                key = f"apart, {number - 1} times lost" if number > 1 else "apart"
                client.cancel(distributed.Future(key, client), force=True)

    begun = threading.Thread(target=forget)
    begun.start()
    return begun


@pytest.mark.parametrize("times", [1, 3])
def test_a_stage_that_dask_forgot_is_given_out_again_and_not_for_ever(place, times):
    folder = place({"apart": {"cmd": "echo apart >> ran; sleep 2; echo apart > c", "outs": ["c"]}})
    with workers_in([folder]) as address:
        forgets = forgotten(address, folder, times)
        if times == 1:
            assert cluster.run(scheduler=address) == ["apart"]
        else:
            with pytest.raises(InputError, match=LOST):
                cluster.run(scheduler=address)
        forgets.join()
    assert len(ran(folder)) == max(2, times)


def test_workers_in_folders_of_their_own_are_sent_what_stages_rest_on_and_send_what_they_make(place, tmp_path):
    folder, hosts = place(CHAIN), [tmp_path / "host1", tmp_path / "host2"]
    with workers_in(hosts) as address:
        assert sorted(cluster.run(scheduler=address, apart=True)) == ["apart", "one", "two"]
        assert ran(folder) == []
        assert sorted(ran(hosts[0]) + ran(hosts[1])) == ["apart", "one", "two"]
        assert [folder.joinpath(made).read_text() for made in "abc"] == ["given\n", "given\ngiven\n", "apart\n"]
        assert cluster.run(scheduler=address, apart=True) == []
        folder.joinpath("given").write_text("other\n")
        assert sorted(cluster.run(scheduler=address, apart=True)) == ["one", "two"]
        assert folder.joinpath("b").read_text() == "other\nother\n"
    assert folder.joinpath("outputs/logs/two.log").read_text() == ""


def test_shards_on_machines_without_a_shared_folder_meet_in_their_stage(place, tmp_path):
    folder, hosts = place(SHARDED), [tmp_path / "host1", tmp_path / "host2"]
    folder.joinpath("measure.sh").write_text(
        "set -e; mkdir -p outputs/unfinished\n"
        '[ -n "$2" ] || { cat outputs/unfinished/* > table; rm -r outputs/unfinished; exit; }\n'
        "echo $2 > outputs/unfinished/${2%/*}; sleep 1\n"
    )
    with workers_in(hosts) as address:
        assert sorted(cluster.run(scheduler=address, apart=True, shards=4)) == ["apart", "measure"]
    assert folder.joinpath("table").read_text() == "1/4\n2/4\n3/4\n4/4\n"


def test_code_is_never_written_and_must_be_the_same(place, tmp_path):
    folder, hosts = place({"one": {**CHAIN["one"], "deps": ["given", "code.py"]}}), [tmp_path / "host1"]
    folder.joinpath("code.py").write_text("1")
    with workers_in(hosts) as address:
        sentence = rf"^one: .*: {hosts[0]}/code\.py differs from the run's; check out the same commit there \|"
        with pytest.raises(InputError, match=sentence):
            cluster.run(scheduler=address, apart=True)
        hosts[0].joinpath("code.py").write_text("1")
        assert cluster.run(scheduler=address, apart=True) == ["one"]


def test_what_lies_outside_the_folder_is_not_sent(place, tmp_path):
    place({"one": {"cmd": "cat ../faces > a", "deps": ["../faces"], "outs": ["a"]}})
    tmp_path.joinpath("faces").write_text("mine")
    with workers_in([tmp_path / "host1"]) as address, pytest.raises(InputError, match=OUTSIDE):
        cluster.run(scheduler=address, apart=True)


def test_a_worker_in_a_folder_of_its_own_is_told_from_one_that_shares_ours(place, tmp_path):
    place({"apart": CHAIN["apart"]})
    with workers_in([tmp_path / "host1"]) as address, pytest.raises(InputError, match=NOT_HERE):
        cluster.run(scheduler=address)


def test_a_scheduler_that_does_not_answer_is_one_sentence(place, monkeypatch):
    place(CHAIN)
    monkeypatch.setattr("rrlib.cluster.workers.PATIENCE", 1)
    with pytest.raises(InputError, match=r"the scheduler tcp://127\.0\.0\.1:9 gives no worker \(.*\); start both as"):
        cluster.run(scheduler="tcp://127.0.0.1:9")


def test_no_end_of_a_command_is_lost_when_many_end_at_once(place):
    place({f"stage{number}": {"cmd": f"echo {number} > {number}", "outs": [f"{number}"]} for number in range(60)})
    assert len(cluster.run(workers=8)) == 60


def test_a_stage_that_takes_too_long_is_ended_with_what_it_started(place):
    folder = place({"slow": {"cmd": "sleep 600 & echo $! > child; wait", "outs": ["s"]}})
    message = "slow: it took longer than the time limit of 4 s; give it more, or run again to go on | exit code 124"
    with pytest.raises(InputError, match=re.escape(message)):
        cluster.run(workers=1, time_limit=4)
    assert not lives(folder.joinpath("child").read_text().strip())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel refuses nothing")
def test_a_command_that_asks_for_more_memory_than_its_worker_has_is_refused(place, monkeypatch):
    monkeypatch.setattr("rrlib.cluster.workers.MEMORY_LIMIT", 2 << 30)
    asks = f'{sys.executable} -c \'bytearray(int({{}} * 2**30)); open("{{}}", "w").write("x")\''
    place({name: {"cmd": asks.format(size, name), "outs": [name]} for name, size in (("little", 0.1), ("much", 3.5))})
    with pytest.raises(InputError, match=re.escape("much: ") + ".*MemoryError.*exit code 1"):
        cluster.run(workers=2, keep_going=True)  # a share of 1 GiB, beside 2 GiB that libraries set aside
    assert Path("little").exists()


def test_without_room_on_the_disk_a_stage_does_not_begin(place, monkeypatch):
    folder = place(CHAIN)
    cluster.run(workers=1)
    ran(folder)
    folder.joinpath("params.yaml").write_text("factor: 2\nother: 1\n")
    monkeypatch.setattr("rrlib.cluster.workers.ROOM", 10**18)
    message = r"two: [0-9.]+ GB of disk are free, where it needs 1000000000\.0 GB; make room and run again"
    with pytest.raises(InputError, match=message):
        cluster.run(workers=1)
    assert ran(folder) == []
    assert folder.joinpath("b").read_text() == "given\ngiven\n"  # what it made last time stays


def test_what_rests_on_a_failure_is_listed_at_the_end(place):
    place(CHAIN | {"one": CHAIN["one"] | {"cmd": "exit 3"}})
    with pytest.raises(InputError, match=re.escape("(outputs/logs/one.log); not run, as they rest on these: two")):
        cluster.run(workers=1, keep_going=True)


def test_a_run_takes_in_what_its_own_stages_make_anew(place):
    # `whole` rests on the folder of `part`, and on a file in it
    part = {"cmd": "mkdir -p folder; cat given > folder/file", "deps": ["given"], "outs": ["folder"]}
    whole = {"cmd": "cat folder/file > copy", "deps": ["folder", "folder/file"], "outs": ["copy"]}
    folder = place({"part": part, "whole": whole})
    for text in ("given\n", "other\n"):
        folder.joinpath("given").write_text(text)
        assert cluster.run(workers=1) == ["part", "whole"]
        assert folder.joinpath("copy").read_text() == text


def test_dvc_lock_is_written_seldom_and_holds_all_at_the_end(place, monkeypatch):
    from dvc.dvcfile import Lockfile

    written, dump = [], Lockfile.dump_stages
    monkeypatch.setattr(Lockfile, "dump_stages", lambda self, stages: written.append(len(stages)) or dump(self, stages))
    folder = place({f"stage{number}": {"cmd": f"echo > {number}", "outs": [f"{number}"]} for number in range(12)})
    cluster.run(workers=2)
    assert sum(written) == 12
    assert len(written) <= 3
    assert len(yaml.safe_load(folder.joinpath("dvc.lock").read_text())["stages"]) == 12
