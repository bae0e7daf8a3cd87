"""What the codes at a design's ports stand for: names, units, scales and the formula."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.formats import CodeFormat, IntArray
from kanhw.program import Program

__all__ = ["FORMULA", "Quantity", "comment_lines", "quantities_of"]

FORMULA = (
    "real = scale * (code - zero_point) + offset; "
    "code = clamp(floor((real - offset) / scale + 1/2) + zero_point, lo, hi)"
)


@dataclass(frozen=True)
class Quantity:
    """An input or output, or neighbours of it that are alike.

    Parameters
    ----------
    first, last
        Numbers of the values, from 0.
    name, unit
        Empty where there is none.
    lo, hi
        Smallest and largest code.
    scale, zero_point, offset
        A code q stands for ``scale * (q - zero_point) + offset``; scale is None where codes are
        all that is known.
    """

    first: int
    last: int
    name: str
    unit: str
    lo: int
    hi: int
    scale: float | None = None
    zero_point: int = 0
    offset: float = 0.0

    @property
    def title(self) -> str:
        """Its name, or its number."""
        if self.name:
            return self.name
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def ends(self) -> tuple[float, float] | None:
        """The real values of the smallest and the largest code."""
        if self.scale is None:
            return None
        low, high = (
            self.scale * (code - self.zero_point) + self.offset for code in (self.lo, self.hi)
        )
        return low, high

    @property
    def formula(self) -> str:
        """The real value of a code q, with its numbers."""
        if self.scale is None:
            return "q"
        above = f"(q - {self.zero_point})" if self.zero_point > 0 else "q"
        above = f"(q + {-self.zero_point})" if self.zero_point < 0 else above
        start = "" if self.offset == 0 else f" {'+-'[self.offset < 0]} {abs(self.offset)!r}"
        return f"{self.scale!r} * {above}{start}"

    def to_json(self) -> dict[str, Any]:
        """The quantity as plain JSON values, the real range and the formula among them."""
        ends = self.ends
        return {**asdict(self), "range": None if ends is None else list(ends), "real": self.formula}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Quantity:
        """The inverse of :meth:`to_json`."""
        return cls(**{name: v for name, v in data.items() if name not in ("range", "real")})


def quantities_of(program: Program) -> tuple[tuple[Quantity, ...], tuple[Quantity, ...]]:
    """The quantities of a Program's inputs and of its outputs; of head 0 where there are several.

    A class index is one quantity without a scale.
    """
    labels, encoder = program.labels, program.input
    inputs = _quantities(
        *(labels.inputs, labels.input_units, encoder.code_ends),
        *(encoder.scale, encoder.zero_point, encoder.offset),
    )
    if program.argmax:
        ends = np.array([0]), np.array([program.layers[-1].n_out - 1])
        return inputs, _quantities(("class index",), None, ends, None, None, None)
    join = program.layers[-1].requantizers[0]
    ends = join.code_ends if join.format else _whole(program.output_format, program.n_out)
    outputs = _quantities(
        *(labels.outputs, labels.output_units, ends),
        *(join.scale, join.zero_point, join.offset),
    )
    return inputs, outputs


def _whole(format: CodeFormat, count: int) -> tuple[IntArray, IntArray]:
    return np.full(count, format.lo), np.full(count, format.hi)


def _quantities(
    names: tuple[str, ...] | None,
    units: tuple[str, ...] | None,
    ends: tuple[IntArray, IntArray],
    scale: npt.NDArray[np.float64] | None,
    zero_point: IntArray | None,
    offset: npt.NDArray[np.float64] | None,
) -> tuple[Quantity, ...]:
    """A quantity for every value, neighbours without names as one where they are alike."""
    found: list[Quantity] = []
    lo, hi = ends
    for k in range(len(lo)):
        own = Quantity(
            *(k, k, names[k] if names else "", units[k] if units else ""),
            *(int(lo[k]), int(hi[k])),
            *(None if scale is None else float(scale[k]),),
            *(0 if zero_point is None else int(zero_point[k]),),
            *(0.0 if offset is None else float(offset[k]),),
        )
        if found and not own.name and replace(found[-1], first=k, last=k) == own:
            found[-1] = replace(found[-1], last=k)
        else:
            found.append(own)
    return tuple(found)


def comment_lines(program: Program) -> list[str]:
    """The quantities as lines of a Verilog comment: nothing in a name can end or continue it."""
    lines = [f"// {FORMULA}"]
    for what, quantities in zip(("input", "output"), quantities_of(program), strict=True):
        for own in quantities:
            ends = own.ends
            span = "" if ends is None else f", {ends[0]!r} to {ends[1]!r}"
            unit = f" [{own.unit}]" if own.unit else ""
            name = f" {own.name}" if own.name else ""
            number = own.first if own.first == own.last else f"{own.first} to {own.last}"
            text = f"{what} {number}{name}{unit}: codes {own.lo} to {own.hi}{span}, {own.formula} ."
            lines.append("// " + text.encode("ascii", "backslashreplace").decode())
    return lines
