"""The command line, `python -m rrlib …`: what the stages of dvc.yaml run, and what a person may run by hand."""

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rrlib import text
from rrlib.errors import InputError

if TYPE_CHECKING:
    from rrlib import study


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 when the input cannot be used, 130 when it was interrupted."""
    options = _parser().parse_args(arguments)
    # As in the Makefile: the first is read when torch is loaded, the others when a process, here a kernel, begins.
    for name, value in (
        ("OMP_WAIT_POLICY", "PASSIVE"),
        ("MALLOC_MMAP_MAX_", "0"),
        ("MALLOC_TRIM_THRESHOLD_", "4000000000"),
    ):
        os.environ.setdefault(name, value)
    end_with_dvc()
    try:
        options.run(options)
    except InputError as error:
        print(f"error: {text.terminal(error)}", file=sys.stderr)
        return 1
    except SystemExit as error:
        if type(error) is not SystemExit:  # asked for by a signal
            raise
        print(f"error: {text.terminal(_ended(error))}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who reads has seen enough, as `head` has; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        told = f"{error.filename or 'a file'}: {error.strerror or error}; free it and run again"
        print(f"error: {text.terminal(told)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was finished is kept; run it again to go on", file=sys.stderr)
        return 130
    return 0


def end_with_dvc() -> None:
    """Let a stage end when the `dvc repro` that runs it was killed, within about two seconds (Linux).

    DVC runs a command through a shell, which lives on when DVC alone is killed: what ran would go on unseen beside the
    next `dvc repro`. SIGTERM ends it as Ctrl-C does, with its kernels.
    """
    if "DVC_STAGE" not in os.environ or sys.platform != "linux":
        return
    family = [(os.getpid(), os.getppid())]
    with suppress(OSError):
        if Path(f"/proc/{os.getppid()}/comm").read_text().strip() in ("sh", "dash", "bash", "zsh"):
            family.append((os.getppid(), _parent_of(os.getppid())))

    def watch() -> None:
        while all(_parent_of(child) == parent for child, parent in family):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _parent_of(process: int) -> int:
    """The process that a process belongs to; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _ended(error: SystemExit) -> str:
    """Where a module of one's own ended this process, which would otherwise look like a good end."""
    *_, last = traceback.extract_tb(error.__traceback__)
    where = f"{os.path.relpath(last.filename)}, line {last.lineno},"
    return f"{where} ended the process with sys.exit({error.code!r}); let it raise an error instead, or leave it out"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rrlib", description="Robustness of deepfake detectors")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check", help="check params.yaml and the weights that it names, and say what it asks for"
    )
    check.set_defaults(run=_check)

    whole = commands.add_parser("run", help="all that `make` does: check, run what is stale side by side, verify")
    whole.add_argument("--workers", type=int, metavar="N", help="stages at a time; as many as processors unless given")
    whole.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler, to use its workers instead")
    whole.add_argument("--keep-going", action="store_true", help="after a failure, go on with what does not rest on it")
    whole.add_argument(
        "--shards", type=int, default=1, metavar="N", help="parts in which each detector is measured (1)"
    )
    whole.set_defaults(run=_run)

    plan = commands.add_parser("plan", help="say what a study lacks, how to get it, and what its run would cost")
    plan.add_argument("file", type=Path, nargs="?", default=Path("params.yaml"), help="params.yaml unless given")
    plan.add_argument("--write", type=Path, metavar="FILE", help="write the part that can run, such as to params.yaml")
    plan.add_argument("--offline", action="store_true", help="leave out what would have to be fetched, too")
    plan.set_defaults(run=_plan)

    dataset = commands.add_parser("dataset", help="prepare one data set")
    dataset.add_argument("dataset")
    dataset.set_defaults(run=_dataset)

    for name, run, said in (
        ("checkpoint", _checkpoint, "take the given checkpoint or weights of one detector, or train it"),
        ("measure", _measure, "measure one detector on one data set under all attacks, as far as that is not done"),
        (
            "damage",
            _damage,
            "look at one detector on one data set under ordinary damage: JPEG, blur, noise and the like",
        ),
        ("trust", _trust, "a few more looks at one detector, to tell whether the attacks on it can be trusted"),
        ("pages", _pages, "the pages of one detector on one data set: how it was made, and each attack"),
        ("train", _train, "train one detector anew, and say how far it is from the given one"),
    ):
        command = commands.add_parser(name, help=said)
        command.add_argument("dataset")
        command.add_argument("detector")
        command.set_defaults(run=run)
        if name == "measure":
            said = "only every N-th batch from the I-th on, for a later `measure` to find"
            command.add_argument("--shard", type=_shard, metavar="I/N", help=said)

    transfer = commands.add_parser("transfer", help="adversarial inputs of each detector as all others see them")
    transfer.add_argument("dataset")
    transfer.set_defaults(run=_transfer)

    results = commands.add_parser("results", help="all result tables of the study in one file for each modality")
    results.set_defaults(run=_results)

    thresholds = commands.add_parser(
        "thresholds", help="the threshold of each detector, chosen on the validation split"
    )
    thresholds.set_defaults(run=_thresholds)

    numbers = commands.add_parser("numbers", help="RA, RR and stability for `dvc metrics` and `dvc plots`")
    numbers.set_defaults(run=_numbers)

    card = commands.add_parser("card", help="what is promised of one detector, as YAML; or check such a card")
    card.add_argument("dataset", nargs="?")
    card.add_argument("detector", nargs="?")
    card.add_argument("--epsilon", type=float, metavar="ε", help="the one that params.yaml singles out unless given")
    card.add_argument("--budget", type=float, default=0.05, help="of decided and then flipped inputs (0.05)")
    card.add_argument("--confidence", type=float, default=0.95, help="of the promise (0.95)")
    card.add_argument("--study", action="store_true", help="the cards of all detectors, into outputs/cards")
    card.add_argument("--verify", type=Path, metavar="FILE", help="say whether a card was changed since it was written")
    card.set_defaults(run=_card)

    notebook = commands.add_parser("notebook", help="execute one notebook of notebooks/ into outputs/notebooks/")
    notebook.add_argument("name", help="its file name without .ipynb")
    notebook.add_argument("target", type=Path, help="the executed notebook")
    notebook.add_argument("parameters", nargs="*", metavar="KEY=VALUE")
    notebook.set_defaults(run=_notebook)

    fetch = commands.add_parser("fetch", help="bring a data set or checkpoint of data/catalogue.yaml here, checked")
    fetched = fetch.add_mutually_exclusive_group(required=True)
    fetched.add_argument("name", nargs="?", help="`python -m rrlib sources` lists them")
    fetched.add_argument("--study", action="store_true", help="all that params.yaml lists under sources, as it says")
    fetch.add_argument("--to", type=Path, metavar="FOLDER", help="outputs/sources/NAME unless given")
    fetch.add_argument("--trust-first-use", action="store_true", help="take a file or revision that is not pinned yet")
    fetch.set_defaults(run=_fetch)

    sources = commands.add_parser("sources", help="list what fetch can bring, as a Markdown table")
    sources.set_defaults(run=_sources)
    for command in (fetch, sources):
        command.add_argument(
            "--catalogue", type=Path, action="append", default=[], metavar="PATH", help="a file that changes entries"
        )

    record = commands.add_parser("record", help="write the present results to data/, to compare later runs with")
    record.set_defaults(run=_record)

    verify = commands.add_parser("verify", help="compare the present results with the recorded ones")
    verify.set_defaults(run=_verify)

    book = commands.add_parser("book", help="build the book from the executed notebooks")
    book.add_argument("target", type=Path, help="the folder for its pages")
    book.set_defaults(run=_book)
    return parser


def _shard(value: str) -> tuple[int, int]:
    """2/3 as (2, 3)."""
    which, _, count = value.partition("/")
    if not (which.isdigit() and count.isdigit() and 1 <= int(which) <= int(count)):
        raise argparse.ArgumentTypeError(f"{value} is no shard; write I/N with 1 ≤ I ≤ N, such as 2/3")
    return int(which), int(count)


# Each command imports what it needs: `--help` and `check` should not wait for papermill and Sphinx.


def _check(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.sources import OUTPUTS, is_here

    if changed := study.settle_git():
        print(changed)
    found = study.load()
    study.check_inputs(found)
    for left in study.tidy(found):
        print(f"removed {left}, which this study does not have")
    study.adopt(found)
    for source in found.sources.values():
        if not is_here(source, OUTPUTS / source.name):
            comes = source.files or source.hub or source.folder
            said = "will be fetched" if comes else f"is not here and nothing fetches it: ask at {source.page}"
            print(text.terminal(f"params.yaml: sources: {source.name} ({source.title}) {said}"))
    for said in _doubts(found):
        print(f"warning: {text.terminal(said)}", file=sys.stderr)
    for name, half in (("images", found.image), ("video", found.video)):
        print(
            f"params.yaml: {name}: {len(half.datasets)} data set(s) × {len(half.detectors)} detector(s) × "
            f"{len(half.attacks)} attack(s) = {len(half.cells())} cells at {len(found.epsilons)} epsilons"
        )


def _run(options: argparse.Namespace) -> None:
    from rrlib import cluster

    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers} is too few; give 1 or more, or leave it out")
    if options.shards < 1:
        raise InputError(f"--shards {options.shards} is too few; give 1 or more, or leave it out")
    _check(options)
    cluster.run(options.workers, options.scheduler, options.keep_going, options.shards)
    _verify(options)
    print(f"the book: {Path('outputs/book/index.html').resolve()}")


def _doubts(found: "study.Study") -> Iterable[str]:
    """What the tables that are there say against detectors that were not trained here."""
    if all(entry.training for entry in found.detectors.values()):
        return ()  # the usual case need not wait for what follows
    from rrlib.report import swapped

    return swapped.doubts(found)


def _plan(options: argparse.Namespace) -> None:
    from rrlib import plan

    made = plan.make(options.file, options.offline)
    for line in plan.lines(made):
        print(line, flush=True)
    if options.write:
        out = plan.write(made.study, made.file, made.missing, options.write)
        print(f"{options.write}: written, {len(out)} thing(s) left out" if out else f"{options.write}: written")


def _dataset(options: argparse.Namespace) -> None:
    from rrlib import study

    study.prepare_dataset(study.load(), options.dataset)


def _checkpoint(options: argparse.Namespace) -> None:
    from rrlib import study

    study.make_checkpoint(study.load(), options.dataset, options.detector)


def _measure(options: argparse.Namespace) -> None:
    from rrlib import study

    if options.shard:
        study.measure_shard(study.load(), options.dataset, options.detector, options.shard)
    else:
        study.measure(study.load(), options.dataset, options.detector)


def _damage(options: argparse.Namespace) -> None:
    from rrlib import study

    study.make_damage(study.load(), options.dataset, options.detector)


def _transfer(options: argparse.Namespace) -> None:
    from rrlib import study

    study.make_transfer(study.load(), options.dataset)


def _trust(options: argparse.Namespace) -> None:
    from rrlib import study

    study.make_probe(study.load(), options.dataset, options.detector)


def _train(options: argparse.Namespace) -> None:
    from rrlib import study

    target = study.paths.trained_path(options.dataset, options.detector)
    metadata = study.train(study.load(), options.dataset, options.detector, target)
    print(f"{target}: epoch {metadata['report']['best_epoch']} of {len(metadata['report']['history'])}")
    if apart := metadata.get("against_given"):
        print(
            f"beside the given checkpoint, on the validation split: P(fake) differs by {apart['mean']:.3f} on average "
            f"and {apart['largest']:.3f} at most; {apart['same_labels']:.3f} of the labels agree"
        )


def _results(options: argparse.Namespace) -> None:
    from rrlib import study

    for line in study.write_results(study.load()):
        print(line)


def _thresholds(options: argparse.Namespace) -> None:
    from rrlib import study

    for line in study.write_thresholds(study.load()):
        print(line)


def _numbers(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import numbers

    for path in numbers.write(study.load()):
        print(path)


def _card(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import card_files, cards

    if options.verify:
        here = study.load() if study.PARAMS.is_file() else None
        print("\n".join(cards.verify(options.verify, here)))
    elif options.study:
        for path in cards.write_all(study.load()):
            print(path)
    elif options.dataset and options.detector:
        found, names = study.load(), (options.dataset, options.detector)
        table = study.all_tables_of(found, *names)
        asked = (options.epsilon, options.budget, options.confidence)
        print(card_files.text(card_files.committed(cards.content(found, *names, table, *asked))), end="")
    else:
        raise InputError("no card was asked for; give a data set and a detector, --study, or --verify FILE")


def _pages(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import book, notebooks

    notebooks.execute_all(book.pages_of_detector(study.load(), options.dataset, options.detector))


def _notebook(options: argparse.Namespace) -> None:
    from rrlib.report import notebooks

    pairs = [parameter.partition("=") for parameter in options.parameters]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise InputError(f"{wrong[0]} is no parameter; write KEY=VALUE")
    notebooks.execute(options.name, options.target, {key: value for key, _, value in pairs})


def _fetch(options: argparse.Namespace) -> None:
    if options.study:
        _fetch_study(options)
        return
    from rrlib.sources import catalogue, fetch

    source = catalogue.find(catalogue.read(overrides=options.catalogue), options.name)
    for line in fetch.fetch(source, options.to or fetch.OUTPUTS / source.name, options.trust_first_use):
        print(line)


def _fetch_study(options: argparse.Namespace) -> None:
    from rrlib import study

    if options.to or options.catalogue or options.trust_first_use:
        raise InputError("--study goes by params.yaml alone; change the entry under its sources, or fetch by name")
    for line in study.fetch_sources(study.load()):
        print(line, flush=True)


def _sources(options: argparse.Namespace) -> None:
    from rrlib.sources import catalogue, table

    print(table.markdown(catalogue.read(overrides=options.catalogue).values()), end="")


def _record(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import record

    for line in record.record(study.load()):
        print(line)


def _verify(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import record

    print(record.verify(study.load()))


def _book(options: argparse.Namespace) -> None:
    from rrlib.report import book

    print(f"the book: {os.path.relpath(book.build(options.target))}")


if __name__ == "__main__":
    sys.exit(main())
