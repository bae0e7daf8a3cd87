"""Code formats and schedules."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, format_for
from kanhw.schedule.schedule import Schedule


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("width", [1, 2, 8])
def test_codes(width, signed):
    format = CodeFormat(width, signed)
    codes = format.codes()
    assert (codes[0], codes[-1], len(codes)) == (format.lo, format.hi, format.count)
    assert format.holds(format.lo, format.hi)
    assert not format.holds(format.lo - 1, 0)
    assert not format.holds(0, format.hi + 1)
    assert CodeFormat.from_json(format.to_json()) == format
    assert str(format) == f"{'signed' if signed else 'unsigned'} {width} bit"


@given(st.integers(-(2**60), 2**60), st.integers(0, 2**60), st.sampled_from([True, None]))
def test_format_for_is_the_narrowest(lo, extent, signed):
    hi = lo + extent
    format = format_for(lo, hi, signed=signed)
    assert format.holds(lo, hi)
    assert format.signed == bool(signed or lo < 0)
    assert format.width == 1 or not CodeFormat(format.width - 1, format.signed).holds(lo, hi)


def test_refusals():
    with pytest.raises(InputError, match=r"\ACode width must be 1 to 63 bits, not 0\Z"):
        CodeFormat(0, signed=True)
    with pytest.raises(InputError, match=r"\ACode width must be 1 to 63 bits, not 64\Z"):
        CodeFormat(64, signed=True)
    for width in (True, 4.0, np.int64(4)):
        with pytest.raises(TypeError, match=r"\ACode width must be an integer, not "):
            CodeFormat(width, signed=True)
    with pytest.raises(InputError, match=r"\AAn interval needs lo <= hi, not \[1, 0\]\Z"):
        format_for(1, 0)


def test_folded_schedule():
    assert "parallel_inputs" not in Schedule().to_json()
    one = Schedule(kind="folded", parallel_inputs=2, parallel_outputs={"a": 3, "b": 4})
    assert Schedule.from_json(one.to_json()) == one
    assert json.loads(json.dumps(one.to_json())) == one.to_json()
    assert (one.folded, Schedule().folded) == (True, False)
    assert [one.parallel(name) for name in ("a", "b", "c")] == [(2, 3), (2, 4), (2, 1)]
    assert one.named == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"kind": "systolic"}, InputError, "Unknown schedule 'systolic': this version knows 'un"),
        ({"parallel_inputs": 0}, InputError, "parallel_inputs must be 1 to 65536, not 0"),
        ({"parallel_inputs": 1.5}, TypeError, r"parallel_inputs must be an integer, not 1\.5"),
        ({"parallel_outputs": True}, TypeError, "parallel_outputs must be an integer, not True"),
        (
            {"parallel_outputs": {"a": 65537}},
            InputError,
            "parallel_outputs of layer 'a' must be 1 to 65536, not 65537",
        ),
        ({"kind": "unrolled", "parallel_inputs": 2}, InputError, "parallel_inputs and parallel_ou"),
        ({"handshake": False}, InputError, "The folded schedule needs a handshake"),
    ],
)
def test_folded_schedule_refuses(fields, kind, message):
    with pytest.raises(kind, match=rf"\A{message}"):
        Schedule(**{"kind": "folded", **fields})


def test_schedule():
    schedule = Schedule(adder_levels=2, table_registers=False, handshake=False)
    assert Schedule.from_json(schedule.to_json()) == schedule
    with pytest.raises(InputError, match=r"\Aadder_levels must be 0 to 16, not 17\Z"):
        Schedule(adder_levels=17)
    with pytest.raises(TypeError, match=r"\Aadder_levels must be an integer, not 1\.5\Z"):
        Schedule(adder_levels=1.5)
    with pytest.raises(TypeError, match=r"\Ahandshake must be True or False, not 1\Z"):
        Schedule(handshake=1)
    with pytest.raises(InputError, match=r"\AUnknown schedule 'systolic': this version knows"):
        Schedule.from_json({"kind": "systolic"})
    for name in ("adder_levels", "table_registers", "handshake"):
        written = {key: v for key, v in Schedule(kind="folded").to_json().items() if key != name}
        with pytest.raises(InputError, match=rf"\Athe schedule lacks '{name}'\Z"):
            Schedule.from_json(written)
