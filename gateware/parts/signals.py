"""Numbers in the fabric: an integer interval decides the shape of every signal."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Shape, Signal, Value, signed, unsigned

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, format_for

__all__ = ["Range", "delayed", "shape_of"]


def shape_of(format: CodeFormat) -> Shape:
    """The Amaranth shape of a code format."""
    return signed(format.width) if format.signed else unsigned(format.width)


@dataclass(frozen=True, order=True)
class Range:
    """Every integer from lo to hi, both included."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise InputError(f"A range needs lo <= hi, not [{self.lo}, {self.hi}]")

    @property
    def format(self) -> CodeFormat:
        """The narrowest format that holds the range; unsigned where nothing is negative."""
        return format_for(self.lo, self.hi)

    @property
    def shape(self) -> Shape:
        """The Amaranth shape of :attr:`format`."""
        return shape_of(self.format)

    def __add__(self, other: Range) -> Range:
        return Range(self.lo + other.lo, self.hi + other.hi)

    def __mul__(self, other: Range) -> Range:
        ends = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return Range(min(ends), max(ends))

    def __neg__(self) -> Range:
        return Range(-self.hi, -self.lo)

    def shifted_left(self, shift: int) -> Range:
        """The range times ``2**shift``."""
        return Range(self.lo << shift, self.hi << shift)


def delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """``value`` a number of cycles later."""
    for cycle in range(cycles):
        register = Signal(value.shape(), name=f"{name}_delay{cycle}", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value
