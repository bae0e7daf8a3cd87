"""Reading a checkpoint file into named arrays, without running anything that it contains."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError, ToolNotFound
from kanhw.formats import FloatArray

__all__ = [
    "SUFFIXES",
    "WRAPPER_PREFIXES",
    "State",
    "parameter",
    "read_checkpoint",
    "strip_wrappers",
]

Array = npt.NDArray[Any]
State = Mapping[str, Array]
_Deserialize = Callable[[bytes], list[tuple[str, dict[str, Any]]]]

TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
SUFFIXES = (*TORCH_SUFFIXES, ".safetensors")

# Training loops save the state_dict under one of these; others wrap the module itself.
_WRAPPER_KEYS = ("state_dict", "model_state_dict", "model")
WRAPPER_PREFIXES = ("module.", "_orig_mod.", "model.")

_SAFETENSORS_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "|b1",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1",
}  # fmt: skip


def read_checkpoint(path: Path, *, suffix: str | None = None) -> State:
    """Read the tensors of a checkpoint by name, floats of any width as float64.

    Wrappers are taken off: an outer dict under ``state_dict``, ``model_state_dict`` or ``model``,
    and the prefixes that DataParallel, torch.compile and Lightning put before every name.

    Parameters
    ----------
    path
        A .pt, .pth, .bin, .ckpt (written by torch.save) or .safetensors file.
    suffix
        Which of these it is, where its name does not tell.

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
    suffix = suffix or path.suffix
    if suffix == ".safetensors":
        state = _read_safetensors(path)
    elif suffix in TORCH_SUFFIXES:
        state = _read_torch(path)
    else:
        raise InputError(
            f"{path} has the unknown suffix {suffix!r}: kanhw reads {', '.join(SUFFIXES)}"
        )
    return strip_wrappers(state)


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


def _read_torch(path: Path) -> dict[str, Array]:
    try:
        import torch
    except ImportError as error:
        raise ToolNotFound(
            f"Reading {path} needs PyTorch: pip install 'kanhw[torch]'"
        ) from error
    try:
        with warnings.catch_warnings():
            # TorchScript archives warn before they are refused.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # torch.load has no error type of its own: damaged files end in KeyError, EOFError, ...
        raise InputError(
            f"{path} is not a state_dict: it is damaged, or holds Python objects other than "
            f"tensors, which kanhw never unpickles; save it with "
            f"torch.save(model.state_dict(), path)"
        ) from error
    return {
        name: _tensor_to_numpy(value)
        for name, value in _find_state_dict(content, path).items()
        if isinstance(value, torch.Tensor)
    }


def _find_state_dict(content: Any, path: Path) -> Mapping[str, Any]:
    import torch

    while True:
        if not isinstance(content, Mapping):
            raise InputError(
                f"{path} holds a {type(content).__name__} instead of a state_dict: save it with "
                f"torch.save(model.state_dict(), path)"
            )
        inner = [key for key in _WRAPPER_KEYS if isinstance(content.get(key), Mapping)]
        if not inner:
            if any(isinstance(value, torch.Tensor) for value in content.values()):
                return {str(name): value for name, value in content.items()}
            keys = ", ".join(repr(key) for key in list(content)[:8]) or "nothing"
            raise InputError(
                f"{path} holds no tensors ({keys}): a state_dict is looked for at the top and "
                f"under {', '.join(repr(key) for key in _WRAPPER_KEYS)}"
            )
        content = content[inner[0]]


def _tensor_to_numpy(tensor: Any) -> Array:
    tensor = tensor.detach()
    if tensor.is_quantized:
        return np.asarray(tensor.int_repr().numpy())
    if tensor.is_floating_point():
        # numpy has no bfloat16, and every float is exact in float64.
        tensor = tensor.double()
    return np.asarray(tensor.to_dense().resolve_conj().resolve_neg().numpy())


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
