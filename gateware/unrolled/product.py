"""A layer of products of codes: PyKAN's multiplication nodes."""

from __future__ import annotations

from typing import cast

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from kanhw.gateware.parts.adder_tree import tree_costs
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, delay_costs, product_costs
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.operand import Operand, constant_operand
from kanhw.gateware.unrolled.output_addresses import table_interval
from kanhw.program import ProductLayer, ProgramLayer, Requantizer
from kanhw.schedule.schedule import Schedule

__all__ = ["ProductCore"]


class ProductCore(LayerCore):
    """One layer of products; equals :class:`kanhw.program.ProductLayer`.

    The codes of a group are multiplied two by two, with a register after every level of
    multiplications; shorter groups wait for the longest. The requantizers' multipliers are
    constants: some five shifted additions of a few LUTs each, while a DSP block is worth more than
    a hundred LUTs on every family, so they are added up like any other join.
    """

    layer: ProductLayer

    def __init__(
        self,
        layer: ProductLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
    ) -> None:
        codes = table_interval(inputs[layer.stream])
        self._ranges = [
            Range(int(lo) + layer.lowest, int(hi) + layer.lowest)
            for lo, hi in zip(codes.lo, codes.hi, strict=True)
        ]
        super().__init__(layer, inputs, schedule, as_codes=as_codes)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """The multiplications of every group, their rounding, and the joins."""
        own = cast(ProductLayer, layer)
        code = Range(own.lowest, own.lowest + (1 << own.width) - 1)
        total = HardwareCosts()
        if own.lowest != -(1 << (own.width - 1)):
            # Addresses become codes by an addition, for every input that is read.
            read = {i for group in own.groups for i in group}
            total += HardwareCosts(passing_bits=code.format.width, adders=1).times(len(read))
        for j, (group, shift) in enumerate(zip(own.groups, own.shifts or (), strict=True)):
            made, reach = _group_costs([code] * len(group), shift)
            total += made
            for requantizer in own.requantizers:
                total += _join_costs(requantizer, j, reach)
        return total

    @property
    def source_costs(self) -> HardwareCosts:
        """The multiplications of every group, and products that wait for the longest."""
        layer, total = self.layer, HardwareCosts()
        if layer.lowest != -(1 << (layer.width - 1)):
            read = {i for group in layer.groups for i in group}
            total += HardwareCosts(passing_bits=layer.width + 1, adders=1).times(len(read))
        # The same product twice is made once.
        pairs = zip(layer.groups, layer.shifts or (), strict=True)
        for group, shift in dict.fromkeys((tuple(sorted(group)), shift) for group, shift in pairs):
            made, _ = _group_costs([self._ranges[i] for i in group], shift)
            levels = (len(group) - 1).bit_length()
            width = sum(self._ranges[i].format.width for i in group)
            total += made + delay_costs(self.source_latency - levels, width)
        return total

    @property
    def source_latency(self) -> int:
        """Cycles from addresses to products: the levels of the largest group."""
        return max(len(group) - 1 for group in self.layer.groups).bit_length()

    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """The product, and the constant if there is one."""
        return 1 + bool(constant)

    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The product of output j."""
        factors = [(self._code(i), self._ranges[i]) for i in self.layer.groups[j]]
        level = 0
        while len(factors) > 1:
            products = [
                _registered_product(m, factors[k : k + 2], f"product{j}_{level}_{k // 2}")
                for k in range(0, len(factors), 2)
            ]
            factors, level = products, level + 1
        value, reach = factors[0]
        value = delayed(m, value, self.source_latency - level, f"product{j}")
        value, reach = _rounded(value, reach, (self.layer.shifts or (0,) * (j + 1))[j])
        return [Operand(value, Term(reach)), *constant_operand(constant or 0)], 0

    def _code(self, i: int) -> Value:
        """The signed code of input i."""
        address, lowest = self.address(0, i), self.layer.lowest
        if lowest == -(1 << (self.layer.width - 1)):
            return Cat(address[:-1], ~address[-1]).as_signed()
        return address + Const(lowest, signed(max(lowest.bit_length() + 1, 2)))


def _group_costs(factors: list[Range], shift: int) -> tuple[HardwareCosts, Range]:
    """Of one output: a level of multiplications after the other, then rounding; and its range."""
    total = HardwareCosts()
    while len(factors) > 1:
        pairs = [factors[k : k + 2] for k in range(0, len(factors), 2)]
        for one, other in (pair for pair in pairs if len(pair) == 2):
            total += product_costs(one, other)
        factors = [pair[0] * pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
        total += HardwareCosts(register_bits=sum(reach.format.width for reach in factors))
    (reach,) = factors
    if shift:
        half = 1 << (shift - 1)
        reach = Range((reach.lo + half) >> shift, (reach.hi + half) >> shift)
        total += HardwareCosts(passing_bits=reach.format.width, adders=1)
    return total, reach


def _join_costs(requantizer: Requantizer, j: int, reach: Range) -> HardwareCosts:
    """Of one output's shifted additions, constant, and saturation.

    A product is a single operand, so the adders are known one by one.
    """
    digits = signed_digits(int(requantizer.multipliers[0, j]))
    terms = [Term(reach, digit.shift, digit.negative) for digit in digits]
    code = requantizer.format.width if requantizer.format else 0
    sums = requantizer.sum_format.width if requantizer.sum_format else 0
    # A constant is added where there is a bias or half a step: above the bits that rounding takes.
    added = bool(requantizer.shift or requantizer.bias[j])
    constant = max(sums - requantizer.shift, 0) if added else 0
    # As many registers as a schedule has by default; what it has is not known here.
    return tree_costs(terms, 1) + HardwareCosts(
        passing_bits=constant, table_luts=code, register_bits=sums + code
    )


def _rounded(value: Value, reach: Range, shift: int) -> tuple[Value, Range]:
    """The product without its low bits, rounded half up."""
    if shift == 0:
        return value, reach
    half = 1 << (shift - 1)
    return (value + half) >> shift, Range((reach.lo + half) >> shift, (reach.hi + half) >> shift)


def _registered_product(
    m: Module, factors: list[tuple[Value, Range]], name: str
) -> tuple[Value, Range]:
    value, reach = factors[0]
    if len(factors) == 2:
        other, other_reach = factors[1]
        value, reach = value * other, reach * other_reach
    register = Signal(reach.shape, name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register, reach
