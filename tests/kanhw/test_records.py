"""Records of kinds: what a table lacks is an error that names it."""

import pytest

from kanhw import InputError
from kanhw.records import record_of


def test_the_record_of_a_kind():
    assert record_of({"a": 1, "b": 2}, "b", "cost of layers", "some.table") == 2


def test_a_missing_kind_is_named_with_those_that_there_are():
    with pytest.raises(InputError, match=r"^There is no cost of layers of kind 'c', only of a, b:"):
        record_of({"a": 1, "b": 2}, "c", "cost of layers", "some.table")
