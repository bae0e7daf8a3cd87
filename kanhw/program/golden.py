"""The golden model: a Program run by PyTorch on int64, with every declared width checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kanhw.errors import ToolNotFound
from kanhw.formats import IntArray

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["run"]


def run(program: Program, codes: npt.ArrayLike) -> IntArray:
    """Run ``program`` on integer codes ``[N, n_in]`` with torch int64; gives int64 ``[N, n_out]``.

    Raises
    ------
    InputError
        If the codes do not fit the program's input.
    OverflowError
        If a value leaves its declared width (which a Program's own checks rule out).
    ToolNotFound
        If torch is not installed; ``program(codes)`` gives the same numbers with numpy.
    """
    try:
        import torch
    except ImportError as error:
        raise ToolNotFound("The golden model needs torch: pip install 'kanhw[torch]'") from error
    array = np.asarray(codes)
    if array.dtype.kind not in "iu":
        return np.asarray(program(array))  # raises, and says what is wrong
    result = program(torch.from_numpy(array.astype(np.int64)))
    return np.asarray(result.numpy(), np.int64)
