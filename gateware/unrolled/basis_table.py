"""A layer of basis tables, unrolled: look up, multiply by constants, add."""

from __future__ import annotations

from typing import cast

import numpy as np
from amaranth.hdl import Module

from kanhw.formats import IntArray
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.operand import Operand, constant_operand, minimise_input
from kanhw.gateware.unrolled.unrolled_costs import join_costs, weighted_costs
from kanhw.program import BasisTableLayer, ProgramLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["BasisTableCore"]


class BasisTableCore(LayerCore):
    """One layer of basis tables and coefficients; equals :class:`kanhw.program.BasisTableLayer`.

    Every input has its basis values once, shared by all outputs. A coefficient is a constant here,
    so its multiplier is a few shifted additions, which join the output's adder tree. Basis
    functions that no reachable code touches vanish.
    """

    layer: BasisTableLayer

    def __init__(
        self,
        layer: BasisTableLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
    ) -> None:
        self._weights = (layer.coefficients, layer.base_weights)
        self._columns = (
            _columns(layer.basis, layer.basis_index, inputs[layer.spline_stream]),
            _columns(layer.base, layer.base_index, inputs[layer.base_stream]),
        )
        super().__init__(layer, inputs, schedule, as_codes=as_codes)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """The tables of every input, constant multipliers and sums, and the joins."""
        own = cast(BasisTableLayer, layer)
        spline = weighted_costs(own.basis, own.basis_index, own.coefficients)
        base = weighted_costs(own.base, own.base_index, own.base_weights)
        return spline + base + join_costs(layer)

    @property
    def source_latency(self) -> int:
        """Cycles from addresses to table outputs."""
        return int(self.schedule.tables_registered)

    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """The number of shifted additions of output j's weights, and of its constant."""
        digits = sum(
            len(signed_digits(weight))
            for branch in branches
            for _, _, weight in self._live(branch, j)
        )
        return digits + (constant is not None and constant + self._fixed_sum(branches, j) != 0)

    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The shifted additions of output j, and what the tables' offsets leave to add."""
        operands = []
        for branch in branches:
            for i, k, weight in self._live(branch, j):
                table = self._columns[branch][i][k]
                value = self.table(m, self.place(branch, i), table)
                span = Range(min(table.outputs), max(table.outputs))
                operands += [
                    Operand(value, Term(span, table.shift + digit.shift, digit.negative))
                    for digit in signed_digits(weight)
                ]
        remaining = self._fixed_sum(branches, j)
        if constant is None:
            return operands, remaining
        return operands + constant_operand(constant + remaining), 0

    def _live(self, branch: int, j: int) -> list[tuple[int, int, int]]:
        """(input, basis, weight) of every product of output j that varies."""
        weights = self._weights[branch][j]
        return [
            (int(i), int(k), int(weights[i, k]))
            for i, k in np.argwhere(weights != 0)
            if not self._columns[branch][i][k].constant
        ]

    def _fixed_sum(self, branches: tuple[int, ...], j: int) -> int:
        """The sum over output j of constant tables, and of offsets taken out of tables."""
        total = 0
        for branch in branches:
            for i, columns in enumerate(self._columns[branch]):
                for k, table in enumerate(columns):
                    fixed = (table.values[0] << table.shift if table.constant else 0) - table.offset
                    total += int(self._weights[branch][j, i, k]) * fixed
        return total


def _columns(
    tables: IntArray, index: IntArray, addresses: tuple[Address, ...]
) -> list[list[MinimisedTable]]:
    """The minimised table of every input's every basis, ``[n_in][K]``."""
    return [
        [
            minimise_input(tables[t, :, k], address)
            for k in range(tables.shape[2])
        ]
        for t, address in zip(index, addresses, strict=True)
    ]
