"""Three lights: alive, busy, error."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Lights"]


class Lights(Component):
    """What an eye can see of a design.

    Parameters
    ----------
    clock_hz
        Of the design.

    Members
    -------
    busy : In(1), error : In(1)
    alive : Out(1)
        Blinks once in about a second.
    working : Out(1)
        On where ``busy`` was, for some hundredths of a second.
    failed : Out(1)
        ``error``.
    """

    def __init__(self, clock_hz: int) -> None:
        self._bits = max(clock_hz.bit_length() - 1, 2)
        super().__init__(
            {
                "busy": In(1),
                "error": In(1),
                "alive": Out(1),
                "working": Out(1),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A counter of about a second; each time its lower bits are 0, what was busy is shown."""
        m = Module()
        count, was_busy = Signal(self._bits), Signal()
        m.d.sync += [count.eq(count + 1), was_busy.eq(was_busy | self.busy)]
        shown = count[: max(self._bits - 4, 1)] == 0
        with m.If(shown):
            m.d.sync += [self.working.eq(was_busy), was_busy.eq(self.busy)]
        m.d.comb += [self.alive.eq(count[-1]), self.failed.eq(self.error)]
        return m
