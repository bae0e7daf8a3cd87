"""A Program behind valid/ready streams, with back-pressure."""

from __future__ import annotations

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.core import ProgramCore
from kanhw.program import Program
from kanhw.schedule import Schedule

__all__ = ["CoreTop", "StreamTop"]


class StreamTop(Component):
    """A Program as a stream processor: one inference per clock, stalled as a whole.

    The pipeline moves unless its last stage holds a result that nobody takes. Only the valid bits
    are reset; what the datapath holds then is never handed out.

    Parameters
    ----------
    program, schedule
        As for :class:`~kanhw.gateware.core.ProgramCore`.

    Members
    -------
    i : In(stream of n_in codes), feature 0 in the least significant bits
    o : Out(stream of n_out outputs)
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self._core = ProgramCore(program, schedule)
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(self._core.i.shape().size))),
                "o": Out(stream.Signature(unsigned(self._core.o.shape().size))),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted input to its output, without stalls."""
        return self._core.latency

    def elaborate(self, platform: object) -> Module:
        """The core, and a valid bit for each of its stages."""
        m = Module()
        moves = Signal()
        valid = Signal(self.latency)
        m.submodules.core = EnableInserter(moves)(self._core)
        m.d.comb += [
            self.o.valid.eq(valid[-1]),
            moves.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(moves),
            Value.cast(self._core.i).eq(self.i.payload),
            self.o.payload.eq(Value.cast(self._core.o)),
        ]
        with m.If(moves):
            m.d.sync += valid.eq(Cat(self.i.valid, valid)[: self.latency])
        return m


class CoreTop(Component):
    """A Program without a handshake: a vector at every clock.

    Members
    -------
    i__payload : In(n_in codes)
    o__payload : Out(n_out outputs), ``latency`` cycles later
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self._core = ProgramCore(program, schedule)
        super().__init__(
            {
                "i__payload": In(unsigned(self._core.i.shape().size)),
                "o__payload": Out(unsigned(self._core.o.shape().size)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an input to its output."""
        return self._core.latency

    def elaborate(self, platform: object) -> Module:
        """The core and nothing else."""
        m = Module()
        m.submodules.core = self._core
        m.d.comb += [
            Value.cast(self._core.i).eq(self.i__payload),
            self.o__payload.eq(Value.cast(self._core.o)),
        ]
        return m
