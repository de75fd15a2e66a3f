"""The wall time of known small graphs, and laws of list scheduling that every graph keeps."""

import random

import pytest

from rrlib.__main__ import main
from rrlib.plan.workers import of_study, wall_time

DIAMOND = ({"a": 2, "b": 3, "c": 4, "d": 1}, {"b": ["a"], "c": ["a"], "d": ["b", "c"]})
CHAIN = ({"a": 2, "b": 3, "c": 4}, {"b": ["a"], "c": ["b"]})


@pytest.mark.parametrize(
    ("graph", "workers", "expected"),
    [
        (CHAIN, 1, 9),
        (CHAIN, 64, 9),
        (DIAMOND, 1, 10),
        (DIAMOND, 2, 7),
        (DIAMOND, 64, 7),
        (({str(number): 8 for number in range(16)}, {}), 1, 128),
        (({str(number): 8 for number in range(16)}, {}), 4, 32),
        (({str(number): 8 for number in range(16)}, {}), 5, 32),
        (({str(number): 8 for number in range(17)}, {}), 4, 40),
        (({"short": 1, "other": 1, "third": 1, "long": 3}, {}), 2, 3),  # the longest begins first
        # what much waits for begins first: a then b, beside two that nobody waits for
        (({"a": 1, "b": 5, "x": 3, "y": 3}, {"b": ["a"]}), 2, 6),
        (({}, {}), 2, 0),
    ],
)
def test_a_known_graph(graph, workers, expected):
    assert wall_time(*graph, workers) == expected


@pytest.mark.parametrize("seed", range(20))
def test_between_the_bounds_of_graham(seed):
    rng = random.Random(seed)
    seconds = {str(job): rng.uniform(0.1, 5) for job in range(40)}
    needs = {str(job): [str(other) for other in range(job) if rng.random() < 0.05] for job in range(40)}
    work, chain = sum(seconds.values()), wall_time(seconds, needs, 40)
    assert wall_time(seconds, needs, 1) == pytest.approx(work)
    for workers in (2, 3, 8):
        wall = wall_time(seconds, needs, workers)
        assert max(chain, work / workers) - 1e-9 <= wall <= work / workers + chain * (1 - 1 / workers) + 1e-9


def test_shards_keep_busy_what_one_detector_would_leave_idle():
    costs = {("faces", "large"): (0.0, 800.0), ("faces", "small"): (20.0, None)}
    assert of_study(costs, 1) == of_study(costs, 1, shards=8) == 820
    assert of_study(costs, 8) == 800
    # a small one trains on one of eight; the other seven take a shard each, and whoever is free first the eighth
    assert of_study(costs, 8, shards=8) == 120


def test_the_plan_tells_the_wall_time_of_as_many_workers_as_are_asked_for(write, some_faces, capsys):
    nothing = {"datasets": {}, "detectors": {}, "attacks": {}}
    faces = {"faces": {"kind": "folder", "source": "own", "seed": 0}}
    entry = {"architecture": "resnet", "input_size": 32, "training": {"epochs": 500}}
    file = write(sources={}, datasets=faces, detectors={f"d{number}": entry for number in range(4)}, video=nothing)
    assert main(["plan", str(file), "--workers", "1", "2", "4"]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("  as it is, workers 1: "))
    assert ", 2.0 times faster; 4: " in line
    assert line.endswith(", 4.0 times faster")
    assert main(["plan", str(file), "--workers", "0"]) == 1
    assert "error: --workers 0 is too few; give 1 or more, or leave it out" in capsys.readouterr().err
