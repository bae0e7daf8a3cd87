"""From a layer's integer sums to codes, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["Join"]


@dataclass(frozen=True, eq=False)
class Join:
    """From a layer's integer sums to the codes of one quantizer, or to scaled outputs.

    Parameters
    ----------
    multipliers
        ``[branches, n_out]`` integers: every branch's scale over the target's, times 2**shift.
    bias
        ``[n_out]`` integers, in the target's units times 2**shift; zero points included.
    shift
        Bits that rounding drops.
    target
        The quantizer of the codes; None hands out the sums.
    scale
        ``[n_out]``: real units of a code, or of the sum that is handed out.
    """

    multipliers: IntArray
    bias: IntArray
    shift: int
    target: ActivationQuantizer | None
    scale: FloatArray

    def __call__(self, sums: tuple[FloatArray, ...]) -> FloatArray:
        """Codes or outputs ``[N, n_out]``, integers in float64."""
        total = sum(
            (m * s for m, s in zip(self.multipliers, sums, strict=True)), start=np.float64(0)
        )
        total = total + self.bias
        if self.target is None:
            return np.asarray(total)
        codes = round_half_up(total / 2.0**self.shift)
        return self.target.clamp(codes)

    def repeated(self, times: int) -> Join:
        """The same join for every position of a channel."""
        return Join(
            self.multipliers.repeat(times, axis=1),
            self.bias.repeat(times),
            self.shift,
            self.target.repeated(times) if self.target else None,
            self.scale.repeat(times),
        )
