"""The transmitter's line, bit by bit."""

from typing import ClassVar

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal
from link_proofs import LinkHarness, assert_proved, needs_abc

from kanhw.boards.link.uart import UartTransmitter
from kanhw.sim.proofs.formal import watched


@pytest.fixture(autouse=True, scope="module")
def _tools():
    needs_abc()


class LineHarness(LinkHarness):
    """The transmitter's line, byte by byte."""

    rules: ClassVar[dict[str, str]] = {
        "lost": "a byte waits for longer than one takes",
        "line": "a bit of a byte is wrong",
    }
    covers: ClassVar[dict[str, str]] = {
        "two": "a second byte is sent",
        "zero": "a byte with both levels is sent",
    }

    def __init__(self, unit, divisor):
        self.unit, self._divisor = unit, divisor
        super().__init__({"begin": 1, "payload": 8})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        self.offers(m, unit.i)
        most = 10 * self._divisor
        clock, bit, word, late = Signal(range(most + 1)), Signal(4), Signal(10), Signal(8)
        takes = unit.i.valid & unit.i.ready
        phase, count = Signal(range(self._divisor)), Signal(2)
        with m.If(takes):
            m.d.sync += [clock.eq(most), bit.eq(0), phase.eq(0)]
            m.d.sync += word.eq(Cat(0, unit.i.payload, 1))
            m.d.sync += count.eq(count + (count != 3))
        with m.Elif(clock != 0):
            m.d.sync += [clock.eq(clock - 1), phase.eq(phase + 1)]
            with m.If(phase == self._divisor - 1):
                m.d.sync += [phase.eq(0), bit.eq(bit + 1)]
        m.d.sync += late.eq(Mux(unit.i.valid & ~takes, late + (late != 255), 0))
        level = Mux(clock != 0, word.bit_select(bit, 1), 1)
        m.d.comb += [
            self.bad.eq(watched(m, late > most, unit.tx != level)),
            self.seen.eq(Cat(takes & (count == 1), takes & (count == 2) & (word[1:9] == 0xA5))),
        ]
        return m


@pytest.mark.slow
def test_line():
    assert_proved(LineHarness(UartTransmitter(4), 4), 130)
