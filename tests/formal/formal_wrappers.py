"""What turns components with more ports than two streams into components with two."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out


class Stuck(Component):
    """A component with a fault: it gives one output, and never another."""

    def __init__(self, unit):
        self.unit = unit
        super().__init__(
            {
                "i": In(stream.Signature(unit.i.payload.shape())),
                "o": Out(stream.Signature(unit.o.payload.shape())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        stuck = Signal()
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += stuck.eq(1)
        m.d.comb += [
            unit.i.payload.eq(self.i.payload),
            unit.i.valid.eq(self.i.valid),
            self.i.ready.eq(unit.i.ready),
            self.o.payload.eq(unit.o.payload),
            self.o.valid.eq(unit.o.valid & ~stuck),
            unit.o.ready.eq(self.o.ready & ~stuck),
        ]
        return m


class MarkedSteps(Component):
    """A folded layer whose codes are free; the places of its steps are counted."""

    def __init__(self, unit, fold):
        self.unit, self._fold = unit, fold
        self._codes = unit.i.payload.codes.shape().size
        super().__init__(
            {
                "i": In(stream.Signature(self._codes)),
                "o": Out(stream.Signature(unit.o.payload.shape())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        fold = self._fold
        step, beat = Signal(range(fold.steps)), Signal(range(fold.beats))
        first, last = beat == 0, beat == fold.beats - 1
        with m.If(unit.i.valid & unit.i.ready):
            m.d.sync += [
                step.eq(Mux(step == fold.steps - 1, 0, step + 1)),
                beat.eq(Mux(last, 0, beat + 1)),
            ]
        m.d.comb += [
            unit.i.payload.codes.as_value().eq(self.i.payload),
            unit.i.payload.step.eq(step),
            unit.i.payload.first.eq(first),
            unit.i.payload.last.eq(last),
            unit.i.valid.eq(self.i.valid),
            self.i.ready.eq(unit.i.ready),
            self.o.payload.eq(unit.o.payload),
            self.o.valid.eq(unit.o.valid),
            unit.o.ready.eq(self.o.ready),
        ]
        return m


class BankedVectors(Component):
    """A stage with heads: any bank for every vector, offered until it is taken.

    Its outputs are given, or the banks that it passes on; the other of them is taken by ``beside``.
    """

    def __init__(self, unit, *, passed):
        self.unit, self._passed = unit, passed
        given = unit.passed if passed else unit.o
        super().__init__(
            {
                "i": In(stream.Signature(unit.i.payload.shape())),
                "o": Out(stream.Signature(given.payload.shape())),
                "next_bank": In(len(unit.bank.payload)),
                "beside": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        given, other = (unit.passed, unit.o) if self._passed else (unit.o, unit.passed)
        with m.If(unit.bank.ready):
            m.d.sync += unit.bank.payload.eq(self.next_bank)
        m.d.comb += [
            unit.bank.valid.eq(1),
            unit.i.payload.eq(self.i.payload),
            unit.i.valid.eq(self.i.valid),
            self.i.ready.eq(unit.i.ready),
            self.o.payload.eq(given.payload),
            self.o.valid.eq(given.valid),
            given.ready.eq(self.o.ready),
            other.ready.eq(self.beside),
        ]
        return m


class Banks(Component):
    """The banks of vectors that go through stages with heads at once: from queue to queue."""

    def __init__(self, unit, stages):
        self.unit, self._stages = unit, stages
        super().__init__(
            {
                "i": In(stream.Signature(unit.head.shape())),
                "o": Out(stream.Signature(unit.bank0.payload.shape())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        m.d.comb += [
            unit.head.eq(self.i.payload),
            unit.enters.eq(self.i.valid & unit.ready),
            self.i.ready.eq(unit.ready),
            unit.leaves.eq(self.o.valid & self.o.ready),
        ]
        for k in range(self._stages):
            bank, passed = getattr(unit, f"bank{k}"), getattr(unit, f"passed{k}")
            ready = passed.ready
            if k == self._stages - 1:
                m.d.comb += [self.o.payload.eq(bank.payload), self.o.valid.eq(bank.valid)]
                ready = self.o.ready
            m.d.comb += [
                passed.payload.eq(bank.payload),
                passed.valid.eq(bank.valid & ready),
                bank.ready.eq(ready),
            ]
        return m


class AxiStreams(Component):
    """The two sides of AXI4-Stream as streams; tlast and tuser are parts of the payload."""

    def __init__(self, unit):
        self.unit = unit
        self._side = [unit.s_axis_tlast]
        if "s_axis_tuser" in unit.signature.members:
            self._side.append(unit.s_axis_tuser)
        width = len(unit.s_axis_tdata) + sum(map(len, self._side))
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "o": Out(stream.Signature(len(unit.m_axis_tdata) + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        m.d.comb += [
            Cat(unit.s_axis_tdata, *self._side).eq(self.i.payload),
            unit.s_axis_tvalid.eq(self.i.valid),
            self.i.ready.eq(unit.s_axis_tready),
            self.o.payload.eq(Cat(unit.m_axis_tdata, unit.m_axis_tlast)),
            self.o.valid.eq(unit.m_axis_tvalid),
            unit.m_axis_tready.eq(self.o.ready),
        ]
        return m
