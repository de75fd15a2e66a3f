"""Two more machines, played by network namespaces: a tiny study, whose tables and pages must end as those of this one.

    python benchmarks/hosts.py [shared] [apart] [slow] [cut] [older]      # as root; Linux with ip and tc

shared: both stand in the folder of the run. apart: each has a copy, and where the folder of the run lies it sees an
empty one. slow: apart, and the second host's line lets 4 Mbit/s pass, its processor time is the last that anybody gets.
cut: apart, and the second host's cable is cut while a detector is measured. older: apart, and the second host computes
as an older processor, whose sums are rounded otherwise; here tables cannot be equal, and how far they are is printed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from chaos import Run, copied, differing, ended, hashes, log, start, wipe
from small import FEW, change

WAYS = ("shared", "apart", "slow", "cut", "older")
BRIDGE, NETWORK, PORT = "rrlib-bench", "10.203.77", 8786
HOSTS = ("rrlib-host1", "rrlib-host2")
LOST_AFTER = "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=15s"
OLDER = ("ATEN_CPU_CAPABILITY=default", "DNNL_MAX_CPU_ISA=SSE41")
DASK = (sys.executable, "-m", "dask")
SLOW = ("tbf", "rate", "4mbit", "burst", "32kb", "latency", "400ms")
GIVEN = "data/checkpoints"  # so that every way measures the same networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", default=[], metavar="WAY", help=f"of {', '.join(WAYS)}; all unless given")
    ways = parser.parse_args().ways or WAYS
    if unknown := set(ways) - set(WAYS):
        parser.error(f"{min(unknown)} is no way; choose from {', '.join(WAYS)}")
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder, network():
        place = copied(Path(folder, "run"), video={"datasets": {}, "detectors": {}, "attacks": {}})
        change(place, detectors=FEW["detectors"])  # two, so that both hosts measure one
        ended(start(place, run("--workers", "1")), place)
        shutil.copytree(place / "outputs/checkpoints", place / GIVEN, dirs_exist_ok=True)
        wipe(place)
        begun = time.monotonic()
        ended(start(place, run("--workers", "1")), place)
        usual, expected, probabilities = time.monotonic() - begun, hashes(place), attacked(place)
        print(f"this machine alone: {len(expected)} files in {usual:.0f} s", flush=True)
        for way in ways:
            wipe(place)
            begun = time.monotonic()
            with hosts(place, way) as address:
                where = run("--scheduler", address, *(["--apart"] if way != "shared" else []))
                began = start(place, where)
                if way == "cut":
                    wait_for(place, "checkpoint", len(FEW["detectors"]), began)
                    time.sleep(1)
                    ip("link", "set", HOSTS[1], "down")
                ended(began, place)
            seconds, other = time.monotonic() - begun, differing(hashes(place), expected)
            print(f"{way}: {len(other)} of {len(expected)} files differ, after {seconds:.0f} s", flush=True)
            if way == "older":
                moved = (attacked(place) - probabilities).abs().max()
                print(f"  probabilities by {moved:.1e} at most", flush=True)
            else:
                print(*(f"  {name} differs" for name in other), sep="\n", flush=True)


def run(*options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "rrlib", "run", *options)


def attacked(place: Path) -> pd.Series:
    """The attacked probabilities of all tables."""
    tables = [pd.read_parquet(path) for path in sorted(place.glob("outputs/tables/**/*.parquet"))]
    return pd.concat(tables).set_index(["detector", "attack", "epsilon", "sample"])["p_attacked"].sort_index()


def ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True)


def line(host: str, what: str, *how: str) -> None:
    """Change how both ends of a host's cable send."""
    for end in (("tc", "qdisc", what, "dev", host), ("ip", "netns", "exec", host, "tc", "qdisc", what, "dev", "eth0")):
        subprocess.run((*end, "root", *how), check=what == "add", stderr=subprocess.DEVNULL)


@contextmanager
def network() -> Iterator[None]:
    """A bridge here, and each host in a namespace of its own with a cable to it."""
    gone()
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, host in enumerate(HOSTS, start=2):
            ip("netns", "add", host)
            ip("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("link", "set", host, "master", BRIDGE, "up")
            ip("-netns", host, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                ip("-netns", host, "link", "set", link, "up")
        yield
    finally:
        gone()


def gone() -> None:
    for words in (("link", "delete", BRIDGE), *(("netns", "delete", host) for host in HOSTS)):
        subprocess.run(("ip", *words), check=False, stderr=subprocess.DEVNULL)


@contextmanager
def hosts(place: Path, way: str) -> Iterator[str]:
    """A scheduler here and a worker on each host; the scheduler's address. Afterwards all lines are as they were."""
    address = f"tcp://{NETWORK}.1:{PORT}"
    processes = [
        subprocess.Popen(
            ("env", LOST_AFTER, *DASK, "scheduler", "--host", f"{NETWORK}.1", "--port", str(PORT), "--no-dashboard"),
            stderr=subprocess.DEVNULL,
        )
    ]
    try:
        for number, host in enumerate(HOSTS):
            last, stands = number == len(HOSTS) - 1, place
            hide = "true"
            if way != "shared":
                stands, hide = place.with_name(host), f"mount -t tmpfs none {place}"
                shutil.rmtree(stands, ignore_errors=True)
                shutil.copytree(place, stands, ignore=shutil.ignore_patterns("outputs", "cache", "tmp"))
            worker = (*DASK, "worker", address, "--nthreads", "1", "--no-dashboard", "--name", str(number))
            settings = OLDER if way == "older" and last else ()
            lowest = ("nice", "-n", "19") if way == "slow" and last else ()
            if way == "slow" and last:
                line(host, "add", *SLOW)
            # what is mounted here, `ip netns exec` shows to this host alone
            begin = (*lowest, "env", *settings, *worker)
            command = ("sh", "-c", f'{hide} && cd "$0" && exec "$@"', str(stands), *begin)
            processes.append(subprocess.Popen(("ip", "netns", "exec", host, *command), stderr=subprocess.DEVNULL))
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        line(HOSTS[1], "delete")
        ip("link", "set", HOSTS[1], "up")


def wait_for(place: Path, stages: str, count: int, began: Run) -> None:
    """Until so many stages whose names begin so are done."""
    while began.poll() is None and log(place).read_text(errors="replace").count(f"stages, {stages}") < count:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
