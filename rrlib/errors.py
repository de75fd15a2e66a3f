"""The one exception for input that cannot be used, so that the command line can print a sentence, not a traceback."""

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST = 300  # characters of another library's words; some print what they read
MOST_SAID = 1500  # characters of a message; files of others hold names and values of any length
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, separators of lines and paragraphs


class InputError(ValueError):
    """What the user gave cannot be used. The message is one sentence: what was given, what is allowed, what to do.

    What a file of others holds may stand in it: it stays one line that can be printed, and is cut in its middle where
    it is long, since its beginning names the file and its end says what to do.

    >>> print(InputError("a.csv: the label is 2\\r\\n; correct it"))
    a.csv: the label is 2\\r\\n; correct it
    """

    def __init__(self, message: str):
        super().__init__(_one_line(message))


def unknown(where: str, name: object, allowed: Iterable[str]) -> InputError:
    """The error for a name that is in no catalogue.

    >>> print(unknown("params.yaml: attacks", "pdg", ["fgsm", "pgd"]))
    params.yaml: attacks.pdg is not known; choose from fgsm, pgd
    """
    return InputError(f"{where}.{name} is not known; choose from {', '.join(allowed)}")


@contextmanager
def parsing(path: Path | str, what: str, advice: str) -> Iterator[None]:
    """Whatever another library raises while it reads a file becomes one InputError that names the file.

    A parser that meets a damaged or hostile file may raise anything: RecursionError, struct.error, IndexError, a panic
    of Rust. So only its call belongs inside; our own code stays outside, where a mistake of ours keeps its traceback.
    An InputError, such as that of a bound on what is read, goes through as it is. `what` says what the file should have
    been, `advice` what to do.

    >>> import json
    >>> with parsing("config.json", "valid JSON", "fetch it again"):
    ...     json.loads("[" * 100_000)
    Traceback (most recent call last):
    rrlib.errors.InputError: config.json is not valid JSON (it is nested too deeply); fetch it again
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        # PyO3 derives its panics from BaseException, as KeyboardInterrupt and SystemExit are, which are no complaint
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"{path} cannot be read ({error.strerror or error}); {advice}") from error
        raise InputError(f"{path} is not {what} ({_reason(error)}); {advice}") from error


def is_one_line(text: str) -> bool:
    """Whether a text can be printed, and ends no line.

    >>> is_one_line("é.png"), is_one_line("a\\r.png")
    (True, False)
    """
    return text.isprintable() or not any(unicodedata.category(letter) in UNPRINTABLE for letter in text)


def _one_line(message: str) -> str:
    message = _cut(message)
    if is_one_line(message):
        return message
    # escaped, it is longer
    return _cut(
        "".join(
            letter.encode("unicode_escape").decode() if unicodedata.category(letter) in UNPRINTABLE else letter
            for letter in message
        )
    )


def _cut(message: str) -> str:
    if len(message) <= MOST_SAID:
        return message
    return f"{message[: 2 * MOST_SAID // 3]} … {message[3 - MOST_SAID // 3 :]}"


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    said = " ".join(str(error).split())
    if len(said) > LONGEST:
        said = f"{said[:LONGEST]}…"
    # the text of a KeyError or IndexError alone says nothing
    return said if said and not isinstance(error, LookupError) else f"{type(error).__name__} {said}".strip()
