"""Reading a checkpoint file into named arrays, without running anything that it contains."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray

__all__ = [
    "WRAPPER_PREFIXES",
    "State",
    "file_kind",
    "parameter",
    "read_checkpoint",
    "read_states",
    "strip_wrappers",
]

Array = npt.NDArray[Any]
State = Mapping[str, Array]
_Deserialize = Callable[[bytes], list[tuple[str, dict[str, Any]]]]

# What wraps the module itself: DataParallel, torch.compile, Lightning.
WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.")

_SAFETENSORS_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "|b1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip


def file_kind(path: Path) -> str:
    """What a file is by what is in it: ``safetensors``, ``npz``, or ``torch`` for all others."""
    with path.open("rb") as file:
        start = file.read(9)
        if len(start) == 9 and start[8:] == b"{":
            (length,) = struct.unpack("<Q", start[:8])
            if 8 + length <= path.stat().st_size:
                return "safetensors"
        if start[:4] == b"PK\3\4":
            file.seek(26)
            # The name of a zip's first member, behind its length.
            (size,) = struct.unpack("<H", file.read(2))
            file.seek(30)
            if file.read(size).endswith(b".npy"):
                return "npz"
    return "safetensors" if path.suffix == ".safetensors" else "torch"


def read_states(path: Path) -> dict[str, State]:
    """Read every state_dict of a checkpoint, by the key that it is under.

    Prefixes that DataParallel, torch.compile and Lightning put before every name are taken off.

    Parameters
    ----------
    path
        A file of torch.save or safetensors, known by what is in it.

    Returns
    -------
    dict
        The state_dict at the top under an empty key; of nested ones the keys are joined by dots.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, of another kind, or holds Python objects.
    ToolNotFound
        If the file was written by torch.save and torch is not installed.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: save the model again")
    if file_kind(path) == "safetensors":
        states: dict[str, State] = {"": _read_safetensors(path)}
    else:
        from kanhw.importers.parts.torch_file import read_torch

        states = read_torch(path)
    return {key: strip_wrappers(state) for key, state in states.items()}


def read_checkpoint(path: Path) -> State:
    """Read the only state_dict of a checkpoint; see :func:`read_states`.

    Raises
    ------
    InputError
        Likewise, and if there are several.
    """
    states = read_states(path)
    if len(states) > 1:
        raise InputError(f"{path} holds several state_dicts: {', '.join(map(repr, states))}")
    (state,) = states.values()
    return state


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


def _read_safetensors(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError, deserialize

    try:
        tensors = cast(_Deserialize, deserialize)(path.read_bytes())
    except SafetensorError as error:
        raise InputError(f"{path} is not a safetensors file: {error}") from error
    if not tensors:
        raise InputError(f"{path} holds no tensors")
    return {name: _decode(name, entry, path) for name, entry in tensors}


def _decode(name: str, entry: Mapping[str, Any], path: Path) -> Array:
    """Decode one tensor of a safetensors file, which needs no torch, not even for bfloat16."""
    dtype, shape = str(entry["dtype"]), list(entry["shape"])
    if dtype == "BF16":
        bits = np.frombuffer(entry["data"], "<u2").astype("<u4") << 16
        return bits.view("<f4").astype(np.float64).reshape(shape)
    if dtype not in _SAFETENSORS_TYPES:
        raise InputError(
            f"{path}: tensor {name!r} has the type {dtype}, which kanhw does not read: save it as "
            f"float32"
        )
    array = np.frombuffer(entry["data"], _SAFETENSORS_TYPES[dtype], count=math.prod(shape))
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
    return array.reshape(shape)
