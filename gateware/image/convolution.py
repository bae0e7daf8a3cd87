"""Convolution: a layer of tables on every window of an image."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module, Value
from amaranth.lib import data

from kanhw.errors import InputError
from kanhw.gateware.image.line_buffer import LineBuffer
from kanhw.gateware.image.windowed_stage import WindowedStage
from kanhw.gateware.parts.address import Address
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.unrolled.basis_table import BasisTableCore
from kanhw.gateware.unrolled.codebook import CodebookCore
from kanhw.gateware.unrolled.edge_table import EdgeTableCore
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.spline_evaluator import SplineEvaluatorCore
from kanhw.program import ConvolutionLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["TAP_CORES", "ConvolutionStage"]

# The realisations of the layer of one window, all of which know of absent inputs.
TAP_CORES: dict[str, type[LayerCore]] = {
    "edge_table": EdgeTableCore,
    "basis_table": BasisTableCore,
    "codebook": CodebookCore,
    "spline_evaluator": SplineEvaluatorCore,
}


class ConvolutionStage(WindowedStage):
    """A layer of tables behind a line buffer: takes and gives an image pixel by pixel.

    Equals :class:`kanhw.program.ConvolutionLayer`. The layer of one window is unrolled and takes a
    window a clock. Where a tap is padding, the registers behind its tables load what adds nothing;
    taps that are never padding have no such hardware.

    Parameters
    ----------
    layer
        The convolution.
    inputs
        One pixel a beat.
    schedule
        Registers.
    as_codes
        Which streams must leave as codes.
    """

    def __init__(
        self,
        layer: ConvolutionLayer,
        inputs: Payload,
        schedule: Schedule,
        as_codes: tuple[bool, ...],
    ) -> None:
        self._layer = layer
        # In the order in which they sit in a pixel of the line buffer.
        self._read = sorted(set(layer.streams))
        widths = [address.width for k in self._read for address in inputs.streams[k]]
        buffer = LineBuffer(layer.window, sum(widths))
        padded = buffer.raster.padded.ravel().tolist()
        taps = tuple(
            _taps(stream, padded) if k in self._read else ()
            for k, stream in enumerate(inputs.streams)
        )
        core = _core_of(layer)(layer.taps, taps, schedule, as_codes=as_codes)
        super().__init__(inputs, buffer, core)

    def elaborate(self, platform: object) -> Module:
        """The line buffer, and its taps in the order of the layer's inputs."""
        m = Module()
        pixel = [Value.cast(self.i.payload[str(k)]) for k in self._read]
        window = self.join(m, pixel)
        members = self.inputs.layout.members
        layout = data.StructLayout({str(k): members[str(k)] for k in self._read})
        channels, (rows, columns) = self._layer.window.shape[0], self._layer.window.size
        for place in range(rows * columns):
            taken = data.View(layout, window.taps[place // columns][place % columns])
            for channel in range(channels):
                tap = channel * rows * columns + place
                for k in self._read:
                    port = getattr(self.core, f"i{k}")[str(tap)]
                    m.d.comb += port.eq(taken[str(k)][str(channel)])
                if self.raster.padded.ravel()[place]:
                    m.d.comb += self.core.pad[tap].eq(window.pad[place])
        return m


def _core_of(layer: ConvolutionLayer) -> type[LayerCore]:
    core = TAP_CORES.get(layer.taps.kind)
    if core is None:
        raise InputError(
            f"Layer {layer.name!r}: no hardware of layers of kind {layer.taps.kind!r} knows of the "
            f"absent inputs of windows, which that of {', '.join(TAP_CORES)} does: use one of "
            "these, or fold the convolution"
        )
    return core


def _taps(stream: tuple[Address, ...], padded: list[bool]) -> tuple[Address, ...]:
    """Addresses of the taps of a window, in the order channel, row, column."""
    return tuple(replace(address, padded=flag) for address in stream for flag in padded)
