"""Constants that quantization moved out of an edge's function into the bias of its output."""

from __future__ import annotations

import numpy as np

from kanhw.formats import FloatArray

__all__ = ["moved_constant"]

# A difference of so many LSBs is no rounding.
_LEAST_STEPS = 4.0
# Rounding makes differences that vary as much as they are large; a constant is larger than these.
_GAIN = 8.0


def moved_constant(differences: FloatArray, step: float) -> float:
    """The constant by which an edge's float function is above its integers; 0 if there is none.

    Parameters
    ----------
    differences
        ``[A]``: float less integer at every code, in real units.
    step
        Real value of one LSB.
    """
    # Not the mean: the outermost code may be read as the end of a grid that it is just outside of.
    middle = float(np.median(differences))
    spread = float(np.median(np.abs(differences - middle)))
    if abs(middle) < max(_LEAST_STEPS * step, _GAIN * spread):
        return 0.0
    return middle
