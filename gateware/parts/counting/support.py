"""Which address bits a table depends on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["support_of"]


def support_of(values: npt.NDArray[np.integer[Any]]) -> tuple[int, ...]:
    """The address bits that the entries ``[2**n]`` of a table, or of a bit of it, depend on."""
    bits = len(values).bit_length() - 1
    halves = (values.reshape(-1, 2, 1 << bit) for bit in range(bits))
    return tuple(bit for bit, h in enumerate(halves) if (h[:, 0] != h[:, 1]).any())
