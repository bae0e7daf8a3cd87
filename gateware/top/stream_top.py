"""A Program behind valid/ready streams, with back-pressure; or bare."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out, connect, flipped

from kanhw.design.design import Port
from kanhw.errors import InputError
from kanhw.gateware.heads.head_stream import HeadStream
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.stage import Stage
from kanhw.gateware.stream.timing import chain_timing
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore, input_bits, output_bits
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule

__all__ = ["CoreTop", "StreamTop", "ports_of"]


class StreamTop(Component):
    """A Program as a stream processor: a chain of stages.

    With several heads every beat of an input says, above its codes, which of them the vector is
    for; the first beat of a vector counts, and a number beyond the last head means the last.

    Parameters
    ----------
    program, schedule
        As for :func:`~kanhw.gateware.top.chain.stages_of`.

    Members
    -------
    i : In(stream of n_in codes), feature 0 in the least significant bits
    o : Out(stream of n_out outputs)
    write, commit, busy, hit
        Only where heads can be written; as those of
        :class:`~kanhw.gateware.heads.head_stream.HeadStream`.
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        _check_heads(program, schedule)
        self._program = program
        self._stages = tuple(stages_of(program, schedule))
        self._heads = None
        if program.encoders is not None:
            self._heads = HeadStream(program.heads, self._stages)
        sizes = (self._stages[0].inputs.layout.size, self._stages[-1].outputs.layout.size)
        head_bits = self._heads.head_bits if self._heads else 0
        writes = {}
        if self._heads and self._heads.writable:
            members = self._heads.signature.members
            writes = {name: members[name] for name in ("write", "commit", "busy", "hit")}
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(sizes[0] + head_bits))),
                "o": Out(stream.Signature(unsigned(sizes[1]))),
                **writes,
            }
        )

    @property
    def heads(self) -> HeadStream | None:
        """The part that gives vectors their heads; None for a network without."""
        return self._heads

    @property
    def control_bits(self) -> int:
        """Address bits of the port through which heads are written; 0 where there is none."""
        return self._heads.map.address_bits if self._heads and self._heads.writable else 0

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages, in order."""
        return self._stages

    @property
    def costs(self) -> HardwareCosts:
        """Of all stages; those with heads count the queues in front of them."""
        return sum((stage.costs for stage in self._stages), HardwareCosts())

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
        """Stage behind stage; codes become table addresses in front, and codes again behind."""
        m = Module()
        for index, stage in enumerate(self._stages):
            m.submodules[f"stage{index}"] = stage
            if index:
                connect(m, self._stages[index - 1].o, stage.i)
        first, last = self._stages[0], self._stages[-1]
        codes = self.i.payload[: first.inputs.layout.size]
        room: Value = Const(1, 1)
        if self._heads is not None:
            room = self._connect_heads(m, self._heads, self.i.payload[len(codes) :])
        m.d.comb += [
            Value.cast(first.i.payload).eq(input_bits(self._program, codes)),
            first.i.valid.eq(self.i.valid & room),
            self.i.ready.eq(first.i.ready & room),
            self.o.payload.eq(output_bits(self._program, last.o.payload)),
            self.o.valid.eq(last.o.valid),
            last.o.ready.eq(self.o.ready),
        ]
        return m

    def _connect_heads(self, m: Module, heads: HeadStream, head: Value) -> Value:
        """Banks beside the stages; gives whether a beat may enter."""
        m.submodules.heads = heads
        resident = [stage for stage in self._stages if isinstance(stage, ResidentStage)]
        begins = _first_beat(m, "entering", self._stages[0].inputs.beats, self.i)
        last = resident[-1]
        ends = _last_beat(m, "leaving", last.outputs.beats, last.o)
        room = heads.ready | ~begins
        m.d.comb += [
            heads.head.eq(head),
            heads.enters.eq(self.i.valid & self._stages[0].i.ready & heads.ready & begins),
            heads.leaves.eq(last.o.valid & last.o.ready & ends),
        ]
        for k, stage in enumerate(resident):
            connect(m, getattr(heads, f"bank{k}"), stage.bank)
            connect(m, stage.passed, getattr(heads, f"passed{k}"))
            if stage.layer.writable is not None:
                m.d.comb += [
                    stage.w_enable.eq(getattr(heads, f"w_enable{k}")),
                    stage.w_bank.eq(heads.w_bank),
                    stage.w_address.eq(heads.w_address),
                    stage.w_data.eq(heads.w_data),
                ]
        if heads.writable:
            for name in ("write", "commit"):
                connect(m, flipped(getattr(self, name)), getattr(heads, name))
            m.d.comb += [self.busy.eq(heads.busy), self.hit.eq(heads.hit)]
        return room


def _check_heads(program: Program, schedule: Schedule) -> None:
    if program.encoders is not None and not schedule.folded:
        raise InputError(
            "Heads are in memories, which only the folded schedule has: use kind='folded', or make "
            "a design of each head, program.head(h)"
        )


def _first_beat(m: Module, name: str, beats: int, beat: Any) -> Value:
    """A bit: the next beat of a stream is the first of its vector."""
    return _place(m, name, beats, beat) == 0


def _last_beat(m: Module, name: str, beats: int, beat: Any) -> Value:
    """A bit: the next beat of a stream is the last of its vector."""
    return _place(m, name, beats, beat) == beats - 1


def _place(m: Module, name: str, beats: int, beat: Any) -> Signal:
    place = Signal(range(max(beats, 2)), name=name)
    if beats > 1:
        with m.If(beat.valid & beat.ready):
            m.d.sync += place.eq(Mux(place == beats - 1, 0, place + 1))
    return place


def ports_of(top: StreamTop, program: Program) -> tuple[Port, Port]:
    """The two payloads as their user sees them."""
    payloads = top.stages[0].inputs, top.stages[-1].outputs
    formats = program.input.format, program.output_format
    inputs, outputs = (
        Port(payload.count, format, payload.beats, payload.length, heads=heads)
        for payload, format, heads in zip(payloads, formats, (program.heads, 1), strict=True)
    )
    return inputs, outputs


class CoreTop(Component):
    """A Program without a handshake: a vector at every clock.

    Members
    -------
    i__payload : In(n_in codes)
    o__payload : Out(n_out outputs), ``latency`` cycles later
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        _check_heads(program, schedule)
        self._core = ProgramCore(program, schedule)
        super().__init__(
            {
                "i__payload": In(unsigned(self._core.i.shape().size)),
                "o__payload": Out(unsigned(self._core.o.shape().size)),
            }
        )

    @property
    def costs(self) -> HardwareCosts:
        """Of the core."""
        return self._core.costs

    @property
    def control_bits(self) -> int:
        """None: there are no heads."""
        return 0

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
