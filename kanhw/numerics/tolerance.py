"""When two reals count as the same."""

from __future__ import annotations

__all__ = ["indistinct"]

# float32, in which networks are trained and data kept, rounds by up to this share.
_NOISE = 2.0**-24


def indistinct(low: float, high: float) -> bool:
    """Whether a range is no wider than float32's rounding of its ends.

    What decides by whether values differ decides by this: equal values that were computed along
    different ways differ in their last bits.
    """
    return not high - low > _NOISE * max(abs(low), abs(high))
