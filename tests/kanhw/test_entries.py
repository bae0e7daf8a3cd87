"""JSON from outside, entry by entry."""

import json

import pytest

from kanhw.entries import Entry, parse_json, read_json_object, typed
from kanhw.errors import InputError

GOOD = {
    "text": "a",
    "number": 2,
    "integer": 3,
    "boolean": True,
    "list": [1],
    "integers": [1, 2],
    "numbers": [1, 2.5],
    "texts": ["a"],
    "counts": {"a": 1},
    "child": {"inner": 1},
}
KINDS = [name for name in GOOD if name != "child"]


def test_every_kind():
    entry = Entry(GOOD, "here")
    found = {kind: getattr(entry, kind)(kind) for kind in KINDS}
    expected = {"integers": (1, 2), "numbers": (1.0, 2.5), "texts": ("a",)}
    assert found == {**{kind: GOOD[kind] for kind in KINDS}, **expected}
    with pytest.raises(InputError, match=r"\Ahere has no 'child': is the name right\?\Z"):
        entry.finish()
    assert entry.child("child").integer("inner") == 1
    entry.finish()


@pytest.mark.parametrize("kind", [*KINDS, "child"])
@pytest.mark.parametrize("value", [None, "false", True, 1.5, [None], {"a": None}, [[]]])
def test_wrong_types_are_told_with_their_place(kind, value):
    entry = Entry({kind: value}, "here")
    fits = {
        "text": isinstance(value, str),
        "number": value == 1.5,
        "boolean": value is True,
        "list": isinstance(value, list),
        "child": isinstance(value, dict),
    }
    if fits.get(kind):
        getattr(entry, kind)(kind)
        return
    with pytest.raises(InputError, match=rf"\Ahere\.{kind}(\.a)? (must|lacks)"):
        getattr(entry, kind)(kind)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_numbers_are_finite(value):
    with pytest.raises(InputError, match=r"here\.n must be a finite number, not "):
        Entry({"n": value}, "here").number("n")


def test_missing_and_null():
    entry = Entry({"a": None}, "here")
    assert entry.optional_child("a") is None and entry.optional_child("b") is None
    assert entry.integer("c", None) is None and entry.children("d", []) == []
    assert typed(entry, {"a": Entry.text, "b": Entry.integer}) == {}
    with pytest.raises(InputError, match=r"\Ahere lacks 'b'\Z"):
        entry.integer("b")
    with pytest.raises(InputError, match=r"\Ahere must be a JSON object, not null\Z"):
        Entry(None, "here")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "4300 digits"),
        ("{", "Expecting"),
        (b"\xff", "it holds no text"),
    ],
    ids=["deep", "digits", "cut", "no text"],
)
def test_what_python_cannot_parse(text, reason, tmp_path):
    with pytest.raises(InputError, match=rf"\Ahere is not readable JSON: .*{reason}"):
        parse_json(text, "here")
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=rf"a\.json is not readable JSON: .*{reason}"):
        read_json_object(path)


def test_files(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match=r"a\.json is not readable JSON: No such file"):
        read_json_object(path)
    path.write_text(json.dumps([1]))
    with pytest.raises(InputError, match=r"a\.json must hold a JSON object, not \[1\]"):
        read_json_object(path)
    path.write_text(json.dumps(GOOD))
    assert read_json_object(path) == GOOD
