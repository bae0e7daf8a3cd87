"""Reading a checkpoint file into named arrays, without running anything that it contains."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from kanhw.errors import InputError
from kanhw.files import missing
from kanhw.importers.parts.state import (
    WRAPPER_PREFIXES,
    Array,
    State,
    parameter,
    strip_wrappers,
)
from kanhw.importers.parts.torch_file import read_torch

__all__ = [
    "WRAPPER_PREFIXES",
    "State",
    "file_kind",
    "parameter",
    "read_checkpoint",
    "read_states",
    "strip_wrappers",
]

_Deserialize = Callable[[bytes], list[tuple[str, dict[str, Any]]]]

_SAFETENSORS_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "|b1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip


def file_kind(path: Path) -> str:
    """What a file is by what is in it: ``safetensors``, ``npz``, or ``torch`` for all others."""
    with path.open("rb") as file:
        start = file.read(30)
        if start[8:9] == b"{":
            (length,) = struct.unpack("<Q", start[:8])
            if 8 + length <= path.stat().st_size:
                return "safetensors"
        if start[:4] == b"PK\3\4" and len(start) == 30:
            # The name of a zip's first member, behind its length.
            (size,) = struct.unpack("<H", start[26:28])
            if file.read(size).endswith(b".npy"):
                return "npz"
    # What is damaged is called what it claims to be.
    return {".safetensors": "safetensors", ".npz": "npz"}.get(path.suffix, "torch")


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
        raise InputError(missing(path))
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty: save the model again")
    if file_kind(path) == "safetensors":
        states: dict[str, State] = {"": _read_safetensors(path)}
    else:
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
