"""The output serializer of a folded layer: a group of sums in, some codes a clock out."""

from __future__ import annotations

from amaranth.hdl import EnableInserter, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.folded.requantize_lane import RequantizeLane
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.stream.valid_bits import valid_bits
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold

__all__ = ["OutputSerializer", "one_of", "serialize_rows", "serialized_payload"]


class OutputSerializer(Component):
    """Takes the accumulators of a group of outputs at once and hands on some codes a clock.

    Equals the requantizers of the layer, output by output. The group is copied into registers, so
    that the accumulators go on with the next one. Its outputs are split into rows of
    ``fold.lanes``; a row a clock goes through as many lanes.

    Parameters
    ----------
    layer
        Of a Program, so that its widths are known.
    fold
        Its groups and lanes.
    accumulators
        Range of every branch's accumulators; 0 to 0 for a branch that adds nothing.

    Members
    -------
    i : In(stream of a struct): for every branch that adds something, its number and an array of
        ``parallel_outputs`` accumulators
    o : Out(stream of outputs.layout)
    """

    def __init__(self, layer: ProgramLayer, fold: Fold, accumulators: tuple[Range, ...]) -> None:
        self._fold = fold
        self._accumulators = accumulators
        self._lanes = [
            [RequantizeLane(requantizer, accumulators, outputs) for outputs in fold.handed.T]
            for requantizer in layer.requantizers
        ]
        self.outputs = serialized_payload(layer, fold)
        arrays = {
            str(b): data.ArrayLayout(reach.shape, fold.parallel_outputs)
            for b, reach in enumerate(accumulators)
            if reach != Range(0, 0)
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(arrays))),
                "o": Out(stream.Signature(self.outputs.layout)),
            }
        )

    @property
    def latency(self) -> int:
        """Clock edges from the one that accepts a group to that of its first outputs."""
        return 1 + self.depth

    @property
    def depth(self) -> int:
        """Cycles of its lanes."""
        return max(lane.latency for lanes in self._lanes for lane in lanes)

    def elaborate(self, platform: object) -> Module:
        """Registers for a group, a choice for every lane, and the lanes."""
        m = Module()
        fold = self._fold
        held, row, turn, moves = serialize_rows(m, self, fold, self.depth)
        # The lanes are stalled as a whole, together with the valid bits beside them.
        joins = Module()
        m.submodules.joins = EnableInserter(moves)(joins)
        for lane in range(fold.lanes):
            # Output k * lanes + lane of the group is in row k: a lane needs one of every row only.
            chosen = {
                b: one_of([held[b][k * fold.lanes + lane] for k in range(fold.rows)], row)
                for b in self.i.payload.shape().members
            }
            for k, lanes in enumerate(self._lanes):
                self._join(joins, k, lane, lanes[lane], chosen, turn)
        return m

    def _join(
        self,
        m: Module,
        k: int,
        lane: int,
        unit: RequantizeLane,
        chosen: dict[str, Value],
        turn: Signal,
    ) -> None:
        m.submodules[f"join{k}_{lane}"] = unit
        m.d.comb += unit.turn.eq(turn)
        for b, value in chosen.items():
            m.d.comb += getattr(unit, f"a{b}").eq(value)
        # Requantizers whose factors differ take different times: their codes leave together.
        waiting = self.depth - unit.latency
        result = delayed(m, unit.o, waiting, f"output{k}_{lane}")
        m.d.comb += self.o.payload[str(k)][str(lane)].eq(result)


def serialize_rows(
    m: Module, unit: Component, fold: Fold, depth: int
) -> tuple[Signal, Signal, Signal, Value]:
    """Hold a group while its rows are handed on, one a clock.

    Parameters
    ----------
    m
        Where the hardware goes.
    unit
        With the streams ``i`` of groups and ``o`` of outputs.
    fold
        Rows of a group and of a vector.
    depth
        Cycles of what the rows go through.

    Returns
    -------
    The group; the row within it, by which values are chosen; the row within the vector (``turn``),
    by which parameters are chosen; and the enable of the pipeline that the rows go through.
    """
    # The group, and whether there is one.
    held = Signal(unit.i.payload.shape(), reset_less=True)
    busy = Signal()
    row = Signal(max((fold.rows - 1).bit_length(), 1))
    turn = Signal(max((fold.out_beats - 1).bit_length(), 1))
    moves = valid_bits(m, busy, depth, unit.o)
    # The last group of a vector may have fewer rows than the others.
    ends = turn == fold.out_beats - 1
    last = (row == fold.rows - 1) | ends
    # A group may follow in the clock in which the last row of the one before leaves the registers.
    m.d.comb += unit.i.ready.eq(~busy | (moves & last))
    with m.If(moves & busy):
        m.d.sync += [row.eq(Mux(last, 0, row + 1)), turn.eq(Mux(ends, 0, turn + 1))]
    with m.If(unit.i.ready):
        m.d.sync += [busy.eq(unit.i.valid), held.eq(unit.i.payload)]
    return held, row, turn, moves


def one_of(values: list[Value], place: Signal) -> Value:
    """One of several values, a level of two-way multiplexers for every bit of its place."""
    for bit in place:
        values = [
            Mux(bit, values[k + 1], values[k]) if k + 1 < len(values) else values[k]
            for k in range(0, len(values), 2)
        ]
    return values[0]


def serialized_payload(layer: ProgramLayer, fold: Fold) -> Payload:
    """Codes of every requantizer, or sums, some a beat."""
    streams = []
    length = fold.n_out if fold.out_beats > 1 else None
    for requantizer in layer.requantizers:
        format = requantizer.format
        if format is None:
            sums = (requantizer.output_format,) * fold.lanes
            return Payload(((),), fold.out_beats, sums, length)
        streams.append((Address(format.width, 0, format.count - 1, format.width),) * fold.lanes)
    return Payload(tuple(streams), fold.out_beats, length=length)
