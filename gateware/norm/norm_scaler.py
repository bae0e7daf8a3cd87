"""The last part of a layer normalisation: from codes and their statistics to new codes."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Module, Shape, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.range_clamp import RangeClamp, clamp_of
from kanhw.gateware.parts.saturator import Saturator, saturator_costs
from kanhw.gateware.parts.signals import Range, delayed, shape_of
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.program import NormLayer, Requantizer

__all__ = ["NormScaler"]


class NormScaler(Component):
    """``(gamma[index] (n q - sum) root M + bias)`` requantized: one code a clock.

    The multipliers M of a requantizer are folded into gamma, its rounding and the address's origin
    into the bias; both are tables addressed by the element's index. Latency:
    :attr:`latency` cycles.

    Parameters
    ----------
    layer
        The normalisation.
    codes, total, root
        Ranges of q, of the sum and of the reciprocal root.
    outputs
        The addresses of every requantizer; empty where it hands out its sums.
    side_width
        Bits that accompany every code unchanged.

    Members
    -------
    i : In(codes.shape)
    side : In(unsigned(side_width))
    index : In(unsigned)
        Of the element in its vector.
    first : In(1)
        With a vector's first element: its statistics are taken, the sum with the code, the root
        one cycle later.
    total, root : In
        The statistics.
    o0, o1, ... : Out(one per requantizer)
    side_o : Out(unsigned(side_width))
    """

    def __init__(
        self,
        layer: NormLayer,
        codes: Range,
        total: Range,
        root: Range,
        outputs: tuple[tuple[Address, ...], ...],
        side_width: int,
    ) -> None:
        self._layer = layer
        self._ranges = (codes, total)
        self._outputs = outputs
        count = layer.n_in
        reach = count * (codes.hi - codes.lo)
        bound = layer.normalised_bound
        self._normalise = Multiplier(
            Range(-reach, reach), root, output=Range(-bound, bound)
        )
        self._scales = [
            _scale(layer, requantizer, addresses)
            for requantizer, addresses in zip(layer.requantizers, outputs, strict=True)
        ]
        self._clamps = [_clamp(requantizer) for requantizer in layer.requantizers]
        shapes = [self._shape(k) for k in range(len(outputs))]
        super().__init__(
            {
                "i": In(codes.shape),
                "side": In(unsigned(side_width)),
                "index": In(unsigned(max((count - 1).bit_length(), 1))),
                "first": In(1),
                "total": In(total.shape),
                "root": In(root.shape),
                **{f"o{k}": Out(shape) for k, shape in enumerate(shapes)},
                "side_o": Out(unsigned(side_width)),
            }
        )

    def _shape(self, k: int) -> Shape:
        requantizer = self._layer.requantizers[k]
        if requantizer.format is None:
            return shape_of(requantizer.output_format)
        return unsigned(self._outputs[k][0].width)

    @property
    def latency(self) -> int:
        """Cycles from a code to its normalised codes."""
        return 2 + self._normalise.latency + max(map(self._scale_latency, range(len(self._scales))))

    @property
    def costs(self) -> HardwareCosts:
        """The difference, its product with the root, and gain, bias and saturation of each code."""
        codes, totals = self._ranges
        terms = [Term(codes, d.shift, d.negative) for d in signed_digits(self._layer.n_in)]
        index = len(self.index)
        width = self._normalise.range.format.width
        total = tree_costs([*terms, Term(totals, 0, True)], 0) + self._normalise.costs
        total += HardwareCosts(
            register_bits=codes.format.width + totals.format.width + len(self.root) + width
            + 1 + index * (1 + self._normalise.latency) + self._wanted_side * self.latency
        )
        for k, (gains, biases, scale) in enumerate(self._scales):
            total += gains.costs + biases.costs
            requantizer, clamp = self._layer.requantizers[k], self._clamps[k]
            total += scale.costs
            if requantizer.format is None:
                total += HardwareCosts(register_bits=scale.range.format.width)
            else:
                own = getattr(self, f"o{k}")
                total += saturator_costs(scale.range, requantizer.shift, len(own))
            if clamp is not None:
                total += clamp.costs
        return total

    @property
    def _wanted_side(self) -> int:
        """Bits beside a code that go on: synthesis leaves the others out."""
        layer = self._layer
        unwanted = 0 if layer.stream in layer.passes else layer.width
        return len(self.side) - unwanted

    def _scale_latency(self, k: int) -> int:
        """Cycles from a normalised value to the code of a requantizer."""
        clamp = self._clamps[k]
        return self._scales[k][2].latency + 1 + (clamp.latency if clamp else 0)

    def elaborate(self, platform: object) -> Module:
        """Difference, product with the root, gain and bias, saturation."""
        m = Module()
        codes, total_range = self._ranges
        code = Signal(codes.shape, reset_less=True)
        began = Signal(reset_less=True)
        total = Signal(total_range.shape, reset_less=True)
        root = Signal(self.root.shape(), reset_less=True)
        m.d.sync += [code.eq(self.i), began.eq(self.first)]
        # Clock 1 registers the code, and the vector's sum with its first code. Clock 2 makes the
        # difference n a - S, and takes the root: it is wanted a clock later than the sum.
        with m.If(self.first):
            m.d.sync += total.eq(self.total)
        with m.If(began):
            m.d.sync += root.eq(self.root)

        m.submodules.normalise = normalise = self._normalise
        difference = Signal(normalise.a.shape(), reset_less=True)
        m.d.sync += difference.eq(self._difference(m, code, total))
        m.d.comb += [normalise.a.eq(difference), normalise.b.eq(root)]

        # The tables have a register, which is loaded together with the product's.
        index = delayed(m, self.index, 1 + normalise.latency, "index")
        for k, (gains, biases, scale) in enumerate(self._scales):
            self._requantize(m, k, index, gains, biases, scale)
        m.d.comb += self.side_o.eq(delayed(m, self.side, self.latency, "side"))
        return m

    def _difference(self, m: Module, code: Value, total: Value) -> Value:
        codes, total_range = self._ranges
        digits = signed_digits(self._layer.n_in)
        terms = [Term(codes, digit.shift, digit.negative) for digit in digits]
        m.submodules.difference = tree = AdderTree([*terms, Term(total_range, 0, True)], levels=0)
        for k in range(len(digits)):
            m.d.comb += tree.operand(k).eq(code)
        m.d.comb += tree.operand(len(digits)).eq(total)
        return tree.o

    def _requantize(
        self, m: Module, k: int, index: Value, gains: Table, biases: Table, scale: Multiplier
    ) -> None:
        m.submodules[f"gains{k}"] = gains
        m.submodules[f"biases{k}"] = biases
        m.submodules[f"scale{k}"] = scale
        m.d.comb += [
            gains.i.eq(index),
            biases.i.eq(index),
            scale.a.eq(gains.o),
            scale.b.eq(self._normalise.o),
            scale.c.eq(biases.o),
        ]
        requantizer = self._layer.requantizers[k]
        if requantizer.format is None:
            result = Signal(scale.range.shape, name=f"result{k}", reset_less=True)
            m.d.sync += result.eq(scale.o)
        else:
            saturator = Saturator(scale.range, requantizer.shift, len(getattr(self, f"o{k}")))
            m.submodules[f"saturator{k}"] = saturator
            m.d.comb += saturator.i.eq(scale.o)
            result = saturator.o
            clamp = self._clamps[k]
            if clamp is not None:
                m.submodules[f"clamp{k}"] = clamp
                # The tables of gains have their index a cycle before the product begins.
                turn = delayed(m, index, scale.latency + 1, f"clamp_turn{k}")
                m.d.comb += [clamp.turn.eq(turn), clamp.i.eq(result)]
                result = clamp.o
        waiting = max(map(self._scale_latency, range(len(self._scales)))) - self._scale_latency(k)
        m.d.comb += getattr(self, f"o{k}").eq(delayed(m, result, waiting, f"output{k}"))


def _clamp(requantizer: Requantizer) -> RangeClamp | None:
    """The clamp behind the saturation of elements in turn; None where all have all codes."""
    format = requantizer.format
    if format is None:
        return None
    lo, hi = (end - format.lo for end in requantizer.code_ends)
    return clamp_of(format.width, lo, hi)


def _scale(
    layer: NormLayer, requantizer: Requantizer, addresses: tuple[Address, ...]
) -> tuple[Table, Table, Multiplier]:
    """Gains, biases and the multiplier that they go to."""
    gains: IntArray = layer.gamma * requantizer.multipliers[0]
    constants = requantizer.bias.copy()
    if requantizer.format is not None:
        half = 1 << (requantizer.shift - 1) if requantizer.shift else 0
        origins = np.array([requantizer.format.lo + a.offset for a in addresses], np.int64)
        constants += half - (origins << requantizer.shift)
    bound = layer.normalised_bound
    reach = np.abs(gains) * bound
    result = Range(int((constants - reach).min()), int((constants + reach).max()))
    gain_table, bias_table = _table(gains), _table(constants)
    y = Range(-bound, bound)
    return gain_table, bias_table, Multiplier(gain_table.range, y, bias_table.range, output=result)


def _table(values: IntArray) -> Table:
    """One entry per element; the last is repeated up to a power of two."""
    depth = 1 << max((len(values) - 1).bit_length(), 1)
    padding = (int(values[-1]),) * (depth - len(values))
    return Table((*values.tolist(), *padding))
