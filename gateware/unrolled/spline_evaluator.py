"""A layer of evaluated splines, unrolled: bases by arithmetic, then constant multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, delay_costs
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.splines.evaluator_costs import evaluator_costs
from kanhw.gateware.splines.interpolator import Interpolator
from kanhw.gateware.splines.rotated_spline import ROTATION_LATENCY, RotatedSpline, rotation_costs
from kanhw.gateware.splines.spline_evaluator import SplineEvaluator
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.operand import Operand, constant_operand
from kanhw.gateware.unrolled.unrolled_costs import join_costs
from kanhw.program import ProgramLayer, SplineEvaluatorLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["SplineEvaluatorCore"]


@dataclass(frozen=True)
class _Product:
    """A weight times a value: function k of input i, or the base activation (k is None)."""

    i: int
    k: int | None
    weight: int
    range: Range


class SplineEvaluatorCore(LayerCore):
    """One layer of evaluated splines; equals :class:`kanhw.program.SplineEvaluatorLayer`.

    Every input has an evaluator, and its values go to those functions of the layer that live on
    the cell, the others being 0. From there on it is a layer of basis tables: a coefficient is a
    few shifted additions. Functions that no reachable code touches vanish.
    """

    layer: SplineEvaluatorLayer

    def __init__(
        self,
        layer: SplineEvaluatorLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
    ) -> None:
        spline, base = inputs[layer.spline_stream], inputs[layer.base_stream]
        self._functions = [_reach(layer.basis_values(i), a) for i, a in enumerate(spline)]
        self._bases = [_reach(layer.base_values(i)[:, None], a)[0] for i, a in enumerate(base)]
        self._evaluators = [
            SplineEvaluator(layer.splines, _kind(layer, i), levels=schedule.adder_levels)
            for i in range(layer.n_in)
        ]
        super().__init__(layer, inputs, schedule, as_codes=as_codes)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """An evaluator for every input that is read, the weights and sums, and the joins."""
        return evaluator_costs(cast(SplineEvaluatorLayer, layer)) + join_costs(layer)

    @property
    def source_costs(self) -> HardwareCosts:
        """An evaluator for every input that is read, and its values by function that is."""
        layer, total = self.layer, HardwareCosts()
        for i, unit in enumerate(self._evaluators):
            read = {p for j in range(layer.n_out) for p in self._products(0, j) if p.i == i}
            widths = {p.k: p.range.format.width for p in read}
            if widths:
                rotation = rotation_costs(unit, layer.count, len(widths))
                functions = HardwareCosts(register_bits=sum(widths.values()))
                total += unit.costs + rotation + functions
            if (layer.base_weights[:, i] != 0).any():
                width = self._bases[i].format.width
                unit_costs = Interpolator(layer.base, (int(layer.base.index[i]),)).costs
                total += unit_costs + HardwareCosts(register_bits=width)
                late = self.source_latency - 1 - (2 if layer.base.fraction_bits else 1)
                total += delay_costs(late, layer.base.width)
        return total

    @cached_property
    def source_latency(self) -> int:
        """Cycles from addresses to values: those of the slowest input, and a register."""
        base = 2 if self.layer.base.fraction_bits else 1
        return max(base, *(unit.latency + ROTATION_LATENCY for unit in self._evaluators)) + 1

    def forget(self) -> None:
        """As any layer; and an evaluator for every input that is read."""
        super().forget()
        self._rotated: dict[int, RotatedSpline] = {}

    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """The number of shifted additions of output j's weights, and of its constant."""
        digits = sum(
            len(signed_digits(product.weight))
            for branch in branches
            for product in self._products(branch, j)
        )
        return digits + (constant is not None and constant != 0)

    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The shifted additions of output j; their sum lacks nothing, as there are no offsets."""
        operands = []
        for branch in branches:
            for product in self._products(branch, j):
                value = self._value(m, product)
                operands += [
                    Operand(value, Term(product.range, digit.shift, digit.negative))
                    for digit in signed_digits(product.weight)
                ]
        return operands + constant_operand(constant or 0), 0

    def _products(self, branch: int, j: int) -> list[_Product]:
        """Every product of output j that is not 0 at all reachable codes."""
        layer, nothing = self.layer, Range(0, 0)
        if branch == 0:
            weights = layer.coefficients[j]
            return [
                _Product(int(i), int(k), int(weights[i, k]), self._functions[i][k])
                for i, k in np.argwhere(weights != 0)
                if self._functions[i][k] != nothing
            ]
        return [
            _Product(int(i), None, int(layer.base_weights[j, i, 0]), self._bases[i])
            for i in np.flatnonzero(layer.base_weights[j, :, 0])
            if self._bases[i] != nothing
        ]

    def _value(self, m: Module, product: _Product) -> Value:
        """A registered value, made once however many ask for it."""
        key = ("base" if product.k is None else "spline", product.i, product.k)
        if key not in self._tables:
            if product.k is None:
                value = self._base(m, product.i)
                name = f"base_input{product.i}"
            else:
                value = self._function(m, product.i, product.k)
                name = f"basis_input{product.i}_{product.k}"
            register = Signal(product.range.shape, name=name, reset_less=True)
            m.d.sync += register.eq(self._zero_if_absent(m, product.i, value))
            self._tables[key] = register
        return self._tables[key]

    def _function(self, m: Module, i: int, k: int) -> Value:
        """Function k of an input: the live value whose index it is, or 0."""
        if i not in self._rotated:
            unit = self._evaluators[i]
            m.submodules[f"evaluator_input{i}"] = unit
            m.d.comb += unit.i.eq(self._waiting(m, 0, i, unit.latency + ROTATION_LATENCY))
            self._rotated[i] = RotatedSpline(m, f"input{i}", unit, self.layer.count)
        rotated = self._rotated[i]
        return Mux(rotated.lives(k), rotated.values[k % rotated.banks], 0)

    def _base(self, m: Module, i: int) -> Value:
        unit = Interpolator(self.layer.base, (int(self.layer.base.index[i]),))
        m.submodules[f"base_input{i}"] = unit
        m.d.comb += unit.i.eq(self._waiting(m, 1, i, unit.latency))
        return unit.o

    def _waiting(self, m: Module, branch: int, i: int, latency: int) -> Value:
        """A code that waits for the slowest unit: all values meet their weights together."""
        late = self.source_latency - 1 - latency
        return delayed(m, self.address(branch, i), late, f"{self.layer.branches[branch]}_code{i}")

    def _zero_if_absent(self, m: Module, i: int, value: Value) -> Value:
        """The value of an input, or 0 where a window has no such input."""
        if not self.inputs[self.layer.spline_stream][i].padded:
            return value
        key = ("pad", i)
        if key not in self._tables:
            late = self.source_latency - 1
            self._tables[key] = delayed(m, self.pad[i], late, f"pad_input{i}")
        return Mux(self._tables[key], 0, value)


def _kind(layer: SplineEvaluatorLayer, i: int) -> IntArray:
    """The constants of one input, ``[1, 2]``."""
    return np.array([[layer.splines.multipliers[i], layer.splines.offsets[i]]])


def _reach(values: IntArray, address: Address) -> list[Range]:
    """The range of every function ``[2**width, K]`` at the codes behind an address, 0 included."""
    seen = values[address.entry(address.lo) : address.entry(address.hi) + 1]
    return [Range(min(0, int(v.min())), max(0, int(v.max()))) for v in seen.T]
