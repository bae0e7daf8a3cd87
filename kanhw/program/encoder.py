"""How the host turns real features into the codes that the hardware takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.frames import in_order
from kanhw.program.arrays import frozen_integers, frozen_offsets, frozen_range, frozen_reals
from kanhw.program.functions.tables import constants_like
from kanhw.program.intervals import Interval

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["InputEncoder"]

# Integers of numpy or of torch.
_Codes = TypeVar("_Codes", IntArray, "Tensor")


@dataclass(frozen=True, eq=False)
class InputEncoder:
    """How the host turns real features into the codes that the hardware takes.

    ``q[i] = clamp(floor((x[i] - offset[i]) / scale[i] + 1/2) + zero_point[i], lo[i], hi[i])`` in
    float64.

    Parameters
    ----------
    format
        Of every feature's code.
    n_in
        Number of features.
    scale
        ``[n_in]`` or one number, positive; None for a network whose features are codes already.
    zero_point
        ``[n_in]``; None is zero.
    lo, hi
        Smallest and largest code of every feature, ``[n_in]`` or one number, codes of ``format``
        with lo <= hi; None is that of the format. What is all of the format is held as None. A
        Program takes a code outside as the nearest end.
    offset
        What the code ``zero_point`` stands for, ``[n_in]`` or one number; None is zero, and zeros
        are held as None.
    names
        Of the features, which a data frame's columns have to be; a Program gives its own.
    """

    format: CodeFormat
    n_in: int
    scale: npt.NDArray[np.float64] | None = None
    zero_point: IntArray | None = None
    lo: IntArray | None = None
    hi: IntArray | None = None
    offset: npt.NDArray[np.float64] | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.n_in < 1:
            raise InputError(f"A network needs at least one input, not {self.n_in}")
        if self.scale is not None:
            object.__setattr__(self, "scale", frozen_reals(self.scale, "input scale", self.n_in))
        zero_point = np.asarray(0 if self.zero_point is None else self.zero_point)
        if zero_point.shape not in ((), (self.n_in,)):
            raise InputError(
                f"zero_point must be one integer or {self.n_in}, not of shape {zero_point.shape}"
            )
        zero_point = np.broadcast_to(zero_point, (self.n_in,))
        object.__setattr__(self, "zero_point", frozen_integers(zero_point, "zero_point", 1))
        lo, hi = frozen_range(self.lo, self.hi, self.format, self.n_in, "feature")
        object.__setattr__(self, "lo", lo)
        object.__setattr__(self, "hi", hi)
        object.__setattr__(self, "offset", frozen_offsets(self.offset, "offset", self.n_in))

    @property
    def ranged(self) -> bool:
        """Whether some feature has fewer codes than the format."""
        return self.lo is not None or self.hi is not None

    @property
    def code_ends(self) -> tuple[IntArray, IntArray]:
        """Smallest and largest code of every feature, ``[n_in]`` each."""
        whole = Interval.of_format(self.format, self.n_in)
        return (
            whole.lo if self.lo is None else self.lo,
            whole.hi if self.hi is None else self.hi,
        )

    def clamp(self, codes: _Codes) -> _Codes:
        """Codes ``[N, n_in]`` (numpy or torch) with each in the range of its feature."""
        if not self.ranged:
            return codes
        lo, hi = (constants_like(end, codes) for end in self.code_ends)
        clamped: _Codes = codes.clip(lo, hi)
        return clamped

    def encode(self, x: npt.ArrayLike) -> IntArray:
        """Codes ``[N, n_in]`` of real features ``[N, n_in]``, an array or a data frame.

        Raises
        ------
        InputError
            If the network has no real input scale, or x has another width, other columns than the
            network's inputs, or holds a NaN.
        """
        lo, hi = (end.astype(np.float64) for end in self.code_ends)
        # Clamped while still real, so that huge and infinite features saturate.
        return self._unclamped(x).clip(lo, hi).astype(np.int64)

    def saturated(self, x: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which real features ``[N, n_in]`` lie beyond the outermost codes, and so are clipped.

        Raises
        ------
        InputError
            As for :meth:`encode`.
        """
        codes, (lo, hi) = self._unclamped(x), self.code_ends
        return np.asarray((codes < lo) | (codes > hi), np.bool_)

    def _unclamped(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Codes as they would be if there were no outermost ones, still real."""
        if self.scale is None or self.zero_point is None:
            raise InputError("This network takes integer codes: its file holds no real input scale")
        values = np.asarray(in_order(x, self.names), np.float64)
        if values.ndim != 2 or values.shape[1] != self.n_in:
            raise InputError(f"Features must have shape [N, {self.n_in}], not {values.shape}")
        if np.isnan(values).any():
            raise InputError("Features hold NaN: remove or fill those rows")
        with np.errstate(over="ignore"):
            above = values if self.offset is None else values - self.offset
            codes: npt.NDArray[np.float64] = np.floor(above / self.scale + 0.5) + self.zero_point
        return codes

    def decode(self, codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Real values ``[N, n_in]`` of codes."""
        if self.scale is None or self.zero_point is None:
            raise InputError("This network takes integer codes: its file holds no real input scale")
        reals = self.scale * (np.asarray(codes) - self.zero_point)
        return reals if self.offset is None else reals + self.offset
