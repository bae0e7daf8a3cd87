"""Sets and resets of registers in the place of a part of a table."""

from __future__ import annotations

import numpy as np

from kanhw.gateware.parts.counting.resets import WithResets, with_resets
from kanhw.gateware.parts.minimise import support_of
from kanhw.gateware.parts.table import column_sizes, costs_of_columns


def column(*bits):
    return np.array(bits, np.uint8)


PARITY = column(0, 1, 1, 0)


def test_an_address_bit_resets_a_register():
    # 0 where the upper of three address bits is 1: the parity of the others is what is looked up.
    left, literals = with_resets(np.concatenate([PARITY, 0 * PARITY]))
    assert literals == {(2, 1)}
    assert support_of(left) == (0, 1)
    assert np.array_equal(left[:4], PARITY)


def test_several_of_them_do_it_if_they_make_the_same_of_it():
    zero, one = 0 * PARITY, 0 * PARITY + 1
    # 0 in the lower half of either of the two upper bits.
    _, literals = with_resets(np.concatenate([zero, zero, zero, PARITY]))
    assert literals == {(3, 0), (2, 0)}
    # Reset by one of them, but set by the other: that is looked up.
    left, literals = with_resets(np.concatenate([zero, zero, one, PARITY]))
    assert literals == {(3, 0)}
    assert support_of(left) == (0, 1, 2)


def test_what_is_constant_or_an_address_bit_has_neither():
    assert with_resets(column(1, 1, 1, 1))[1] == frozenset()
    assert with_resets(column(0, 1, 0, 1))[1] == frozenset()


def test_a_signal_is_made_once_and_address_bits_are_there():
    zero = 0 * PARITY
    reset_by_one = np.concatenate([PARITY, zero])
    set_by_zero = np.concatenate([zero + 1, PARITY])
    reset_by_zero = np.concatenate([zero, 1 - PARITY])
    inverted = np.repeat(column(1, 0), 4)
    assert WithResets([reset_by_one.tobytes()]).signals == 0
    both = WithResets([own.tobytes() for own in (set_by_zero, reset_by_zero, inverted)])
    assert both.signals == 1  # the complement of the upper address bit, for all three
    assert sorted(both.sizes.values()) == [2, 2]


def test_only_tables_in_front_of_registers_have_them():
    values = np.concatenate([PARITY, 0 * PARITY]).astype(np.int64)
    sizes = column_sizes(values, 1)
    held, free = (costs_of_columns(sizes, registered=own) for own in (True, False))
    assert held.table_bits[3] == free.table_bits[3] == 1
    assert held.reset_bits[2:4] == (1, -1)
    assert free.reset_bits == ()
    assert (held + free).table_bits[3] + (held + free).reset_bits[3] == 1
