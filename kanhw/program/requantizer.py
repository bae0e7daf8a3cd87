"""From a layer's accumulators to the codes that the next layer is addressed by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.arrays import frozen_integers, frozen_offsets, frozen_range, frozen_reals
from kanhw.program.functions.tables import constants_like, requantize
from kanhw.program.intervals import Interval

__all__ = ["Requantizer"]

MAX_SHIFT = 48


@dataclass(frozen=True, eq=False)
class Requantizer:
    """Joins a layer's accumulators and rounds the sum to codes.

    ``t[j] = sum_b multipliers[b, j] * acc_b[j] + bias[j]``, then
    ``q[j] = clamp((t[j] + 2**(shift-1)) >> shift, lo[j], hi[j])``, or ``q = t`` where ``format`` is
    None (an output layer that hands out its sums).

    Parameters
    ----------
    multipliers
        ``[branches, n_out]``; a branch whose scale already fits has 1 and costs no multiplier.
    bias
        ``[n_out]``, in units of t.
    shift
        0 to 48.
    format
        Of the codes q; None hands out t itself.
    scale, zero_point
        Host-side metadata, ``[n_out]`` or None: the real value is ``scale * (q - zero_point)``,
        above ``offset``.
    sum_format
        Declared width of t. None derives it from the intervals of the accumulators.
    lo, hi
        Smallest and largest code of every output, ``[n_out]`` or one number, codes of ``format``
        with lo <= hi; None is that of the format. What is all of the format is held as None.
    offset
        Host-side metadata, ``[n_out]`` or one number: what the code ``zero_point`` stands for. None
        is zero, and zeros are held as None.
    """

    multipliers: IntArray
    bias: IntArray
    shift: int = 0
    format: CodeFormat | None = None
    scale: npt.NDArray[np.float64] | None = None
    zero_point: IntArray | None = None
    sum_format: CodeFormat | None = None
    lo: IntArray | None = None
    hi: IntArray | None = None
    offset: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "multipliers", frozen_integers(self.multipliers, "multipliers", 2))
        set_field(self, "bias", frozen_integers(self.bias, "bias", 1))
        n_out = self.bias.shape[0]
        if self.multipliers.shape[1] != n_out:
            raise InputError(
                f"multipliers of shape {self.multipliers.shape} do not match {n_out} biases"
            )
        if not 0 <= self.shift <= MAX_SHIFT:
            raise InputError(f"A requantizer's shift must be 0 to {MAX_SHIFT}, not {self.shift}")
        if self.format is None and self.shift:
            raise InputError("A requantizer that hands out its sums cannot shift them")
        if self.scale is not None:
            set_field(self, "scale", frozen_reals(self.scale, "scale", n_out))
        zero_point = np.zeros(n_out, np.int64) if self.zero_point is None else self.zero_point
        set_field(self, "zero_point", frozen_integers(zero_point, "zero_point", 1))
        if len(zero_point) != n_out:
            raise InputError(f"zero_point must have {n_out} values, not {len(zero_point)}")
        set_field(self, "offset", frozen_offsets(self.offset, "offset", n_out))
        if self.format is not None:
            lo, hi = frozen_range(self.lo, self.hi, self.format, n_out, "output")
            set_field(self, "lo", lo)
            set_field(self, "hi", hi)
        elif self.lo is not None or self.hi is not None:
            raise InputError("A requantizer that hands out its sums has no lo and hi of its codes")

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(self.bias.shape[0])

    @property
    def ranged(self) -> bool:
        """Whether some output has fewer codes than the format."""
        return self.lo is not None or self.hi is not None

    @property
    def code_ends(self) -> tuple[IntArray, IntArray]:
        """Smallest and largest code of every output, ``[n_out]`` each; there must be codes."""
        whole = Interval.of_format(self.output_format, self.n_out)
        return (
            whole.lo if self.lo is None else self.lo,
            whole.hi if self.hi is None else self.hi,
        )

    @property
    def output_format(self) -> CodeFormat:
        """Format of what leaves: the codes', or the sums' where they are handed out."""
        chosen = self.format or self.sum_format
        if chosen is None:
            raise InputError("The width of the sums is not known before a Program is made")
        return chosen

    def sums(self, accumulators: tuple[Any, ...]) -> Any:
        """The joined sums t ``[N, n_out]`` (numpy or torch)."""
        total = constants_like(self.bias, accumulators[0])
        for factor, accumulator in zip(self.multipliers, accumulators, strict=True):
            total = total + constants_like(factor, accumulator) * accumulator
        return total

    def codes(self, sums: Any) -> Any:
        """The codes q ``[N, n_out]`` of joined sums."""
        if self.format is None:
            return sums
        if not self.ranged:
            return requantize(sums, self.shift, self.format.lo, self.format.hi)
        lo, hi = (constants_like(end, sums) for end in self.code_ends)
        return requantize(sums, self.shift, lo, hi)

    def sum_interval(self, accumulators: tuple[Interval, ...]) -> Interval:
        """Bounds of t from bounds of the accumulators."""
        zero = np.zeros(self.n_out, np.int64)
        total = Interval(zero, zero)
        for factor, accumulator in zip(self.multipliers, accumulators, strict=True):
            total = total + accumulator.scaled(factor)
        return total + self.bias

    def code_interval(self, sums: Interval) -> Interval:
        """Bounds of q from bounds of t."""
        return sums if self.format is None else sums.requantized(self.shift, *self.code_ends)

    def decode(self, codes: Any) -> npt.NDArray[np.float64]:
        """Real values ``[N, n_out]`` of codes, float64; needs ``scale``."""
        if self.scale is None or self.zero_point is None:
            raise InputError("These codes have no real scale: the network is an integer one")
        reals = self.scale * (np.asarray(codes) - self.zero_point)
        return reals if self.offset is None else reals + self.offset
