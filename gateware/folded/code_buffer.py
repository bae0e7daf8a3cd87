"""The input codes of a folded layer: two vectors, of which one is read over and over."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

__all__ = ["CodeBuffer"]


class CodeBuffer(Component):
    """Takes vectors beat by beat and gives each of them ``groups`` times, beat by beat.

    One vector is read while the next is written. Given every clock, a vector takes
    ``beats * groups`` of them; its first beat comes :attr:`latency` clocks after its last arrived.

    Parameters
    ----------
    width
        Bits of a beat.
    beats, groups
        Beats of a vector, and how often it is given.

    Members
    -------
    i : In(stream of unsigned(width))
    o : Out(stream of a struct): ``codes``; ``step`` counts from 0 to beats * groups - 1; ``first``
        and ``last`` mark the ends of every repetition
    """

    def __init__(self, width: int, beats: int, groups: int) -> None:
        self._beats = beats
        self._steps = beats * groups
        self.step_bits = max((self._steps - 1).bit_length(), 1)
        layout = {
            "codes": unsigned(width),
            "step": unsigned(self.step_bits),
            "first": unsigned(1),
            "last": unsigned(1),
        }
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(width))),
                "o": Out(stream.Signature(data.StructLayout(layout))),
            }
        )

    @property
    def latency(self) -> int:
        """Clock edges from the one that accepts a vector's last beat to that of its first."""
        return 2

    def elaborate(self, platform: object) -> Module:
        """A memory of two banks; places and vectors counted at both ends."""
        m = Module()
        bits = max((self._beats - 1).bit_length(), 1)
        m.submodules.memory = memory = Memory(
            shape=self.i.payload.shape(), depth=2 << bits, init=()
        )
        writer, reader = memory.write_port(), memory.read_port()
        # At both ends: the beat within the vector, and the vectors so far modulo 4. Their lowest
        # bit is the bank; modulo 4 tells two full banks from none.
        place, written = Signal(bits, name="write_place"), Signal(2)
        there, taken = Signal(bits, name="read_place"), Signal(2)
        step = Signal(self.step_bits)
        accepts, moves, reads = Signal(), Signal(), Signal()
        m.d.comb += [
            # The two banks are full where the vectors differ by two.
            self.i.ready.eq(written != taken ^ 2),
            accepts.eq(self.i.valid & self.i.ready),
            writer.en.eq(accepts),
            writer.addr.eq(Cat(place, written[0])),
            writer.data.eq(self.i.payload),
            # The output register is free, or becomes free with this clock. Only whole vectors are
            # read: nothing of one that is still arriving.
            moves.eq(~self.o.valid | self.o.ready),
            reads.eq(moves & (written != taken)),
            reader.en.eq(moves),
            reader.addr.eq(Cat(there, taken[0])),
        ]
        with m.If(accepts):
            _advance(m, place, place == self._beats - 1, written)
        first, last = there == 0, there == self._beats - 1
        ends = step == self._steps - 1
        # `there` goes around once a group, `step` once a vector, whose bank is free with the last.
        with m.If(reads):
            m.d.sync += [
                there.eq(Mux(last, 0, there + 1)),
                step.eq(Mux(ends, 0, step + 1)),
            ]
            with m.If(ends):
                m.d.sync += taken.eq(taken + 1)
        # The memory answers a clock after its address: the marks of a step wait in registers for
        # its codes. Both keep their values while nobody takes them.
        valid = Signal()
        marks = Signal(self.step_bits + 2, reset_less=True)
        with m.If(moves):
            m.d.sync += [valid.eq(reads), marks.eq(Cat(step, first, last))]
        m.d.comb += [
            self.o.valid.eq(valid),
            Value.cast(self.o.payload).eq(Cat(reader.data, marks)),
        ]
        return m


def _advance(m: Module, place: Signal, last: Value, vector: Signal) -> None:
    m.d.sync += place.eq(Mux(last, 0, place + 1))
    with m.If(last):
        m.d.sync += vector.eq(vector + 1)
