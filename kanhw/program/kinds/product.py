"""Products of codes: PyKAN's multiplication nodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.checks import check_requantizers, check_streams
from kanhw.program.functions.tables import round_shift
from kanhw.program.intervals import Interval
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

__all__ = ["ProductLayer"]


@dataclass(frozen=True, eq=False)
class ProductLayer:
    """``acc[j] = round_shift(product of (address_i + lowest) over group j, shifts[j])``.

    Parameters
    ----------
    groups
        The inputs of every output; a group of one hands its code on.
    inputs
        Number of inputs.
    width
        Of the codes that come in, in bits.
    lowest
        The integer that address 0 stands for.
    requantizers
        One for every stream of codes that the next layer wants.
    shifts
        Low bits that rounding half up takes from every product, 0 to 48; products of many codes
        are that much longer than single codes. None is 0 for all.
    name
        For messages and reports.
    stream
        Which stream of the layer before is read.
    accumulator_formats
        Declared width of the products; None derives it.
    """

    kind: ClassVar[str] = "product"
    branches: ClassVar[tuple[str, ...]] = ("product",)
    passes: ClassVar[tuple[int, ...]] = ()
    window: ClassVar[Window | None] = None

    groups: tuple[tuple[int, ...], ...]
    inputs: int
    width: int
    lowest: int
    requantizers: tuple[Requantizer, ...]
    shifts: tuple[int, ...] | None = None
    name: str = "product"
    stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        groups = tuple(tuple(int(i) for i in group) for group in self.groups)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "requantizers", tuple(self.requantizers))
        shifts = self.shifts if self.shifts is not None else (0,) * len(groups)
        object.__setattr__(self, "shifts", tuple(int(shift) for shift in shifts))
        if len(shifts) != len(groups) or any(not 0 <= shift <= 48 for shift in shifts):
            raise InputError(
                f"Layer {self.name!r} needs a shift of 0 to 48 for each of {len(groups)} products, "
                f"not {shifts}"
            )
        if not groups or not all(groups):
            raise InputError(f"Layer {self.name!r}: every product needs at least one input")
        if any(not 0 <= i < self.inputs for group in groups for i in group):
            raise InputError(
                f"Layer {self.name!r}: products must read inputs 0 to {self.inputs - 1}"
            )
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, self.n_out, self.name)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.inputs

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.groups)

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before is read."""
        return (self.stream,)

    @property
    def depths(self) -> tuple[int, ...]:
        """How many codes its stream has."""
        return (1 << self.width,)

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Products have no edges."""
        return np.zeros((1, 1), np.bool_)

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """The products ``[N, n_out]``."""
        codes = addresses[0] + self.lowest
        total = codes[:, [0] * self.n_out]
        for j, (group, shift) in enumerate(zip(self.groups, self.shifts or (), strict=True)):
            product = codes[:, group[0]]
            for i in group[1:]:
                product = product * codes[:, i]
            total[:, j] = round_shift(product, shift)
        return (total,)

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Exact bounds of every product."""
        codes = addresses[0] + np.int64(self.lowest)
        lo, hi = [], []
        for group, shift in zip(self.groups, self.shifts or (), strict=True):
            low, high = int(codes.lo[group[0]]), int(codes.hi[group[0]])
            for i in group[1:]:
                ends = [a * int(b) for a in (low, high) for b in (codes.lo[i], codes.hi[i])]
                low, high = min(ends), max(ends)
            if max(abs(low), abs(high)) >= 1 << 62:
                raise InputError(
                    f"Layer {self.name!r}: a product of {len(group)} codes of {self.width} bits is "
                    "beyond 62 bits: use fewer bits in front of it (product_bits)"
                )
            lo.append(round_shift(low, shift))
            hi.append(round_shift(high, shift))
        return (Interval(np.array(lo, np.int64), np.array(hi, np.int64)),)

    def tensors(self) -> dict[str, IntArray]:
        """No arrays to store."""
        return {}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {
            "groups": [list(group) for group in self.groups],
            "shifts": list(self.shifts or ()),
            "inputs": self.inputs,
            "width": self.width,
            "lowest": self.lowest,
            "stream": self.stream,
        }
