"""The study brought up to date: what is stale is DVC's word, what runs it are Dask's workers."""

from rrlib.pipeline import Pipeline, confirm


def run(
    workers: int | None = None,
    scheduler: str | None = None,
    keep_going: bool = False,
    shards: int = 1,
    time_limit: float | None = None,
    apart: bool = False,
) -> list[str]:
    """Bring the study up to date as `dvc repro` does, several stages at a time; the names of those that ran.

    workers: commands at a time on this machine; left out, one for each GPU, or one for each processor that has memory
    for it. scheduler: the address of a running Dask scheduler, to use its workers instead; they stand in this folder,
    on a disk that they share with this process, or `apart`, in copies of their own of the same commit: what a stage
    needs and makes is then sent. keep_going: after a failure go on with what does not rest on it.
    shards: in how many parts each detector is measured, so that one detector can keep several workers busy.
    time_limit: seconds after which a command is ended, which is a failure; what it had finished is kept.

    Raises InputError when a command failed, with the end of what it printed and where the rest is.
    """
    with Pipeline() as pipeline:
        stale = [name for name in pipeline.stages if pipeline.stale(name)]
        if not stale:
            return []
        from rrlib.cluster import workers as dask_workers  # here: where nothing is stale, nobody waits for Dask

        ran = dask_workers.run_stale(pipeline, stale, workers, scheduler, keep_going, shards, time_limit, apart)
    return ran + confirm()
