"""The frame of stages that have a line buffer in front of their layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, EnableInserter, Module, Value

from kanhw.gateware.image.line_buffer import LineBuffer
from kanhw.gateware.image.window_pace import LinePace
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.stream.valid_bits import valid_bits
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.schedule.formula import Formula
from kanhw.schedule.raster import Raster

__all__ = ["WindowedStage"]


class WindowedStage(Stage):
    """A line buffer and a pipeline of windows: takes and gives an image pixel by pixel.

    Parameters
    ----------
    inputs
        One pixel a beat.
    buffer
        The line buffer.
    core
        What becomes of a window; it takes one a clock.
    """

    def __init__(self, inputs: Payload, buffer: LineBuffer, core: LayerCore) -> None:
        self._buffer = buffer
        self._core = core
        positions = buffer.raster.window.positions
        super().__init__(inputs, replace(core.payload, beats=positions))

    @property
    def raster(self) -> Raster:
        """The slots in which the line buffer reads pixels and completes windows."""
        return self._buffer.raster

    @property
    def core(self) -> LayerCore:
        """The layer of one window."""
        return self._core

    @property
    def latency(self) -> int:
        """Clock edges from an image's last pixel to that of its output.

        Where the last window is complete earlier, that of pixels at every clock.
        """
        return self._buffer.latency + self._core.latency

    @property
    def initiation_interval(self) -> int:
        """Clocks per image: those of the line buffer."""
        return self._buffer.interval

    @property
    def reads_windows(self) -> bool:
        """Windows are complete when their last pixel has come."""
        return True

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock per pixel and per gap between rows; the line buffer, and the layer behind it."""
        rows, columns = (Formula.of(axis.slots) for axis in self.raster.axes)
        return rows * columns, Formula.of(self._buffer.latency) + self._core.latency

    @property
    def costs(self) -> HardwareCosts:
        """The line buffer, the layer of a window, and its valid bits."""
        valid = HardwareCosts(table_luts=1, register_bits=self._core.latency)
        return self._buffer.costs + self._core.own_costs + valid

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return LinePace(self.raster, self._core.latency)

    def join(self, m: Module, pixel: list[Value]) -> Any:
        """Line buffer and pipeline between the two streams; gives the payload of a window.

        ``pixel`` is what goes into the line buffer.
        """
        buffer, core = self._buffer, self._core
        moves = valid_bits(m, buffer.o.valid, core.latency, self.o)
        m.submodules.buffer = buffer
        m.submodules.windows = EnableInserter(moves)(core)
        m.d.comb += [
            buffer.i.valid.eq(self.i.valid),
            buffer.i.payload.eq(Cat(pixel)),
            self.i.ready.eq(buffer.i.ready),
            buffer.o.ready.eq(moves),
        ]
        for k in range(len(core.layer.requantizers)):
            m.d.comb += self.o.payload[str(k)].eq(getattr(core, f"o{k}"))
        return buffer.o.payload
