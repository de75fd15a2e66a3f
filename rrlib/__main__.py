"""The command line, `python -m rrlib …`: what the stages of dvc.yaml run; `commands` has what a person runs by hand."""

import argparse
import os
import re
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rrlib import commands as by_hand
from rrlib import text
from rrlib.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rrlib.study import Study


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
        by_hand.place(options)
        options.run(options)
    except InputError as error:
        print(f"error: {text.terminal(_placed(str(error), options))}", file=sys.stderr)
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


def _placed(told: str, options: argparse.Namespace) -> str:
    """A complaint of params.yaml names the file that it was made from."""
    file = getattr(options, "study", None)
    return re.sub(r"(?<![\w./-])params\.yaml", lambda _: str(file), told) if isinstance(file, Path) else told


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
    by_hand.add(commands)

    dataset = commands.add_parser("dataset", help="prepare one data set")
    dataset.add_argument("dataset")
    by_hand.add_study(dataset)
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
    ):
        command = commands.add_parser(name, help=said)
        command.add_argument("dataset")
        command.add_argument("detector")
        by_hand.add_study(command)
        command.set_defaults(run=run)
        if name == "measure":
            said = "only every N-th batch from the I-th on, for a later `measure` to find"
            command.add_argument("--shard", type=_shard, metavar="I/N", help=said)

    transfer = commands.add_parser("transfer", help="adversarial inputs of each detector as all others see them")
    transfer.add_argument("dataset")
    by_hand.add_study(transfer)
    transfer.set_defaults(run=_transfer)

    results = commands.add_parser("results", help="all result tables of the study in one file for each modality")
    by_hand.add_study(results)
    results.set_defaults(run=_results)

    thresholds = commands.add_parser(
        "thresholds", help="the threshold of each detector, chosen on the validation split"
    )
    by_hand.add_study(thresholds)
    thresholds.set_defaults(run=_thresholds)

    numbers = commands.add_parser("numbers", help="RA, RR and stability for `dvc metrics` and `dvc plots`")
    by_hand.add_study(numbers)
    numbers.set_defaults(run=_numbers)

    card = commands.add_parser("card", help="what is promised of one detector, as YAML; or check such a card")
    card.add_argument("dataset", nargs="?")
    card.add_argument("detector", nargs="?")
    card.add_argument("--epsilon", type=float, metavar="ε", help="the one that params.yaml singles out unless given")
    card.add_argument("--budget", type=float, help="of decided and then flipped inputs, the study's unless given")
    card.add_argument("--confidence", type=float, help="of the promise, the study's unless given")
    by_hand.add_study(card, alone="the cards of all detectors, into outputs/cards; with FILE, of that study")
    card.add_argument("--pdf", type=Path, metavar="FILE", help="write the card with its curves as a PDF, too")
    card.add_argument("--verify", type=Path, metavar="FILE", help="say whether a card was changed since it was written")
    card.set_defaults(run=_card)

    notebook = commands.add_parser("notebook", help="execute one notebook of notebooks/ into outputs/notebooks/")
    notebook.add_argument("name", help="its file name without .ipynb")
    notebook.add_argument("target", type=Path, help="the executed notebook")
    notebook.add_argument("parameters", nargs="*", metavar="KEY=VALUE")
    notebook.set_defaults(run=_notebook)

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


def _dataset(options: argparse.Namespace) -> None:
    from rrlib import study

    study.prepare_dataset(study.load(), options.dataset)


def _checkpoint(options: argparse.Namespace) -> None:
    from rrlib import study

    if found := _asked(options, study.paths.checkpoint_path):
        study.make_checkpoint(found, options.dataset, options.detector)


def _measure(options: argparse.Namespace) -> None:
    from rrlib import study

    if not (found := _asked(options, study.paths.tables_folder)):
        return
    if options.shard:
        study.measure_shard(found, options.dataset, options.detector, options.shard)
    else:
        study.measure(found, options.dataset, options.detector)


def _damage(options: argparse.Namespace) -> None:
    from rrlib import study

    if found := _asked(options, study.paths.damage_path):
        study.make_damage(found, options.dataset, options.detector)


def _asked(options: argparse.Namespace, place: "Callable[[str, str], Path]") -> "Study | None":
    """The study, or None where it leaves the pair out: then what the stage makes at `place` is empty."""
    from rrlib import study

    found, pair = study.load(), (options.dataset, options.detector)
    if not study.is_left_out(found, *pair):
        return found
    study.leave_empty(place(*pair))
    print(f"{'/'.join(pair)} is left out of the study")
    return None


def _transfer(options: argparse.Namespace) -> None:
    from rrlib import study

    study.make_transfer(study.load(), options.dataset)


def _trust(options: argparse.Namespace) -> None:
    from rrlib import study

    if found := _asked(options, study.paths.probe_path):
        study.make_probe(found, options.dataset, options.detector)


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
    from rrlib.report import card_files, cards, pdf

    if options.verify:
        here = study.load() if study.PARAMS.is_file() else None
        print("\n".join(cards.verify(options.verify, here)))
    elif options.dataset and options.detector:
        found, names = study.load(), (options.dataset, options.detector)
        table = study.all_tables_of(found, *names)
        asked = (options.epsilon, options.budget, options.confidence)
        card = card_files.committed(cards.content(found, *names, table, *asked))
        print(card_files.text(card), end="")
        if options.pdf:
            pdf.of_detector(found, *names, card, options.pdf)
    elif options.study:
        for path in cards.write_all(study.load()):
            print(path)
    else:
        raise InputError("no card was asked for; give a data set and a detector, --study, or --verify FILE")


def _pages(options: argparse.Namespace) -> None:
    from rrlib import study
    from rrlib.report import book, notebooks

    if found := _asked(options, study.paths.detector_pages):
        notebooks.execute_all(book.pages_of_detector(found, options.dataset, options.detector))


def _notebook(options: argparse.Namespace) -> None:
    from rrlib.report import notebooks

    pairs = [parameter.partition("=") for parameter in options.parameters]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise InputError(f"{wrong[0]} is no parameter; write KEY=VALUE")
    notebooks.execute(options.name, options.target, {key: value for key, _, value in pairs})


def _book(options: argparse.Namespace) -> None:
    from rrlib.report import book

    print(f"the book: {os.path.relpath(book.build(options.target))}")


if __name__ == "__main__":
    sys.exit(main())
