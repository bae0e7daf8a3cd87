"""Pooling of one window: values of its codes, their sum or largest, and the code of that."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts, table_costs
from kanhw.gateware.parts.counting.table_pieces import PIECE_INPUTS
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.operand import Operand, constant_operand, minimise_input
from kanhw.program import Interval, PoolingLayer, Requantizer
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

__all__ = ["ChannelValues", "PoolingCore"]


class ChannelValues:
    """The values that the codes of every channel stand for, in as few bits as they need.

    A pooling layer has one table from codes to values. Values have no common scale with the codes
    that the layer hands out: its requantizers bring sums (or largest values) to codes.

    Parameters
    ----------
    layer
        The pooling.
    addresses
        Of a pixel.
    """

    def __init__(self, layer: PoolingLayer, addresses: tuple[Address, ...]) -> None:
        self.tables: tuple[MinimisedTable, ...] = tuple(
            minimise_input(layer.table, address) for address in addresses
        )

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """Of every channel's values."""
        return tuple(Range(min(table.values), max(table.values)) for table in self.tables)

    def costs(self, *, registered: bool) -> HardwareCosts:
        """A table for every channel."""
        total = HardwareCosts()
        for table, reach in zip(self.tables, self.ranges, strict=True):
            width = reach.format.width
            total += table_costs(len(table.values).bit_length() - 1, width)
            total += HardwareCosts(register_bits=width * registered)
        return total

    def look_up(self, m: Module, pixel: list[Value], *, registered: bool) -> list[Value]:
        """The values of a pixel's addresses."""
        values = []
        for channel, (table, address) in enumerate(zip(self.tables, pixel, strict=True)):
            unit = Table(table.values, registered=registered)
            m.submodules[f"value{channel}"] = unit
            m.d.comb += unit.i.eq(address)
            values.append(unit.o)
        return values


class PoolingCore(LayerCore):
    """Pooled windows to codes: one window of all channels a clock.

    Parameters
    ----------
    layer
        The pooling.
    values
        Of its channels.
    schedule
        Registers.
    as_codes
        Which streams must leave as codes.
    gathered
        True where the values of a window come as one: their sum or the largest of them.

    Members
    -------
    i0 : In(struct of values), channel after channel, those of its window in any order
    o0, o1, ... : Out(struct of channels), one per requantizer

    Raises
    ------
    InputError
        If the positions of a channel have different requantizers.
    """

    def __init__(
        self,
        layer: PoolingLayer,
        values: ChannelValues,
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
        gathered: bool,
    ) -> None:
        self._mode = layer.mode
        self._area = layer.area
        self._values = values
        self._taps = 1 if gathered else layer.area
        times = layer.area if gathered and layer.mode == "sum" else 1
        self._ranges = [Range(r.lo * times, r.hi * times) for r in values.ranges]
        inputs = tuple(
            Address(r.format.width, r.lo, r.hi, r.format.width)
            for r in self._ranges
            for _ in range(self._taps)
        )
        super().__init__(_one_window(layer), (inputs,), schedule, as_codes=as_codes)

    @property
    def ranges(self) -> list[Range]:
        """Of the values of every channel at the input."""
        return self._ranges

    @property
    def source_costs(self) -> HardwareCosts:
        """Matches of the largest value of every channel; a sum has none."""
        if self._mode != "max":
            return HardwareCosts()
        matches = (_match_costs(reach.format.width) for reach in self._ranges)
        return sum(matches, HardwareCosts()).times(self._taps - 1)

    @property
    def source_latency(self) -> int:
        """Cycles from values to operands: a round of comparisons each."""
        return (self._taps - 1).bit_length() if self._mode == "max" else 0

    def accumulator_intervals(self) -> tuple[Interval, ...]:
        """Bounds of the pooled value of every channel."""
        times = self._area if self._mode == "sum" else 1
        bounds = [
            [times * ((end << table.shift) - table.offset) for end in (range.lo, range.hi)]
            for table, range in zip(self._values.tables, self._values.ranges, strict=True)
        ]
        lo, hi = np.array(bounds, np.int64).T
        return (Interval(lo, hi),)

    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """The values of a window, or the largest; and the constant if there is one."""
        values = self._taps if self._mode == "sum" else 1
        return values + (constant is not None and constant + self._fixed_sum(j) != 0)

    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The values of channel j's window, or the largest of them."""
        values = [self.address(0, j * self._taps + tap) for tap in range(self._taps)]
        if self._mode == "max":
            values = [self._largest(m, values, j)]
        term = Term(self._ranges[j], self._values.tables[j].shift)
        operands, remaining = [Operand(value, term) for value in values], self._fixed_sum(j)
        if constant is None:
            return operands, remaining
        return operands + constant_operand(constant + remaining), 0

    def _fixed_sum(self, j: int) -> int:
        """The offsets taken out of channel j's table, once for every value that is summed."""
        return -self._values.tables[j].offset * (self._area if self._mode == "sum" else 1)

    def _largest(self, m: Module, values: list[Value], j: int) -> Value:
        # A tournament: a round a clock; whoever has no opponent goes on to the next round.
        for round in range(self.source_latency):
            winners: list[Value] = []
            for match in range(0, len(values), 2):
                pair = values[match : match + 2]
                name = f"largest{j}_{round}_{match}"
                winner = Signal(pair[0].shape(), name=name, reset_less=True)
                m.d.sync += winner.eq(Mux(pair[-1] > pair[0], pair[-1], pair[0]))
                winners.append(winner)
            values = winners
        return values[0]


def _one_window(layer: PoolingLayer) -> PoolingLayer:
    """The layer on an image of a single window: an output per channel."""
    shape = (layer.window.shape[0], *layer.window.size)
    return replace(
        layer,
        window=Window(shape, layer.window.size),
        requantizers=tuple(_per_channel(layer, r) for r in layer.requantizers),
        stream=0,
    )


def _per_channel(layer: PoolingLayer, requantizer: Requantizer) -> Requantizer:
    channels, positions = layer.window.shape[0], layer.window.positions

    def first(values: IntArray) -> IntArray:
        grouped = values.reshape(-1, channels, positions)
        if (grouped != grouped[:, :, :1]).any():
            raise InputError(
                f"Layer {layer.name!r}: the requantizer of a channel must be the same at all "
                "positions of the image, because they share their hardware"
            )
        return grouped[:, :, 0]

    return replace(
        requantizer,
        multipliers=first(requantizer.multipliers),
        bias=first(requantizer.bias)[0],
        scale=None,
        zero_point=None,
        offset=None,
        lo=None if requantizer.lo is None else first(requantizer.lo)[0],
        hi=None if requantizer.hi is None else first(requantizer.hi)[0],
    )


def _match_costs(width: int) -> HardwareCosts:
    """The larger of two values: a table of both, or a comparison and a choice; and its register."""
    register = HardwareCosts(register_bits=width)
    if 2 * width <= min(PIECE_INPUTS):
        return register + table_costs(2 * width, width)
    return register + HardwareCosts(adder_bits=width, adders=1, choice_luts=width)
