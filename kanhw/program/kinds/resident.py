"""A codebook that stays on chip for several task heads, which differ in what they make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.intervals import Interval, check_magnitude
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.program.kinds.resident_formats import HeadFormats, HeadRequantizer, hull
from kanhw.program.kinds.resident_structure import alike, in_form_of
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

__all__ = ["HeadFormats", "HeadRequantizer", "ResidentLayer"]

# What a head has of its own, and what stays.
_OWN = ("index", "gains", "base", "base_weights")
_OFFSETS = ("biases", "offsets")


@dataclass(frozen=True, eq=False)
class ResidentLayer:
    """Codebook layers of equal structure, one per head, that share their shapes.

    Parameters
    ----------
    heads
        One :class:`CodebookLayer` per head. They are brought to a common form, which changes no
        number: one shift per requantizer, the same table for the same inputs.
    writable
        Formats of what a head may hold where heads can be written at run time; None where not.
    requantizers, accumulator_formats
        Derived; a Program fills in their widths.

    Raises
    ------
    InputError
        If there are no heads, or they differ in what is shared.
    """

    kind: ClassVar[str] = "resident"
    branches: ClassVar[tuple[str, ...]] = ("spline", "base")
    passes: ClassVar[tuple[int, ...]] = ()
    window: ClassVar[Window | None] = None

    heads: tuple[CodebookLayer, ...]
    writable: HeadFormats | None = None
    requantizers: tuple[HeadRequantizer, ...] = ()
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        if not self.heads:
            raise InputError("A resident codebook needs at least one head")
        if not self.requantizers:
            object.__setattr__(self, "heads", alike(tuple(self.heads)))
            each = zip(*(head.requantizers for head in self.heads), strict=True)
            made = tuple(HeadRequantizer.of(joins, self.writable) for joins in each)
            object.__setattr__(self, "requantizers", made)
        if self.writable is not None:
            for head in self.heads:
                self.writable.check(head)

    @property
    def name(self) -> str:
        """For messages and reports."""
        return self.heads[0].name

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.heads[0].n_in

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.heads[0].n_out

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before each branch is addressed by."""
        return self.heads[0].streams

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch."""
        return self.heads[0].depths

    @property
    def shapes(self) -> IntArray:
        """``[K, 2**width]``: the codebook."""
        return self.heads[0].shapes

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges exist in some head, ``[n_out, n_in]``."""
        return np.asarray(np.any([head.active for head in self.heads], axis=0))

    @cached_property
    def _by_head(self) -> tuple[CodebookLayer, ...]:
        return tuple(
            replace(
                head,
                accumulator_formats=self.accumulator_formats,
                requantizers=tuple(
                    replace(join.heads[h], sum_format=join.sum_format) for join in self.requantizers
                ),
            )
            for h, head in enumerate(self.heads)
        )

    def head(self, number: int) -> CodebookLayer:
        """The layer of a head by itself, with the widths of all."""
        return self._by_head[number]

    def with_head(self, number: int, head: CodebookLayer) -> ResidentLayer:
        """The same layer with another head in one place.

        Raises
        ------
        InputError
            If it differs in what is shared, or its values are not of the declared formats.
        """
        heads = [
            in_form_of(head, self.heads[0]) if h == number else own
            for h, own in enumerate(self.heads)
        ]
        return ResidentLayer(tuple(heads), self.writable)

    def accumulate(self, addresses: tuple[Any, ...], present: Any = None) -> tuple[Any, ...]:
        """Both accumulators of head 0."""
        return self.heads[0].accumulate(addresses, present)

    def accumulator_intervals(
        self, addresses: tuple[Interval, ...], missing: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Interval, ...]:
        """Bounds over all heads, or over all that may be written."""
        if self.writable is None:
            each = [head.accumulator_intervals(addresses, missing) for head in self.heads]
            return tuple(hull(branch) for branch in zip(*each, strict=True))
        formats, spline = self.writable, addresses[0]
        lo, hi = _reachable(self.shapes, spline)
        terms = [_product(formats.gains, lo, hi)]
        if formats.biases is not None and formats.offsets is not None:
            terms.append(_product(formats.biases, *_ends(formats.offsets, self.n_in)))
        base = [np.zeros((2, self.n_in))]
        if formats.base_weights is not None and formats.base is not None:
            base = [_product(formats.base_weights, *_ends(formats.base, self.n_in))]
        return tuple(self._total(sum(branch)) for branch in (terms, base))

    def _total(self, ends: Any) -> Interval:
        """Smallest and largest ``[2, n_in]`` of every input, added up for every output."""
        check_magnitude(np.abs(ends).sum(axis=1))
        lo, hi = (np.full(self.n_out, int(end.sum()), np.int64) for end in ends)
        return Interval(np.minimum(lo, 0), np.maximum(hi, 0))

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store: what heads have of their own is stacked along the first axis."""
        first = self.heads[0]
        values = {"shapes": first.shapes, "base_index": first.base_index}
        own = _OWN if first.biases is None else (*_OWN, *_OFFSETS)
        if first.offsets_index is not None:
            values["offsets_index"] = first.offsets_index
        return values | {f: np.stack([getattr(h, f) for h in self.heads]) for f in own}

    def attributes(self) -> dict[str, Any]:
        """Single values to store."""
        writable = {} if self.writable is None else {"writable": self.writable.to_json()}
        return {"heads": len(self.heads), **self.heads[0].attributes(), **writable}

    @classmethod
    def stored(
        cls, *, heads: int, writable: dict[str, Any] | None = None, **fields: Any
    ) -> ResidentLayer:
        """The layer of what :meth:`tensors` and :meth:`attributes` gave, and its requantizers."""
        declared = fields.pop("accumulator_formats")
        joins = fields.pop("requantizers")
        each = len(joins) // heads
        layers = tuple(
            CodebookLayer(
                **{
                    name: value[h] if name in (*_OWN, *_OFFSETS) else value
                    for name, value in fields.items()
                },
                requantizers=joins[h * each : (h + 1) * each],
            )
            for h in range(heads)
        )
        formats = None if writable is None else HeadFormats.from_json(writable)
        made = cls(layers, formats, accumulator_formats=declared)
        sums = [join.sum_format for join in joins[:each]]
        requantizers = [
            replace(join, sum_format=form)
            for join, form in zip(made.requantizers, sums, strict=True)
        ]
        return replace(made, requantizers=tuple(requantizers))

    @property
    def stored_requantizers(self) -> tuple[Requantizer, ...]:
        """Those of head 0, then those of head 1, and so on."""
        return tuple(join for h in range(len(self.heads)) for join in self.head(h).requantizers)


def _reachable(tables: IntArray, addresses: Interval) -> tuple[IntArray, IntArray]:
    """Smallest and largest entry ``[n_in]`` of any table that an input's addresses reach."""
    lowest, highest = tables.min(axis=0), tables.max(axis=0)
    spans = [slice(lo, hi + 1) for lo, hi in zip(addresses.lo, addresses.hi, strict=True)]
    return (
        np.array([lowest[span].min() for span in spans]),
        np.array([highest[span].max() for span in spans]),
    )


def _ends(form: CodeFormat, count: int) -> tuple[IntArray, IntArray]:
    return np.full(count, form.lo, np.int64), np.full(count, form.hi, np.int64)


def _product(factor: CodeFormat, lo: IntArray, hi: IntArray) -> npt.NDArray[np.float64]:
    """Smallest and largest ``[2, n]`` of a factor's products with what lies between lo and hi."""
    ends = [end.astype(np.float64) * f for end in (lo, hi) for f in (factor.lo, factor.hi)]
    return np.stack([np.min(ends, axis=0), np.max(ends, axis=0)])
