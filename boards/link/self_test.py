"""The self-test: the network at full speed, without the link."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.boards.link.linear import linear
from kanhw.boards.protocol.signatures import (
    LANE_BITS,
    SIGNATURE_START,
    folded,
    lane_seeds,
    lanes_of,
    step,
)

__all__ = ["SelfTest"]


class SelfTest(Component):
    """Stands before and behind the network, and gives it vectors of its own where it is asked.

    It computes ``signature_of`` what the network makes of ``generated_beats``
    (:mod:`kanhw.boards.protocol.signatures`), a beat at every clock in which the network takes or
    gives one. At other times it hands on what comes.

    Parameters
    ----------
    inputs, outputs
        Bits of a beat of the network.
    filling
        Bits of the last beat of a vector's outputs that mean nothing, the upper ones.
    beats
        Of a vector's outputs.

    Members
    -------
    i : In(stream(inputs)), o : Out(stream(outputs))
        Those of the link.
    network_i : Out(stream(inputs)), network_o : In(stream(outputs))
        Those of the network.
    start : In(1)
        Begin; the network holds nothing.
    argument : In(8), shift : In(1)
        The bytes of a request, in front of ``start``: beats to feed, and beats to wait for.
    testing : Out(1)
        It runs.
    to_take, to_give, clocks, misr : Out
        See :class:`kanhw.boards.protocol.messages.Status`; ``misr`` is its signature.
    """

    def __init__(self, inputs: int, outputs: int, filling: int = 0, beats: int = 1) -> None:
        self._inputs, self._outputs = inputs, outputs
        self._filling, self._beats = filling, beats
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(inputs))),
                "o": Out(stream.Signature(unsigned(outputs))),
                "network_i": Out(stream.Signature(unsigned(inputs))),
                "network_o": In(stream.Signature(unsigned(outputs))),
                "start": In(1),
                "argument": In(8),
                "shift": In(1),
                "testing": Out(1),
                "to_take": Out(32),
                "to_give": Out(32),
                "clocks": Out(32),
                "misr": Out(32, init=SIGNATURE_START),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Switches in front and behind, the generator, the signature and the counters."""
        m = Module()
        # Whether a beat is left to feed is known a clock ahead, so the network waits for no sum.
        more, begun = Signal(), Signal()
        generated, takes, gives = Signal(self._inputs), Signal(), Signal()
        m.d.comb += [
            self.network_i.valid.eq(Mux(self.testing, more, self.i.valid)),
            self.network_i.payload.eq(Mux(self.testing, generated, self.i.payload)),
            self.i.ready.eq(~self.testing & self.network_i.ready),
            self.o.valid.eq(~self.testing & self.network_o.valid),
            self.o.payload.eq(self.network_o.payload),
            self.network_o.ready.eq(self.testing | self.o.ready),
            takes.eq(self.testing & more & self.network_i.ready),
            gives.eq(self.testing & self.network_o.valid),
        ]
        self._generate(m, generated, takes)
        self._sign(m, gives)
        with m.If(takes):
            m.d.sync += [
                self.to_take.eq(self.to_take - 1),
                more.eq(self.to_take != 1),
                begun.eq(1),
            ]
        with m.If(gives):
            m.d.sync += self.to_give.eq(self.to_give - 1)
            with m.If(self.to_give == 1):
                m.d.sync += self.testing.eq(0)
        with m.If(self.testing & (takes | begun)):
            m.d.sync += self.clocks.eq(self.clocks + 1)
        with m.If(self.shift):
            counts = Cat(self.to_take, self.to_give)
            m.d.sync += counts.eq(Cat(counts[8:], self.argument))
        with m.If(self.start):
            m.d.sync += [
                self.testing.eq(self.to_give != 0),
                more.eq(self.to_take != 0),
                begun.eq(0),
                self.clocks.eq(0),
            ]
        return m

    def _generate(self, m: Module, generated: Signal, takes: Value) -> None:
        seeds = lane_seeds(lanes_of(self._inputs))
        lanes = [Signal(LANE_BITS, init=seed, name=f"lane{k}") for k, seed in enumerate(seeds)]
        m.d.comb += generated.eq(Cat(*lanes))
        for k, lane in enumerate(lanes):
            with m.If(takes):
                m.d.sync += lane.eq(linear(step, lanes[k - 1], LANE_BITS))
            with m.If(self.start):
                m.d.sync += lane.eq(lane.init)

    def _sign(self, m: Module, gives: Value) -> None:
        """Fold a beat, and a clock later add it to the stepped signature."""
        beat = Signal(self._outputs)
        m.d.comb += beat.eq(self.network_o.payload)
        if self._filling:
            place = Signal(range(max(self._beats, 2)))
            last = place == self._beats - 1
            with m.If(gives):
                m.d.sync += place.eq(Mux(last, 0, place + 1))
            with m.If(self.start):
                m.d.sync += place.eq(0)
            with m.If(last):
                m.d.comb += beat[self._outputs - self._filling :].eq(0)
        fold, folds = Signal(32), Signal()
        m.d.sync += [fold.eq(linear(folded, beat, 32)), folds.eq(gives)]
        with m.If(folds):
            m.d.sync += self.misr.eq(linear(step, self.misr, 32) ^ fold)
        with m.If(self.start):
            m.d.sync += self.misr.eq(SIGNATURE_START)
