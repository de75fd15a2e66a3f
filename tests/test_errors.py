"""Facts about the door for exceptions of other libraries: all of them become a sentence, and only they."""

import struct

import pytest

from rrlib.errors import LONGEST, MOST_SAID, InputError, parsing


class PanicException(BaseException):  # as PyO3's, which is no Exception either
    pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad\n  header"), "f.bin is not a model (bad header); fetch it again"),
        (struct.error("unpack requires 4 bytes"), "f.bin is not a model (unpack requires 4 bytes); fetch it again"),
        (KeyError("weights"), "f.bin is not a model (KeyError 'weights'); fetch it again"),
        (
            IndexError("list index out of range"),
            "f.bin is not a model (IndexError list index out of range); fetch it again",
        ),
        (AssertionError(), "f.bin is not a model (AssertionError); fetch it again"),
        (RecursionError("maximum"), "f.bin is not a model (it is nested too deeply); fetch it again"),
        (MemoryError(), "f.bin is not a model (it asks for more memory than there is); fetch it again"),
        (PanicException("index out of bounds"), "f.bin is not a model (index out of bounds); fetch it again"),
        (OSError("not a gzip file"), "f.bin is not a model (not a gzip file); fetch it again"),
        (PermissionError(13, "Permission denied"), "f.bin cannot be read (Permission denied); fetch it again"),
        (ValueError("x" * 5000), f"f.bin is not a model ({'x' * LONGEST}…); fetch it again"),
        (InputError("f.bin is too long"), "f.bin is too long"),
    ],
)
def test_whatever_a_parser_raises_is_one_sentence(error, said):
    with pytest.raises(InputError) as caught, parsing("f.bin", "a model", "fetch it again"):
        raise error
    assert str(caught.value) == said
    assert isinstance(error, InputError) or caught.value.__cause__ is error  # whoever looks for the reason finds it


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_who_ends_the_program_is_no_parser(error):
    with pytest.raises(error), parsing("f.bin", "a model", "fetch it again"):
        raise error


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a.csv: the label é\u0301 is 2", "a.csv: the label é\u0301 is 2"),
        ("a.csv: the label\r\nis \x1b[31mred\0", r"a.csv: the label\r\nis \x1b[31mred\x00"),
        ("a.csv: \u2028 and \ud800 are none", r"a.csv: \u2028 and \ud800 are none"),
    ],
)
def test_a_message_is_one_line_that_can_be_printed_whatever_a_file_holds(given, said):
    assert str(InputError(given)) == str(InputError(said)) == said


@pytest.mark.parametrize("letter", ["7", "\0"])
def test_a_long_message_keeps_the_file_and_what_to_do(letter):
    said = str(InputError(f"a.csv: the label is {letter * 100_000}; it is 0 or 1, correct it"))
    assert len(said) <= MOST_SAID
    assert said.startswith("a.csv: the label is ")
    assert said.endswith("; it is 0 or 1, correct it")
    assert str(InputError(said)) == said
