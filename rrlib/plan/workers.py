"""The wall time of a study on several workers, simulated on paper: list scheduling of what it costs, stage by stage."""

import heapq
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter

Costs = Mapping[tuple[str, str], tuple[float | None, float | None]]


def wall_time(seconds: Mapping[str, float], needs: Mapping[str, Collection[str]], workers: int) -> float:
    """The time until all jobs are done: whenever a worker is free, it takes the job with the most that waits for it.

    seconds: of each job. needs: the jobs that have to be done before a job begins. That is list scheduling (Graham,
    Bounds on multiprocessing timing anomalies, 1969) by the longest way to the end. It is never below the larger of the
    longest chain and work / workers, and never above their sum.

    >>> wall_time({"a": 2, "b": 3, "c": 4, "d": 1}, {"b": ["a"], "c": ["a"], "d": ["b", "c"]}, 2)
    7.0
    """
    waits = {job: set(needs.get(job, ())) for job in seconds}
    followers: dict[str, list[str]] = {job: [] for job in seconds}
    for job, needed in waits.items():
        for other in needed:
            followers[other].append(job)
    to_the_end: dict[str, float] = {}
    for job in TopologicalSorter(followers).static_order():
        to_the_end[job] = seconds[job] + max((to_the_end[other] for other in followers[job]), default=0.0)
    ready = [(-to_the_end[job], job) for job, needed in waits.items() if not needed]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            _, job = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[job], job))
        now, done = heapq.heappop(running)
        for job in followers[done]:
            waits[job].discard(done)
            if not waits[job]:
                heapq.heappush(ready, (-to_the_end[job], job))
    return now


def of_study(costs: Costs, workers: int, shards: int = 1) -> float:
    """The wall time of checkpoints and measurements, each pair's (training, measuring) in seconds; None counts nothing.

    Each pair is measured in so many shards of the same size, once its checkpoint is there.

    >>> of_study({("faces", "resnet"): (10.0, 80.0)}, workers=8, shards=8)
    20.0
    """
    seconds: dict[str, float] = {}
    needs: dict[str, list[str]] = {}
    for pair, (training, measuring) in costs.items():
        checkpoint = f"checkpoint@{'/'.join(pair)}"
        seconds[checkpoint] = training or 0.0
        for shard in range(shards):
            measure = f"measure@{'/'.join(pair)}/{shard}"
            seconds[measure], needs[measure] = (measuring or 0.0) / shards, [checkpoint]
    return wall_time(seconds, needs, workers)
