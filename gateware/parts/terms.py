"""The operands of a sum, and what every component that adds them has in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

from amaranth.hdl import Signal
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.gateware.parts.signals import Range

__all__ = ["Term", "TermSum"]


@dataclass(frozen=True)
class Term:
    """One operand of a sum: ``(-1)**negative * 2**shift * port``.

    Ports of the same ``source`` are the same integer, which is looked at where sums are counted;
    None is like no other.
    """

    range: Range
    shift: int = 0
    negative: bool = False
    source: int | None = field(default=None, compare=False)

    @property
    def value_range(self) -> Range:
        """The range of what the term adds to the sum."""
        scaled = self.range.shifted_left(self.shift)
        return -scaled if self.negative else scaled


class TermSum(Component):
    """``o = sum of the terms``, one sum a clock.

    Parameters
    ----------
    terms
        The operands; at least one.
    levels
        Adder levels between two registers; 0 means no registers.
    bound
        What is known of the sum beyond the terms' ranges.

    Members
    -------
    i0, i1, ... : In(term.range.shape)
    o : Out(shape of the sum's range)
    """

    def __init__(self, terms: list[Term], *, levels: int = 1, bound: Range | None = None) -> None:
        if not terms:
            raise InputError("A sum needs at least one term")
        self._terms = tuple(terms)
        self._levels = levels
        self._bound = bound
        members = {f"i{k}": In(term.range.shape) for k, term in enumerate(terms)}
        super().__init__({**members, "o": Out(self.range.shape)})

    @property
    def terms(self) -> tuple[Term, ...]:
        """The operands."""
        return self._terms

    @property
    def range(self) -> Range:
        """Of the sum."""
        total = Range(0, 0)
        for term in self._terms:
            total = total + term.value_range
        if self._bound is None:
            return total
        return Range(max(total.lo, self._bound.lo), min(total.hi, self._bound.hi))

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from operands to sum."""

    def operand(self, k: int) -> Signal:
        """Input port of term k."""
        port: Signal = getattr(self, f"i{k}")
        return port
