"""Code formats and schedules."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, format_for
from kanhw.schedule import Schedule


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


def test_schedule():
    schedule = Schedule(adder_levels=2, table_registers=False, handshake=False)
    assert Schedule.from_json(schedule.to_json()) == schedule
    with pytest.raises(InputError, match=r"\Aadder_levels must be 0 to 16, not 17\Z"):
        Schedule(adder_levels=17)
    with pytest.raises(TypeError, match=r"\Aadder_levels must be an integer, not 1\.5\Z"):
        Schedule(adder_levels=1.5)
    with pytest.raises(TypeError, match=r"\Ahandshake must be True or False, not 1\Z"):
        Schedule(handshake=1)
    with pytest.raises(InputError, match=r"\AUnknown schedule 'folded': this version knows"):
        Schedule.from_json({"kind": "folded"})
