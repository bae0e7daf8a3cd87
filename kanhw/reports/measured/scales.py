"""The scales of a Program's ends: what its input and output codes stand for."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.formats import IntArray
from kanhw.program import InputEncoder, Program, Requantizer

__all__ = ["EndScale", "end_scales"]


@dataclass(frozen=True)
class EndScale:
    """A feature or an output: a code q stands for ``scale * (q - zero_point)``.

    Parameters
    ----------
    name
        Such as ``input 3``.
    scale, zero_point
        Of the formula.
    lowest_code, highest_code
        The codes that it has.
    """

    name: str
    scale: float
    zero_point: int
    lowest_code: int
    highest_code: int

    @property
    def lowest(self) -> float:
        """What the lowest code stands for."""
        return self.scale * (self.lowest_code - self.zero_point)

    @property
    def highest(self) -> float:
        """What the highest code stands for."""
        return self.scale * (self.highest_code - self.zero_point)


def end_scales(program: Program) -> tuple[EndScale, ...]:
    """All features, then all outputs; those without a real scale are left out."""
    outputs = () if program.argmax else _scales("output", program.layers[-1].requantizers[0])
    return (*_scales("input", program.input), *outputs)


def _scales(name: str, end: InputEncoder | Requantizer) -> tuple[EndScale, ...]:
    if end.scale is None:
        return ()
    lo, hi = end.code_ends
    zero_point: IntArray = lo * 0 if end.zero_point is None else end.zero_point
    numbers = zip(end.scale, zero_point, lo, hi, strict=True)
    return tuple(
        EndScale(f"{name} {k}", float(scale), int(zero), int(low), int(high))
        for k, (scale, zero, low, high) in enumerate(numbers)
    )
