"""The index of the largest of values that come one a beat."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value

from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import BeatStage, Payload

__all__ = ["SerialArgmax"]


class SerialArgmax(BeatStage):
    """Index of the largest of a vector's values, the lowest among equals.

    Equals :func:`kanhw.program.functions.tables.argmax`.

    Parameters
    ----------
    inputs
        Table addresses, which are in the order of their codes, or sums: one a beat.
    """

    def __init__(self, inputs: Payload) -> None:
        top = inputs.beats - 1
        width = max(top.bit_length(), 1)
        super().__init__(inputs, Payload(((Address(width, 0, top, width),),)))

    @property
    def latency(self) -> int:
        """Clock edges from the last value to the index."""
        return 1

    @property
    def costs(self) -> HardwareCosts:
        """A comparison, the largest, its index and the result, and a counter."""
        width, place = self.inputs.layout.size, max((self.inputs.beats - 1).bit_length(), 1)
        return HardwareCosts(
            adder_bits=width,
            adders=1,
            table_luts=place + 5,
            register_bits=width + 3 * place + 1,
            counters=place,
        )

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return self.beat_pace()

    def elaborate(self, platform: object) -> Module:
        """The largest so far, its index, and the finished result."""
        m = Module()
        value = self.i.payload["0"]["0"]
        place, valid = Signal(range(self.inputs.beats)), Signal()
        largest = Signal.like(value, name="largest", reset_less=True)
        index = Signal(self.o.payload["0"]["0"].shape(), reset_less=True)
        result = Signal.like(index, name="result", reset_less=True)
        last, takes, wins, best = Signal(), Signal(), Signal(), Signal.like(index, name="best")
        free: Value = ~valid | self.o.ready
        m.d.comb += [
            last.eq(place == self.inputs.beats - 1),
            # Only a result that nobody has taken keeps the next one out.
            self.i.ready.eq(~last | free),
            takes.eq(self.i.valid & self.i.ready),
            wins.eq((place == 0) | (value > largest)),
            best.eq(Mux(wins, place, index)),
            self.o.valid.eq(valid),
            self.o.payload["0"]["0"].eq(result),
        ]
        # `largest` and `index` belong to the vector that arrives, `result` to the one before: this
        # may wait for its consumer while the next vector comes in.
        with m.If(free):
            m.d.sync += valid.eq(takes & last)
        with m.If(takes):
            m.d.sync += [place.eq(Mux(last, 0, place + 1)), index.eq(best)]
            with m.If(wins):
                m.d.sync += largest.eq(value)
            with m.If(last):
                m.d.sync += result.eq(best)
        return m
