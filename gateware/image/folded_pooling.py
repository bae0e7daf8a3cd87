"""Pooling of whole images that come some channels a beat."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value, unsigned
from amaranth.lib.memory import Memory

from kanhw.errors import InputError
from kanhw.gateware.folded.requantize_lane import RequantizeLane
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape, table_costs
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.stream.valid_bits import valid_bits
from kanhw.program import PoolingLayer
from kanhw.schedule.fold import rows_of
from kanhw.schedule.formula import Formula

__all__ = ["FoldedPoolingStage"]

# Registers in front of the lanes: one holds the values of codes, one the totals with them.
TOTAL_CYCLES = 2


class FoldedPoolingStage(Stage):
    """Sum or largest value of whole images: takes parts of pixels, gives parts of a vector.

    Equals :class:`kanhw.program.PoolingLayer` with a window of the size of the image. The totals of
    all channels are in a memory, of which every beat changes a word; those of the last pixel are
    requantized as they come, by as many lanes as a beat has channels.

    Parameters
    ----------
    layer
        Of a Program, so that its widths are known.
    inputs
        Codes' own addresses, parts of pixels.

    Raises
    ------
    InputError
        If pixels come whole, or the window is smaller than the image.
    """

    def __init__(self, layer: PoolingLayer, inputs: Payload) -> None:
        channels = layer.window.shape[0]
        if inputs.pixel_beats == 1 or layer.window.size != layer.window.shape[1:]:
            raise InputError(
                f"Layer {layer.name!r}: only whole images are pooled part by part of their pixels"
            )
        self._layer = layer
        format = (layer.accumulator_formats or ())[0]
        self._totals = Range(format.lo, format.hi)
        handed = rows_of(channels, inputs.count)
        self._lanes = [
            [RequantizeLane(requantizer, (self._totals,), outputs) for outputs in handed.T]
            for requantizer in layer.requantizers
        ]
        super().__init__(inputs, _payload(layer, inputs))

    @property
    def latency(self) -> int:
        """Clock edges from an image's last beat to its vector's."""
        return TOTAL_CYCLES + self._depth

    @property
    def initiation_interval(self) -> int:
        """A clock per beat."""
        return self.inputs.beats

    @property
    def _depth(self) -> int:
        return max(lane.latency for lanes in self._lanes for lane in lanes)

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock per beat, and those of its registers."""
        return Formula.of(self.inputs.beats), Formula.of(self.latency)

    @property
    def costs(self) -> HardwareCosts:
        """Values of a beat's channels, the memory of totals, lanes, counters."""
        count, width = self.inputs.count, self._totals.format.width
        beats, bits = self.inputs.pixel_beats, len(self._layer.table).bit_length() - 1
        place = (beats - 1).bit_length() + (self._layer.area - 1).bit_length()
        total = table_costs(bits, width).times(count) + HardwareCosts(
            accumulator_bits=width * count,
            register_bits=2 * width * count + 3 * place + self.latency,
            counters=place,
            # Read, joined and written in one clock.
            memories=(MemoryShape(beats, width * count, written=True, registered=False),),
        )
        return sum((lane.costs for lanes in self._lanes for lane in lanes), total)

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return self.beat_pace()

    def elaborate(self, platform: object) -> Module:
        """Values of codes, totals, lanes; all of them move together."""
        m = Module()
        pixel_beats, area = self.inputs.pixel_beats, self._layer.area
        beat, pixel = Signal(range(pixel_beats)), Signal(range(area))
        # The input is counted by beats of a pixel and pixels of the image. Only the beats of the
        # last pixel give a result; those before change the totals and leave nothing.
        ends = beat == pixel_beats - 1
        last = pixel == area - 1
        moves = valid_bits(m, self.i.valid & last, self.latency, self.o)
        m.d.comb += self.i.ready.eq(moves)
        with m.If(moves & self.i.valid):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
            with m.If(ends):
                m.d.sync += pixel.eq(Mux(last, 0, pixel + 1))
        pooled = Module()
        m.submodules.pooled = EnableInserter(moves)(pooled)
        # Clock 1: the tables give the values of a beat, beside its place and whether it begins a
        # total. Clock 2: they are joined with the totals. Then as many clocks as the lanes have.
        marks = Cat(self.i.valid, pixel == 0)
        held = Signal(2)
        place = delayed(pooled, beat, 1, "place")
        pooled.d.sync += held.eq(marks)
        totals = self._add(pooled, held[0], held[1], place, moves)
        turn = delayed(pooled, place, 1, "turn")
        for k, lanes in enumerate(self._lanes):
            for j, (lane, total) in enumerate(zip(lanes, totals, strict=True)):
                pooled.submodules[f"join{k}_{j}"] = lane
                pooled.d.comb += [lane.turn.eq(turn), lane.a0.eq(total)]
                result = delayed(pooled, lane.o, self._depth - lane.latency, f"output{k}_{j}")
                m.d.comb += self.o.payload[str(k)][str(j)].eq(result)
        return m

    def _add(
        self, m: Module, valid: Value, begins: Value, place: Value, moves: Signal
    ) -> list[Value]:
        """The totals of a beat's channels with its values in them, a cycle after these."""
        width = self._totals.format.width
        memory = Memory(
            shape=unsigned(width * self.inputs.count),
            depth=self.inputs.pixel_beats,
            init=(),
            attrs={"ram_style": "distributed"},
        )
        m.submodules.totals = memory
        # Read, joined and written in one clock: the same totals come again as soon as a pixel
        # later, which for two beats a pixel is two clocks.
        reader, writer = memory.read_port(domain="comb"), memory.write_port()
        added: list[Value] = []
        codes = self.i.payload[str(self._layer.stream)]
        for lane in range(self.inputs.count):
            value_table = Table(tuple(self._layer.table.tolist()))
            m.submodules[f"value{lane}"] = value_table
            before = reader.data.word_select(lane, width)
            if self._totals.format.signed:
                before = before.as_signed()
            total = Signal(self._totals.shape, name=f"total{lane}")
            m.d.comb += [
                value_table.i.eq(codes[str(lane)]),
                total.eq(Mux(begins, value_table.o, self._joined(before, value_table.o))),
            ]
            added.append(total)
        m.d.comb += [
            reader.addr.eq(place),
            writer.addr.eq(place),
            writer.data.eq(Cat(added)),
            writer.en.eq(valid & moves),
        ]
        return [delayed(m, total, 1, f"held{lane}") for lane, total in enumerate(added)]

    def _joined(self, total: Value, value: Value) -> Value:
        if self._layer.mode == "sum":
            return total + value
        return Mux(value > total, value, total)


def _payload(layer: PoolingLayer, inputs: Payload) -> Payload:
    """Codes of every requantizer, or sums, as many a beat as come."""
    streams = []
    for requantizer in layer.requantizers:
        format = requantizer.format
        if format is None:
            sums = (requantizer.output_format,) * inputs.count
            return Payload(((),), inputs.pixel_beats, sums, layer.n_out)
        address = Address(format.width, 0, format.count - 1, format.width)
        streams.append((address,) * inputs.count)
    return Payload(tuple(streams), inputs.pixel_beats, length=layer.n_out)
