"""Named tensors: what every importer reads, and the checks of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray

__all__ = ["WRAPPER_PREFIXES", "Array", "State", "parameter", "strip_wrappers"]

Array = npt.NDArray[Any]
State = Mapping[str, Array]

# What wraps the module itself: DataParallel, torch.compile, Lightning.
WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.")


def strip_wrappers(state: Mapping[str, Any]) -> dict[str, Any]:
    """Take off the prefixes that wrap every one of its names."""
    # torch.compile of a submodule leaves its mark in the middle of a name; nobody else does.
    state = {name.replace("._orig_mod.", "."): value for name, value in state.items()}
    while True:
        for prefix in WRAPPER_PREFIXES:
            if state and all(name.startswith(prefix) for name in state):
                state = {name.removeprefix(prefix): value for name, value in state.items()}
                break
        else:
            return state


def parameter(state: State, name: str, dimensions: int) -> FloatArray:
    """Get one tensor that a network needs, checked.

    Raises
    ------
    InputError
        If it is missing, not of floats, has another number of axes, or holds NaN or an infinity.
    """
    if name not in state:
        raise InputError(f"Tensor {name!r} is missing: the checkpoint is incomplete")
    array = state[name]
    if array.dtype.kind != "f":
        raise InputError(
            f"Tensor {name!r} holds {array.dtype}, but floating-point parameters are needed: "
            f"save the model before it is quantized"
        )
    if array.ndim != dimensions:
        raise InputError(
            f"Tensor {name!r} must have {dimensions} dimensions, not shape {list(array.shape)}"
        )
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise InputError(
            f"Tensor {name!r} holds NaN or infinity in {bad} of {array.size} places: training "
            f"diverged, so go back to an earlier checkpoint"
        )
    return np.asarray(array, np.float64)
