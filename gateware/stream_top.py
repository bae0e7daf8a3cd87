"""A Program behind valid/ready streams, with back-pressure; or bare."""

from __future__ import annotations

from functools import cached_property

from amaranth.hdl import Module, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect

from kanhw.gateware.chain import stages_of
from kanhw.gateware.core import ProgramCore, input_bits, output_bits
from kanhw.gateware.pace import chain_timing
from kanhw.gateware.stage import Stage
from kanhw.program import Program
from kanhw.schedule import Schedule

__all__ = ["CoreTop", "StreamTop"]


class StreamTop(Component):
    """A Program as a stream processor: a chain of stages.

    Parameters
    ----------
    program, schedule
        As for :func:`~kanhw.gateware.chain.stages_of`.

    Members
    -------
    i : In(stream of n_in codes), feature 0 in the least significant bits
    o : Out(stream of n_out outputs)
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self._program = program
        self._stages = tuple(stages_of(program, schedule))
        sizes = (self._stages[0].inputs.layout.size, self._stages[-1].outputs.layout.size)
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(sizes[0]))),
                "o": Out(stream.Signature(unsigned(sizes[1]))),
            }
        )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What it is made of, in order."""
        return self._stages

    @property
    def latency(self) -> int:
        """Clock edges from an accepted input to its output, without stalls.

        Of the first input, with others right behind it; of images from last beat to last beat.
        """
        return self._timing[0]

    @property
    def initiation_interval(self) -> int:
        """Clocks between two inputs in steady state."""
        return self._timing[1]

    @cached_property
    def _timing(self) -> tuple[int, int]:
        return chain_timing(self._stages)

    def elaborate(self, platform: object) -> Module:
        """Stage behind stage, codes turned to table addresses in front and back behind."""
        m = Module()
        for index, stage in enumerate(self._stages):
            m.submodules[f"stage{index}"] = stage
            if index:
                connect(m, self._stages[index - 1].o, stage.i)
        first, last = self._stages[0], self._stages[-1]
        m.d.comb += [
            Value.cast(first.i.payload).eq(input_bits(self._program, self.i.payload)),
            first.i.valid.eq(self.i.valid),
            self.i.ready.eq(first.i.ready),
            self.o.payload.eq(output_bits(self._program, last.o.payload)),
            self.o.valid.eq(last.o.valid),
            last.o.ready.eq(self.o.ready),
        ]
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

    @property
    def initiation_interval(self) -> int:
        """One."""
        return 1

    def elaborate(self, platform: object) -> Module:
        """The core and nothing else."""
        m = Module()
        m.submodules.core = self._core
        m.d.comb += [
            Value.cast(self._core.i).eq(self.i__payload),
            self.o__payload.eq(Value.cast(self._core.o)),
        ]
        return m
