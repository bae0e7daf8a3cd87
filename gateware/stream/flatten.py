"""Images to vectors."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module, Signal

from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import BeatStage, Payload

__all__ = ["GatherStage"]


class GatherStage(BeatStage):
    """Collects the pixels of an image into one vector, in the order channel, row, column.

    Takes a pixel a clock. The vector waits in the shift registers that collected it, and is
    handed on at the earliest together with the first pixel of the next image.

    Parameters
    ----------
    inputs
        One pixel a beat, two beats at least.
    """

    def __init__(self, inputs: Payload) -> None:
        streams = tuple(
            tuple(address for address in stream for _ in range(inputs.beats))
            for stream in inputs.streams
        )
        sums = tuple(format for format in inputs.sums for _ in range(inputs.beats))
        super().__init__(inputs, replace(inputs, streams=streams, beats=1, sums=sums))

    @property
    def latency(self) -> int:
        """Clock edges from the last pixel to the vector."""
        return 1

    @property
    def costs(self) -> HardwareCosts:
        """Shift registers, and a counter."""
        count = (self.inputs.beats - 1).bit_length()
        return HardwareCosts(
            table_luts=4, register_bits=self.outputs.layout.size + count + 1, counters=count
        )

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return self.beat_pace()

    def elaborate(self, platform: object) -> Module:
        """A shift register for every channel."""
        m = Module()
        beats = self.inputs.beats
        count, valid, takes = Signal(range(beats)), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
            takes.eq(self.i.valid & self.i.ready),
        ]
        # The shift registers are the output: the next image may enter in the clock in which they
        # are taken, and not before.
        with m.If(takes):
            m.d.sync += [count.eq(count + 1), valid.eq(0)]
            with m.If(count == beats - 1):
                m.d.sync += [count.eq(0), valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        for k, layout in self.inputs.layout.members.items():
            for channel, (name, shape) in enumerate(layout.members.items()):
                value = self.i.payload[k][name]
                # The newest pixel enters at the last place, and everything moves up by one.
                for beat in reversed(range(beats)):
                    pixel = Signal(shape, name=f"stream{k}_{channel}_{beat}", reset_less=True)
                    with m.If(takes):
                        m.d.sync += pixel.eq(value)
                    m.d.comb += self.o.payload[k][str(channel * beats + beat)].eq(pixel)
                    value = pixel
        return m
