"""The values of a spline evaluator, rotated so that each is in the bank of its function."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Array, Module, Mux, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts, choice_luts, table_costs, wide_choices
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.splines.spline_evaluator import SplineEvaluator

__all__ = ["ROTATION_LATENCY", "RotatedSpline", "rotation_costs"]

ROTATION_LATENCY = 2
"""Cycles from the outputs of an evaluator to rotated values."""


def rotation_costs(unit: SplineEvaluator, count: int, lives: int | None = None) -> HardwareCosts:
    """The costs of a :class:`RotatedSpline`, and of what is asked of it.

    Parameters
    ----------
    unit, count
        As there.
    lives
        Of how many functions it is asked whether they live; None: of none, but of every bank its
        row and whether it exists.
    """
    banks, width = unit.order + 1, unit.range.format.width
    cells = count + unit.order
    place, turn = cells.bit_length(), max((banks - 1).bit_length(), 1)
    asked = banks * (1 + (-(-count // banks) - 1).bit_length()) if lives is None else lives
    total = table_costs((cells - 1).bit_length(), turn) + table_costs(place, asked)
    return total + HardwareCosts(
        choice_luts=banks * choice_luts(banks, width),
        wide_choices=banks * wide_choices(banks, width),
        register_bits=2 * banks * width + place + turn + asked,
        counters=place,
    )


class RotatedSpline:
    """The p + 1 values of an evaluator by bank: function k, if it is live, in bank k mod (p + 1).

    An evaluator gives the values of the functions that are live at a code, ``first`` to
    ``first + p``, in this order. Weights are in p + 1 banks by function, k mod (p + 1), and two of
    p + 1 neighbours are never in the same bank. So the values only have to be rotated by
    ``first mod (p + 1)`` places for each to meet the bank of its weight: a multiplexer of p + 1
    inputs for every bank, however many functions there are. Around the ends of the grid some of the
    p + 1 functions do not exist (:meth:`exists`).

    Clock 1 looks up the rotation by cell; the values wait. Clock 2 rotates. Beside the values, from
    tables by cell as well, are the row of each bank's function and whether it exists.

    Parameters
    ----------
    m
        Where the hardware goes.
    name
        Of the registers.
    unit
        The evaluator.
    count
        Functions of the input, K.
    """

    def __init__(self, m: Module, name: str, unit: SplineEvaluator, count: int) -> None:
        order, reach = unit.order, unit.first_range
        self._m, self._name = m, name
        self.banks = banks = order + 1
        self._cells = cells = count + order
        self._count = count
        cell = Signal(Range(reach.lo + order, reach.hi + order).shape, name=f"{name}_cell")
        m.d.comb += cell.eq(unit.first + order)
        # 0 is outside of the grid.
        inside = (cell >= 0) & (cell < cells)
        self._place = Signal(range(cells + 1), name=f"{name}_place", reset_less=True)
        m.d.sync += self._place.eq(Mux(inside, cell + 1, 0))
        self._first = np.arange(cells) - order
        rotation = self._table(f"{name}_rotation", self._first % banks, cell)
        live = [delayed(m, unit.o[r], 1, f"{name}_live{r}") for r in range(banks)]
        self.values: list[Value] = []
        for b in range(banks):
            value = Signal(unit.range.shape, name=f"{name}_bank{b}", reset_less=True)
            m.d.sync += value.eq(Array([live[(b - e) % banks] for e in range(banks)])[rotation])
            self.values.append(value)

    def _table(self, name: str, values: IntArray, address: Value) -> Value:
        bits = max((len(values) - 1).bit_length(), 1)
        table = Table((*values.tolist(), *[0] * ((1 << bits) - len(values))))
        self._m.submodules[name] = table
        self._m.d.comb += table.i.eq(address)
        return table.o

    def lives(self, k: int) -> Value:
        """A bit: function k is live at the code of the values."""
        there = (self._first <= k) & (k < self._first + self.banks)
        return self._of_place(f"{self._name}_lives{k}", there.astype(np.int64))

    def exists(self, bank: int) -> Value:
        """A bit: the layer has the function that a bank's value belongs to."""
        function = self._function(bank)
        there = (function >= 0) & (function < self._count)
        return self._of_place(f"{self._name}_exists{bank}", there.astype(np.int64))

    def row(self, bank: int) -> Value:
        """The row of the bank's live function k, k div (p + 1); 0 where there is none."""
        function = self._function(bank)
        rows = np.where((function >= 0) & (function < self._count), function // self.banks, 0)
        return self._of_place(f"{self._name}_row{bank}", rows)

    def _function(self, bank: int) -> IntArray:
        """Of every cell the index of the function in a bank, which there may not be."""
        found: IntArray = self._first + (bank - self._first) % self.banks
        return found

    def _of_place(self, name: str, values: IntArray) -> Value:
        """Something about every cell, beside the rotated values; 0 outside of the grid."""
        return self._table(name, np.concatenate([np.zeros(1, np.int64), values]), self._place)
