"""A UART: eight data bits, the lowest first, no parity, one stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError

__all__ = ["LEAST_DIVISOR", "UartReceiver", "UartTransmitter", "checked_divisor"]

LEAST_DIVISOR = 4
"""Clocks of a bit below which its middle cannot be told from its edges."""

_IDLE, _START, _FIRST, _STOP, _BREAK = 0, 1, 2, 10, 11


class UartReceiver(Component):
    """Bytes from a line.

    A byte is read in the middle of its bits, counted from the falling edge in front of it. One
    without a stop bit is broken; then the line must rise before another can begin, so a line that
    stays low is one broken byte.

    Parameters
    ----------
    divisor
        Clocks of a bit, 4 or more.

    Members
    -------
    rx : In(1)
        The line, of any clock.
    data : Out(8), strobe : Out(1)
        A byte, for one clock.
    broken : Out(1)
        For one clock: what came was no byte.
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = checked_divisor(divisor)
        super().__init__(
            {
                "rx": In(1, init=1),
                "data": Out(8),
                "strobe": Out(1),
                "broken": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A counter of clocks to the next sample, and one of bits."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        left, place = Signal(range(self._divisor)), Signal(range(_BREAK + 1))
        sample = Signal()
        m.d.comb += [
            sample.eq((place != _IDLE) & (left == 0)),
            self.strobe.eq(sample & (place == _STOP) & line),
            self.broken.eq(sample & (place == _STOP) & ~line),
        ]
        with m.If(place == _IDLE):
            # Two clocks late by the synchronizer, and the samples with it.
            m.d.sync += left.eq(self._divisor // 2 - 1)
            with m.If(~line):
                m.d.sync += place.eq(_START)
        with m.Elif(place == _BREAK), m.If(line):
            m.d.sync += place.eq(_IDLE)
        with m.Elif(sample):
            m.d.sync += [left.eq(self._divisor - 1), place.eq(place + 1)]
            with m.If(place == _START), m.If(line):
                m.d.sync += place.eq(_IDLE)
            with m.Elif(place == _STOP):
                m.d.sync += place.eq(_IDLE)
                with m.If(~line):
                    m.d.sync += place.eq(_BREAK)
            with m.Else():
                m.d.sync += self.data.eq(Cat(self.data[1:], line))
        with m.Else():
            m.d.sync += left.eq(left - 1)
        return m


class UartTransmitter(Component):
    """Bytes to a line.

    Parameters
    ----------
    divisor
        Clocks of a bit, 4 or more.

    Members
    -------
    i : In(stream(8))
    tx : Out(1)
        The line, high between bytes.
    """

    def __init__(self, divisor: int) -> None:
        self._divisor = checked_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """A shift register with the stop bit behind the byte."""
        m = Module()
        left, bits = Signal(range(self._divisor)), Signal(range(_STOP + 1))
        word = Signal(9)
        m.d.comb += self.i.ready.eq(bits == 0)
        with m.If(bits == 0), m.If(self.i.valid):
            m.d.sync += [
                self.tx.eq(0),
                word.eq(Cat(self.i.payload, Const(1, 1))),
                bits.eq(_STOP),
                left.eq(self._divisor - 1),
            ]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Else():
            m.d.sync += [
                left.eq(self._divisor - 1),
                bits.eq(bits - 1),
                self.tx.eq(word[0]),
                word.eq(Cat(word[1:], Const(1, 1))),
            ]
        return m


def checked_divisor(divisor: int) -> int:
    """``divisor`` itself.

    Raises
    ------
    InputError
        If a bit has too few clocks to be read.
    """
    if divisor < LEAST_DIVISOR:
        raise InputError(
            f"A bit of the UART must last {LEAST_DIVISOR} clocks or more, not {divisor}: choose a "
            "lower --baud or a faster clock"
        )
    return divisor
