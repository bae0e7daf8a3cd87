"""Large bits of tables, piece by piece."""

import numpy as np

from kanhw.gateware.parts.costs import table_costs
from kanhw.gateware.parts.counting.table_pieces import all_different, pieces_of
from kanhw.gateware.parts.table import Table, column_sizes


def _pieces(*columns):
    values = sum(np.array(column, np.int64) << k for k, column in enumerate(columns))
    return pieces_of(column_sizes(values, len(columns)))


def test_bits_that_a_lut_has_whole_have_no_pieces():
    rng = np.random.default_rng(0)
    assert _pieces(rng.integers(0, 2, 16)) == (0,) * 6
    # Six bits: four pieces of four inputs, and none of six.
    assert _pieces(rng.integers(0, 2, 64)) == (4, 3, 0, 0, 0, 0)


def test_a_random_bit_is_all_different():
    rng = np.random.default_rng(1)
    assert _pieces(rng.integers(0, 2, 256)) == all_different(8, 1) == (16, 15, 0, 4, 3, 0)


def test_equal_pieces_and_complements_are_made_once():
    rng = np.random.default_rng(2)
    half = rng.integers(0, 2, 32)
    # The upper half is the complement of the lower one: a gate, and no multiplexer.
    assert _pieces(np.concatenate([half, 1 - half]))[:3] == (2, 1, 1)
    # Two bits with the same upper half share it.
    others = [np.concatenate([rng.integers(0, 2, 32), half]) for _ in range(2)]
    assert _pieces(*others)[0] == 2 + 2 + 2


def test_constant_pieces_cost_nothing():
    column = np.zeros(64, int)
    column[5] = 1
    # A piece where both upper address bits say so: two gates.
    assert _pieces(column)[:3] == (1, 0, 2)


def test_words_that_are_not_there_cost_nothing():
    assert all_different(8, 3, words=100) == (7 * 3, 6 * 3, 0, 2 * 3, 3, 0)
    assert all_different(4, 3) == (0,) * 6


def test_a_table_is_counted_by_its_entries():
    smooth = Table(tuple(range(256)))
    assert smooth.costs.table_pieces == (0,) * 6
    assert table_costs(8, 8).table_pieces == (128, 120, 0, 32, 24, 0)
