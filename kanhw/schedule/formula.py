"""Formulas of clocks, with their numbers and their value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Formula"]


@dataclass(frozen=True)
class Formula:
    """An arithmetic expression of whole numbers, and its value.

    Parameters
    ----------
    text
        With the numbers in it.
    value
        Clocks.
    """

    text: str
    value: int

    @classmethod
    def of(cls, value: int) -> Formula:
        """A number."""
        return cls(str(value), value)

    @classmethod
    def ceil(cls, count: int, width: int) -> Formula:
        """The number of parts of at most ``width`` that a count is split into."""
        return cls(f"ceil({count} / {width})", -(-count // width))

    def __mul__(self, other: Formula) -> Formula:
        return Formula(f"{self.text} * {other.text}", self.value * other.value)

    def __add__(self, other: Formula | int) -> Formula:
        if isinstance(other, Formula):
            return Formula(f"{self.text} + {other.text}", self.value + other.value)
        sign = "+" if other >= 0 else "-"
        return Formula(f"{self.text} {sign} {abs(other)}", self.value + other)

    def __str__(self) -> str:
        return self.text if self.text == str(self.value) else f"{self.text} = {self.value}"

    @classmethod
    def most(cls, *parts: Formula) -> Formula:
        """The largest of some."""
        return cls(f"max({', '.join(part.text for part in parts)})", max(p.value for p in parts))
