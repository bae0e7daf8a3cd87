"""Bits of tables, counted as synthesis makes them: equal ones once, by what each depends on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import TABLE_SIZES, HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range

__all__ = ["bits_of_tables"]


def bits_of_tables(tables: Sequence[MinimisedTable], *, registered: bool) -> HardwareCosts:
    """The costs of the tables of one input, bit by bit.

    Bits that several tables have in common are one, since synthesis merges them; a bit that is one
    of the address bits needs no logic.

    Parameters
    ----------
    tables
        On the same address.
    registered
        Whether a register follows every table.
    """
    sizes: dict[bytes, int] = {}
    for table in tables:
        outputs = table.outputs
        width = Range(min(outputs), max(outputs)).format.width
        sizes |= _sizes(np.array(table.values, np.int64), width)
    found = [0] * TABLE_SIZES
    for size in sizes.values():
        found[min(size, TABLE_SIZES - 1)] += size > 1
    varying = sum(size > 0 for size in sizes.values())
    return HardwareCosts(table_bits=tuple(found), register_bits=varying * registered)


def _sizes(values: IntArray, width: int) -> dict[bytes, int]:
    """Of every output bit of a table, by its entries: how many address bits it depends on."""
    bits = len(values).bit_length() - 1
    places = ((values[None] >> np.arange(width)[:, None]) & 1).astype(np.uint8)
    support = np.zeros(width, np.int64)
    for bit in range(bits):
        halves = places.reshape(width, -1, 2, 1 << bit)
        support += (halves[:, :, 0] != halves[:, :, 1]).any(axis=(1, 2))
    return {row.tobytes(): int(size) for row, size in zip(places, support, strict=True)}
