"""From sums to codes: branches joined, rounded half up and clamped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray
from kanhw.hls.costs.operators import Operator, adder, choice, comparison, product
from kanhw.hls.cpp.constants import literal
from kanhw.hls.cpp.source import Source, loop
from kanhw.hls.cpp.types import bits_of
from kanhw.program import Requantizer

__all__ = ["Join"]


@dataclass(frozen=True)
class Join:
    """The requantizers of a layer, some outputs at a time.

    Parameters
    ----------
    source
        What is written to.
    name
        What names of constants begin with.
    branches
        Names of the sums of an output.
    requantizers
        ``[heads][streams]``; heads differ in constants only.
    outputs
        The outputs of every row, ``[rows, lanes]``, -1 for none.
    """

    source: Source
    name: str
    branches: tuple[str, ...]
    requantizers: Sequence[Sequence[Requantizer]]
    outputs: IntArray

    @property
    def lanes(self) -> int:
        """Outputs at a time."""
        return int(self.outputs.shape[1])

    def lines(self, absent: Sequence[str] = ()) -> list[str]:
        """Statements that make ``y.s0[lane]``, ... of ``sums.BRANCH[lane]``; ``row`` says which.

        Parameters
        ----------
        absent
            Branches that never add anything.
        """
        stored: list[str] = []
        inner: list[str] = []
        for stream in range(len(self.requantizers[0])):
            own, more = self._stream(stream, absent)
            inner += own
            stored += more
        return [*stored, *loop("lane", self.lanes, inner, "UNROLL")]

    def _stream(self, stream: int, absent: Sequence[str]) -> tuple[list[str], list[str]]:
        joins = [head[stream] for head in self.requantizers]
        join, types = joins[0], self.source.types
        if join.sum_format is None:
            raise TypeError("sums have a width once their layer is in a Program")
        sum_type = types.of(join.sum_format)
        bias, stored = self._constant(f"BIAS{stream}", [j.bias for j in joins])
        lines = [f"{sum_type} t{stream} = {bias};"]
        for b, branch in enumerate(self.branches):
            if branch in absent:
                continue
            factors = [j.multipliers[b] for j in joins]
            self._counts(adder(join.sum_format.width))
            if all((own == 1).all() for own in factors):
                lines.append(f"t{stream} += sums.{branch}[lane];")
                continue
            factor, more = self._constant(f"FACTORS{stream}_{branch.upper()}", factors)
            stored += more
            widest = max(int(np.abs(own).max()) for own in factors).bit_length() + 1
            self._counts(product(join.sum_format.width, widest))
            lines.append(f"t{stream} += ({factor}) * sums.{branch}[lane];")
        if join.format is None:
            return [*lines, f"y.s{stream}[lane] = t{stream};"], stored
        half = 1 << (join.shift - 1) if join.shift else 0
        ends = [j.code_ends for j in joins]
        form, sums = join.format, join.sum_format
        wide = types.holding(sums.lo + half, sums.hi + half, half, sums.lo, form.lo, form.hi)
        lo, more_lo = self._constant(f"LO{stream}", [e[0] for e in ends], wide)
        hi, more_hi = self._constant(f"HI{stream}", [e[1] for e in ends], wide)
        bits = bits_of(wide)
        self._counts(comparison(bits), comparison(bits), choice(bits), choice(bits))
        lines.append(f"{wide} q{stream} = t{stream};")
        if join.shift:
            self._counts(adder(bits))
            lines.append(f"q{stream} = (q{stream} + ({wide}){literal(half)}) >> {join.shift};")
        lines.append(f"y.s{stream}[lane] = clamped<{wide}>(q{stream}, {lo}, {hi});")
        return lines, [*stored, *more_lo, *more_hi]

    def _counts(self, *operators: Operator) -> None:
        """Say for the model that every lane has these operators."""
        for operator in operators:
            self.source.uses(operator, self.lanes)

    def _constant(
        self, name: str, values: Sequence[IntArray], type_: str = ""
    ) -> tuple[str, list[str]]:
        """A constant of every output: a number where it is the same for all, else an array."""
        distinct = np.unique(np.concatenate(values))
        if len(distinct) == 1:
            number = int(distinct[0])
            return f"({type_ or self.source.types.holding(number, 0)}){literal(number)}", []
        rows = []
        for own in values:
            filled = np.append(own, own[:1])  # what fills a row up is any value
            rows.append(filled[self.outputs])
        table = np.concatenate(rows).T  # [lanes][rows of every head]
        if (table == table[:, :1]).all():
            table = table[:, :1]
        by_row = table.shape[1] > 1
        made = self.source.table(f"{self.name.upper()}_{name}", table if by_row else table[:, 0])
        text = made.at("lane", "row" if by_row else "")
        if type_:
            text = f"({type_}){text.split(')', 1)[1]}"
        return text, self.source.stored(made, (1,))
