"""The one rounding rule: half up, everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["round_half_up"]


def round_half_up(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``floor(x + 1/2)``; numpy's and torch's own ``round`` go to even instead."""
    return np.floor(x + 0.5)
