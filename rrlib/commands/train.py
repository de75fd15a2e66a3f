"""`train`: one detector trained anew, beside the given one."""

import argparse

from rrlib.commands.options import add_study


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Tell the command line of what stands here."""
    command = commands.add_parser("train", help="train one detector anew, and say how far it is from the given one")
    command.add_argument("dataset")
    command.add_argument("detector")
    add_study(command)
    command.set_defaults(run=_train)


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
