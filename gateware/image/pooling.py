"""Pooling over windows, and over whole images."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal, Value
from amaranth.lib import data

from kanhw.gateware.image.line_buffer import LineBuffer
from kanhw.gateware.image.pooling_core import ChannelValues, PoolingCore
from kanhw.gateware.image.windowed_stage import WindowedStage
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.stream.valid_bits import valid_bits
from kanhw.program import PoolingLayer
from kanhw.schedule.formula import Formula
from kanhw.schedule.schedule import Schedule

__all__ = ["GlobalPoolingStage", "PoolingStage"]


class PoolingStage(WindowedStage):
    """Sums or largest values of windows: takes and gives an image pixel by pixel.

    Equals :class:`kanhw.program.PoolingLayer`. The value of a code is looked up in front of the
    line buffer, once per pixel.

    Parameters
    ----------
    layer
        The pooling.
    inputs
        One pixel a beat.
    schedule
        Registers.
    as_codes
        Which streams must leave as codes.
    """

    def __init__(
        self, layer: PoolingLayer, inputs: Payload, schedule: Schedule, as_codes: tuple[bool, ...]
    ) -> None:
        self._layer = layer
        self._values = ChannelValues(layer, inputs.streams[layer.stream])
        self._pixel = data.StructLayout(
            {str(c): range.shape for c, range in enumerate(self._values.ranges)}
        )
        core = PoolingCore(layer, self._values, schedule, as_codes=as_codes, gathered=False)
        super().__init__(inputs, LineBuffer(layer.window, self._pixel.size), core)

    @property
    def costs(self) -> HardwareCosts:
        """Values in front of what any layer of windows has."""
        return super().costs + self._values.costs(registered=False)

    def elaborate(self, platform: object) -> Module:
        """Values, line buffer, pooling."""
        m = Module()
        # The registers of the line buffer are those of the tables.
        values = self._values.look_up(m, _pixel(self, self._layer), registered=False)
        window = self.join(m, values)
        area, columns = self._layer.area, self._layer.window.size[1]
        for tap in range(area):
            pixel = data.View(self._pixel, window.taps[tap // columns][tap % columns])
            for channel in range(len(values)):
                port = self.core.i0[str(channel * area + tap)]
                m.d.comb += port.eq(pixel[str(channel)])
        return m


class GlobalPoolingStage(Stage):
    """Sum or largest value of whole images: takes an image pixel by pixel, gives a vector.

    Equals :class:`kanhw.program.PoolingLayer` with a window of the size of the image. An
    accumulator per channel and no memory.

    Parameters
    ----------
    layer, inputs, schedule, as_codes
        As for :class:`PoolingStage`.
    """

    def __init__(
        self, layer: PoolingLayer, inputs: Payload, schedule: Schedule, as_codes: tuple[bool, ...]
    ) -> None:
        self._layer = layer
        self._registered = schedule.tables_registered
        self._values = ChannelValues(layer, inputs.streams[layer.stream])
        self._core = PoolingCore(layer, self._values, schedule, as_codes=as_codes, gathered=True)
        super().__init__(inputs, self._core.payload)

    @property
    def latency(self) -> int:
        """Clock edges from an image's last pixel to its vector."""
        return int(self._registered) + 1 + self._core.latency

    @property
    def initiation_interval(self) -> int:
        """A clock per pixel."""
        return self._layer.area

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock per beat, and those of its registers."""
        return Formula.of(self.inputs.beats), Formula.of(self.latency)

    @property
    def costs(self) -> HardwareCosts:
        """Values, a total for every channel, what makes codes of these, and a counter."""
        count = (self._layer.area - 1).bit_length()
        widths = sum(reach.format.width for reach in self._core.ranges)
        most = self._layer.mode == "max"
        return (
            self._core.own_costs
            + self._values.costs(registered=self._registered)
            + HardwareCosts(
                accumulator_bits=widths * (1 + most),
                table_luts=2,
                register_bits=widths + count + self.latency + 2 * self._registered,
                counters=count,
            )
        )

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return self.beat_pace()

    def elaborate(self, platform: object) -> Module:
        """Values, accumulators, and what makes codes of these; all of them move together."""
        m = Module()
        # Pixels are counted; the pipeline gives a result for the last only, and all of it, tables,
        # totals and requantizers, is stalled where nobody takes that.
        count = Signal(range(self._layer.area))
        last = count == self._layer.area - 1
        moves = valid_bits(m, self.i.valid & last, self.latency, self.o)
        m.d.comb += self.i.ready.eq(moves)
        with m.If(moves & self.i.valid):
            m.d.sync += count.eq(Mux(last, 0, count + 1))
        pooled = Module()
        m.submodules.pooling = EnableInserter(moves)(pooled)
        pooled.submodules.core = self._core
        values = self._values.look_up(
            pooled, _pixel(self, self._layer), registered=self._registered
        )
        # Whether a pixel is there, and whether it is the first, beside its values: a clock later
        # where the tables have a register.
        present: Value = self.i.valid
        begins: Value = count == 0
        if self._registered:
            flags = Signal(2)
            pooled.d.sync += flags.eq(Cat(present, begins))
            present, begins = flags[0], flags[1]
        for channel, value in enumerate(values):
            total = Signal(
                self._core.ranges[channel].shape, name=f"total{channel}", reset_less=True
            )
            with pooled.If(present):
                pooled.d.sync += total.eq(Mux(begins, value, self._added(total, value)))
            pooled.d.comb += self._core.i0[str(channel)].eq(total)
        for k in range(len(self._core.layer.requantizers)):
            m.d.comb += self.o.payload[str(k)].eq(getattr(self._core, f"o{k}"))
        return m

    def _added(self, total: Value, value: Value) -> Value:
        if self._layer.mode == "sum":
            return total + value
        return Mux(value > total, value, total)


def _pixel(stage: Stage, layer: PoolingLayer) -> list[Value]:
    """The addresses that a pooling layer reads."""
    stream = stage.i.payload[str(layer.stream)]
    return [stream[str(channel)] for channel in range(layer.window.shape[0])]
