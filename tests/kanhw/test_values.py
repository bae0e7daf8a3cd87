"""What counts as an integer and as a number."""

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.values import brief, is_integer, is_number, plain, shown


@pytest.mark.parametrize("value", [0, -3, 2**70])
def test_integers(value):
    assert is_integer(value)
    assert is_number(value)


def test_floats_are_numbers():
    assert is_number(0.5)
    assert is_number(np.float64(2))
    assert not is_integer(2.0)


@pytest.mark.parametrize("value", [True, False, None, "3", np.int64(3)])
def test_neither(value):
    assert not is_integer(value)
    assert not is_number(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(6), 6),
        (np.uint8(6), 6),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([6, 4]), (6, 4)),
        ([np.int32(6), 4], [6, 4]),
        ("6", "6"),
        (None, None),
    ],
)
def test_numbers_of_numpy_become_pythons(value, expected):
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)
    assert not isinstance(found, tuple) or {type(entry) for entry in found} == {int}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros((2, 3)), "a numpy.ndarray of shape [2, 3]"),
        (np.int64(3), "3"),
        ("six", "'six'"),
        ((6, 4), "(6, 4)"),
        ({"a": np.zeros(3)}, "a dict of 1"),
        ([np.zeros(3)], "a list of 1"),
        ("x" * 100, "'" + "x" * 56 + "..."),
    ],
)
def test_messages_quote_no_arrays(value, expected):
    assert brief(value) == expected


def test_what_a_message_shows_is_printable_and_short():
    assert shown("schön\n1") == "schön\n1"
    assert shown("\x1b[31m\r\x00\udcff\u202e") == r"\x1b[31m\r\x00\udcff\u202e"
    text = shown("a" * 10**6 + "cure")
    assert len(text) < 2100 and text.endswith("cure") and " ... " in text
    assert str(InputError("a\x1b")) == r"a\x1b"


def test_integers_that_python_does_not_write_out():
    assert brief(10**5000) == "an integer of 16610 bits"
