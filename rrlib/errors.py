"""The one exception for input that cannot be used, so that the command line can print a sentence, not a traceback."""

from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave cannot be used. The message is one sentence: what was given, what is allowed, what to do."""


def unknown(where: str, name: object, allowed: Iterable[str]) -> InputError:
    """The error for a name that is in no catalogue.

    >>> print(unknown("params.yaml: attacks", "pdg", ["fgsm", "pgd"]))
    params.yaml: attacks.pdg is not known; choose from fgsm, pgd
    """
    return InputError(f"{where}.{name} is not known; choose from {', '.join(allowed)}")
