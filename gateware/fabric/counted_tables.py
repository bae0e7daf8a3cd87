"""Bits of tables, counted as synthesis makes them: equal ones once, by what each depends on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import column_sizes, costs_of_columns

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
        sizes |= column_sizes(np.array(table.values, np.int64), width)
    return costs_of_columns(sizes, registered=registered)
