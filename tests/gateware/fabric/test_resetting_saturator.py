"""Saturation by set and reset equals clamping, except for words that mean the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.gateware.fabric import resetting_saturator
from kanhw.gateware.fabric.resetting_saturator import ResettingSaturator, flagged
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.signals import Range


def _check(simulate, sums, base, shift, width, *, last, cycles=1):
    flag = not last and (sums.hi + base) >> shift >= 1 << width
    address = Address(width + flag, 0, (1 << (width + flag)) - 1, width)
    assert flagged(address) == flag
    unit = ResettingSaturator(sums, base, shift, address, cycles=cycles)
    assert unit.latency == cycles
    top = (1 << width) - 1
    values = range(sums.lo, sums.hi + 1)
    found = simulate(unit, [unit.i], [(value,) for value in values])
    if flag:
        found = np.minimum(found, top + 1).tolist()
    limit = top + 1 if flag else top
    assert found == [min(max((value + base) >> shift, 0), limit) for value in values]


@given(
    st.integers(-150, 150),
    st.integers(0, 300),
    st.integers(-6, 6),
    st.integers(0, 3),
    st.integers(1, 6),
    st.sampled_from([(False, 1), (True, 1), (True, 2)]),
)
def test_saturation(simulate, lo, extent, halves, shift, width, kind):
    last, cycles = kind
    # An odd number of halves only where the code itself is wanted.
    base = (halves if last else 2 * halves) << (width - 1 + shift)
    _check(simulate, Range(lo, lo + extent), base, shift, width, last=last, cycles=cycles)


@pytest.mark.parametrize("cycles", [1, 2])
def test_wide_sums(cycles, simulate):
    """So far beyond the code that the upper bits are compared as a number."""
    _check(simulate, Range(0, 800), -400, 1, 2, last=True, cycles=cycles)


def test_a_wrong_end_is_seen(simulate, monkeypatch):
    real = resetting_saturator._among
    monkeypatch.setattr(
        resetting_saturator,
        "_among",
        lambda word, reach, members: real(word, reach, range(members.start, members.stop - 1)),
    )
    with pytest.raises(AssertionError):
        _check(simulate, Range(0, 100), -16, 0, 4, last=True)
