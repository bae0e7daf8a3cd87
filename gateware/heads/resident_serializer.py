"""Requantizing the outputs of a resident codebook, with the numbers of whichever head it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import EnableInserter, Module, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import IntArray
from kanhw.gateware.folded.output_serializer import one_of, serialize_rows, serialized_payload
from kanhw.gateware.folded.requantize_lane import LaneCode, output_shape
from kanhw.gateware.heads.resident_memory import HeadHolder, bank_count, packed_fields, range_over
from kanhw.gateware.parts.costs import HardwareCosts, choice_luts, wide_choices
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.program import ResidentLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.resident import HeadRequantizer
from kanhw.schedule.fold import Fold

__all__ = ["ResidentLane", "ResidentSerializer"]


class ResidentLane(HeadHolder):
    """Joins, rounds and saturates the accumulators of one output a clock, for any head.

    Equals :meth:`kanhw.program.Requantizer.sums` and :meth:`~kanhw.program.Requantizer.codes`
    (minus the smallest code, which makes it a table address). Bias and multipliers of the outputs,
    which take turns, are a word each of one memory.

    Parameters
    ----------
    layer
        The heads.
    number
        Which of the layer's requantizers.
    accumulators
        Range of every branch's accumulator; 0 to 0 for one that is not there.
    outputs
        ``[turns]``: which output it is; -1 for none, which gives anything.

    Members
    -------
    moves : In(1)
    bank, turn : In(unsigned)
    a0, a1, ... : In(shape of the accumulator's range)
    o : Out(a table address, or a sum where the requantizer hands these out), :attr:`latency` moves
        later
    """

    def __init__(
        self,
        layer: ResidentLayer,
        number: int,
        accumulators: tuple[Range, ...],
        outputs: IntArray,
    ) -> None:
        self._number = number
        self._outputs = outputs
        self._requantizer: HeadRequantizer = layer.requantizers[number]
        self._accumulators = accumulators
        self._branches = [b for b, reach in enumerate(accumulators) if reach != Range(0, 0)]
        joins, shift = self._requantizer.heads, self._requantizer.shift
        form, sums = self._requantizer.format, self._requantizer.sum_format
        # Half a step, for rounding, and the smallest code are added with the bias.
        self._origin = 0 if form is None else ((1 << shift) >> 1) - (form.lo << shift)
        declared = layer.writable
        bias = range_over(declared.bias if declared else None, [join.bias for join in joins])
        self._bias = Range(bias.lo + self._origin, bias.hi + self._origin)
        self._factors = [
            range_over(
                declared.multipliers if declared else None, [join.multipliers[b] for join in joins]
            )
            for b in self._branches
        ]
        # The sums are known once the layer is part of a Program.
        bounds = Range(sums.lo, sums.hi) if sums else Range(0, 0)
        self._total = Range(bounds.lo + self._origin, bounds.hi + self._origin)
        self._units: list[Multiplier] = []
        reach = self._bias
        for k, b in enumerate(self._branches):
            output = self._total if k == len(self._branches) - 1 else None
            unit = Multiplier(self._factors[k], accumulators[b], reach, output=output)
            self._units.append(unit)
            reach = unit.range
        reach = self._total if self._units else self._bias
        there = outputs[outputs >= 0]
        # The factors of a branch, of all heads and turns; None where others may be written.
        self._known = {
            b: None if declared else np.concatenate([join.multipliers[b][there] for join in joins])
            for b in self._branches
        }
        self._code = LaneCode(self._requantizer, reach, outputs)
        self._hold(layer)
        super().__init__(
            {
                "moves": In(1),
                "bank": In(unsigned(max((bank_count(layer) - 1).bit_length(), 1))),
                "turn": In(unsigned(max((len(outputs) - 1).bit_length(), 1))),
                **{f"a{b}": In(reach.shape) for b, reach in enumerate(accumulators)},
                "o": Out(output_shape(self._requantizer)),
            }
        )

    @property
    def latency(self) -> int:
        """Moves from accumulators to code: the memory, the multipliers, rounding, the range."""
        return 1 + sum(unit.latency for unit in self._units) + self._code.latency

    @property
    def costs(self) -> HardwareCosts:
        """The words of all heads, multipliers, saturation."""
        total = self.memory_costs
        for b, unit in zip(self._branches, self._units, strict=True):
            factors = self._known[b]
            own = unit.costs if factors is None else unit.costs_of(factors)
            total += own + HardwareCosts(register_bits=unit.range.format.width)
        return total + self._code.costs

    @property
    def word_widths(self) -> list[int]:
        """One word: the bias, then the multipliers."""
        return [self._bias.format.width + sum(reach.format.width for reach in self._factors)]

    def head_words(self, head: CodebookLayer) -> list[list[int]]:
        """A word per turn."""
        join = head.requantizers[self._number]
        there = self._outputs >= 0
        bias = np.where(there, join.bias[self._outputs] + self._origin, 0)
        factors = [np.where(there, join.multipliers[b][self._outputs], 0) for b in self._branches]
        fields = [(bias[:, None], self._bias.format.width)]
        fields += [
            (values[:, None], reach.format.width)
            for values, reach in zip(factors, self._factors, strict=True)
        ]
        return [packed_fields(fields)]

    def elaborate(self, platform: object) -> Module:
        """The memory, multiplier behind multiplier, saturation."""
        m, pipeline = Module(), Module()
        m.submodules.pipeline = EnableInserter(self.moves)(pipeline)
        # The memory is outside of the pipeline, since it may be written while this is stalled; what
        # it has read stays, because its read port moves with the pipeline.
        self._place_memories(m)
        (memory,) = self.memories
        m.d.comb += [
            memory.enable.eq(self.moves),
            memory.bank.eq(self.bank),
            memory.address.eq(self.turn),
        ]
        # Clock 1 reads bias and multipliers of the output as one word. The bias is the first sum;
        # `time` is how many clocks the sum is behind the accumulators.
        total, place = _field(memory.o, 0, self._bias), self._bias.format.width
        time = 1
        for b, reach, unit in zip(self._branches, self._factors, self._units, strict=True):
            pipeline.submodules[f"multiplier{b}"] = unit
            # A product of every branch is added in turn; factor and accumulator wait for the sum.
            factor = _field(memory.o, place, reach)
            place += reach.format.width
            pipeline.d.comb += [
                unit.a.eq(delayed(pipeline, factor, time - 1, f"factor{b}")),
                unit.b.eq(delayed(pipeline, getattr(self, f"a{b}"), time, f"accumulator{b}")),
                unit.c.eq(total),
            ]
            total, time = unit.o, time + unit.latency
        self._code.connect(m, pipeline, self, total, time)
        return m


def _field(word: Value, place: int, reach: Range) -> Value:
    """An integer of a word."""
    bits = word[place : place + reach.format.width]
    return bits.as_signed() if reach.format.signed else bits


class ResidentSerializer(Component):
    """Takes the accumulators of a group of outputs at once and hands on some codes a clock.

    Equals the requantizers of a head, output by output.

    Parameters
    ----------
    layer
        The heads; of a Program, so that its widths are known.
    fold
        Its groups and lanes.
    accumulators
        Range of every branch's accumulators; 0 to 0 for a branch that adds nothing.

    Members
    -------
    i : In(stream of a struct): ``bank``, and for every branch that adds something, its number and
        an array of ``parallel_outputs`` accumulators
    o : Out(stream of outputs.layout)
    """

    def __init__(self, layer: ResidentLayer, fold: Fold, accumulators: tuple[Range, ...]) -> None:
        self._fold = fold
        self._accumulators = accumulators
        self.lanes = [
            [ResidentLane(layer, k, accumulators, outputs) for outputs in fold.handed.T]
            for k in range(len(layer.requantizers))
        ]
        self.outputs = serialized_payload(layer, fold)
        self._branches = [b for b, reach in enumerate(accumulators) if reach != Range(0, 0)]
        arrays: dict[str, Any] = {
            str(b): data.ArrayLayout(accumulators[b].shape, fold.parallel_outputs)
            for b in self._branches
        }
        bank = unsigned(max((bank_count(layer) - 1).bit_length(), 1))
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"bank": bank, **arrays}))),
                "o": Out(stream.Signature(self.outputs.layout)),
            }
        )

    @property
    def latency(self) -> int:
        """Clock edges from the one that accepts a group to that of its first outputs."""
        return 1 + self._depth

    @property
    def costs(self) -> HardwareCosts:
        """The registers of a group, the choice among them, and the lanes."""
        fold = self._fold
        widths = sum(self._accumulators[b].format.width for b in self._branches)
        counters = 2 * (fold.out_beats - 1).bit_length() + self._depth
        total = HardwareCosts(
            serializer_luts=choice_luts(fold.rows, widths) * fold.lanes,
            wide_choices=wide_choices(fold.rows, widths) * fold.lanes,
            counters=counters,
            register_bits=widths * fold.parallel_outputs + counters,
        )
        return sum((lane.costs for lanes in self.lanes for lane in lanes), total)

    @property
    def _depth(self) -> int:
        return max(lane.latency for lanes in self.lanes for lane in lanes)

    def elaborate(self, platform: object) -> Module:
        """Registers for a group, a choice for every lane, and the lanes."""
        m = Module()
        fold = self._fold
        held, row, turn, moves = serialize_rows(m, self, fold, self._depth)
        # Lanes have memories that are written whether or not the pipeline moves: they are told
        # when it does, and only the registers behind them are stalled from here.
        pipeline = Module()
        m.submodules.pipeline = EnableInserter(moves)(pipeline)
        for k, lanes in enumerate(self.lanes):
            for lane, unit in enumerate(lanes):
                m.submodules[f"lane{k}_{lane}"] = unit
                m.d.comb += [unit.moves.eq(moves), unit.bank.eq(held.bank), unit.turn.eq(turn)]
                for b in self._branches:
                    group = [held[str(b)][r * fold.lanes + lane] for r in range(fold.rows)]
                    m.d.comb += getattr(unit, f"a{b}").eq(one_of(group, row))
                late = self._depth - unit.latency
                result = delayed(pipeline, unit.o, late, f"output{k}_{lane}")
                m.d.comb += self.o.payload[str(k)][str(lane)].eq(result)
        return m
