"""What a head of a resident codebook may hold, and requantizers of several heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray, format_for
from kanhw.program.intervals import Interval
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.requantizer import Requantizer

__all__ = ["HeadFormats", "HeadRequantizer", "hull"]


@dataclass(frozen=True)
class HeadFormats:
    """Formats of what a head may hold where it can be written: widths follow from these alone.

    Parameters
    ----------
    gains, multipliers, bias
        Of an edge, and of the requantizers.
    base_weights, base
        Of the base branch; None, both, where no head has one.
    biases, offsets
        None, both, where no head has any.
    """

    gains: CodeFormat
    multipliers: CodeFormat
    bias: CodeFormat
    base_weights: CodeFormat | None = None
    base: CodeFormat | None = None
    biases: CodeFormat | None = None
    offsets: CodeFormat | None = None

    def __post_init__(self) -> None:
        for pair in (("base_weights", "base"), ("biases", "offsets")):
            if len({getattr(self, field) is None for field in pair}) > 1:
                raise InputError(f"{' and '.join(pair)} need formats together, or neither")

    @classmethod
    def covering(cls, heads: Sequence[CodebookLayer]) -> HeadFormats:
        """The narrowest signed formats of what some heads hold."""
        joins = [join for head in heads for join in head.requantizers]
        found = {
            "gains": [head.gains for head in heads],
            "multipliers": [join.multipliers for join in joins],
            "bias": [join.bias for join in joins],
        }
        if any(head.base_weights.any() for head in heads):
            found |= {
                field: [getattr(h, field) for h in heads] for field in ("base_weights", "base")
            }
        if any(head.biases is not None for head in heads):
            found |= {field: [getattr(h, field) for h in heads] for field in ("biases", "offsets")}
        return cls(**{field: _covering(values) for field, values in found.items()})

    def check(self, head: CodebookLayer) -> None:
        """Refuse a head with values that the formats do not hold.

        Raises
        ------
        InputError
            If there are any.
        """
        for field, form in _by_field(self).items():
            joins = field in ("multipliers", "bias")
            holders: Sequence[Any] = head.requantizers if joins else (head,)
            for holder in holders:
                values = getattr(holder, field)
                if values is None:
                    continue
                lo, hi = int(values.min()), int(values.max())
                limits = (form.lo, form.hi) if form else (0, 0)
                # Tables of a branch without weights add nothing whatever they hold.
                if form is None and field in ("base", "offsets"):
                    continue
                if not limits[0] <= lo <= hi <= limits[1]:
                    raise InputError(
                        f"Layer {head.name!r}: {field} of a head must be {limits[0]} to "
                        f"{limits[1]}, as declared, not {lo} to {hi}"
                    )

    def to_json(self) -> dict[str, Any]:
        """The formats as plain JSON values."""
        return {k: form.to_json() for k, form in _by_field(self).items() if form}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HeadFormats:
        """The inverse of :meth:`to_json`."""
        return cls(**{field: CodeFormat.from_json(form) for field, form in data.items()})


def _by_field(formats: HeadFormats) -> dict[str, CodeFormat | None]:
    """The formats by field."""
    return {field: getattr(formats, field) for field in asdict(formats)}


def _covering(values: Sequence[IntArray]) -> CodeFormat:
    lo, hi = min(int(v.min()) for v in values), max(int(v.max()) for v in values)
    return format_for(lo, hi, signed=True)


@dataclass(frozen=True, eq=False)
class HeadRequantizer(Requantizer):
    """Requantizers of all heads, of one shift, format and ranges; its own numbers are head 0's.

    Parameters
    ----------
    heads
        One per head.
    writable
        Formats of multipliers and biases where they can be written; None where they are as given.
    """

    heads: tuple[Requantizer, ...] = ()
    writable: HeadFormats | None = None

    @classmethod
    def of(cls, heads: Sequence[Requantizer], writable: HeadFormats | None) -> HeadRequantizer:
        """Requantizers of equal shift, format and code ranges as one."""
        first = heads[0]
        own = {field.name: getattr(first, field.name) for field in fields(Requantizer)}
        return cls(**own, heads=tuple(heads), writable=writable)

    def sum_interval(self, accumulators: tuple[Interval, ...]) -> Interval:
        """Bounds of the sums of all heads, or of all that may be written."""
        if self.writable is None:
            return hull([head.sum_interval(accumulators) for head in self.heads])
        factors, constants = self.writable.multipliers, self.writable.bias
        zero = np.zeros(self.n_out, np.int64)
        total = Interval(zero + constants.lo, zero + constants.hi)
        for accumulator in accumulators:
            ends = [accumulator.scaled(zero + factor) for factor in (factors.lo, factors.hi)]
            total = total + hull(ends)
        return total


def hull(intervals: Sequence[Interval]) -> Interval:
    """Bounds of all that lies in any of some intervals."""
    return Interval(
        np.min([interval.lo for interval in intervals], axis=0),
        np.max([interval.hi for interval in intervals], axis=0),
    )
