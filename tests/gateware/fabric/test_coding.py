"""Coded tables add up to the table, and take fewer LUTs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kanhw.gateware.fabric.coding import codings_of
from kanhw.gateware.fabric.pairing import table_luts
from kanhw.gateware.fabric.ultrascale import _filled
from kanhw.gateware.parts.minimise import MinimisedTable


def _contributions(tables):
    return sum((np.array(t.values) << t.shift) - t.offset for t in tables)


def _smooth(rng, bits, steepness):
    steps = rng.integers(-steepness, steepness + 1, 1 << bits)
    values = np.cumsum(steps)
    return values - values.min()


@given(
    st.integers(0, 2**32),
    st.integers(1, 7),
    st.integers(0, 4),
    st.booleans(),
    st.booleans(),
)
def test_codings_add_up(seed, bits, steepness, flag, differences):
    rng = np.random.default_rng(seed)
    values = _smooth(rng, bits, steepness)
    if flag:
        values = np.concatenate([values, np.full_like(values, rng.integers(0, values.max() + 9))])
    table = MinimisedTable(tuple(values.tolist()), int(rng.integers(0, 3)), int(rng.integers(9)))
    codings = codings_of(table, differences=differences)
    assert codings[0].tables == (table,)
    assert codings[0].bits == 0
    width = max(table.values).bit_length()
    for coding in codings:
        assert min(min(t.values) for t in coding.tables) >= 0
        np.testing.assert_array_equal(_contributions(coding.tables), _contributions([table]))
        luts = sum(table_luts(t, registered=differences) for t in coding.tables)
        assert luts <= coding.luts + 1e-9
        tops = [max(t.values).bit_length() + t.shift - table.shift for t in coding.tables]
        assert max(tops) <= width + 1 or flag


def test_a_slope_of_one_is_a_difference_of_one_bit():
    values = np.repeat(np.arange(32), 2) * 2 + np.tile([0, 1], 32) % 2
    bent = values + (values > 20)
    table = MinimisedTable(tuple(bent.tolist()), 0, 0)
    best = min(codings_of(table), key=lambda coding: coding.cost(0.5))
    assert best.bits == 1
    luts = sum(table_luts(t, registered=True) for t in best.tables)
    assert luts < table_luts(table, registered=True)


def test_rough_tables_stay_whole():
    values = tuple(np.random.default_rng(1).permutation(64).tolist())
    table = MinimisedTable(values, 0, 5)
    assert min(codings_of(table), key=lambda coding: coding.cost(0.5)).tables == (table,)


@given(st.integers(0, 2**32), st.integers(0, 300))
def test_constants_fill_what_room_there_is(seed, constant):
    rng = np.random.default_rng(seed)
    parts = [
        ((0, k), MinimisedTable(tuple(rng.integers(0, 20, 8).tolist()), int(rng.integers(3)), 0))
        for k in range(4)
    ]
    filled, rest = _filled(parts, constant)
    before, after = (_contributions([t for _, t in tables]) for tables in (parts, filled))
    np.testing.assert_array_equal(after + rest, before + constant)
    for (_, old), (_, new) in zip(parts, filled, strict=True):
        assert max(old.values).bit_length() == max(new.values).bit_length()
