"""Data in other files than npz: rows of text, and tensors of torch."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError, ToolNotFound
from kanhw.memory import check_size

__all__ = ["is_text", "is_torch", "read_csv", "read_tensors", "tensor_to_numpy", "torch_content"]

# Of an array of numpy 1; later ones have twice as many.
_MOST_AXES = 32
# Places of a tensor that is larger than what is saved of it.
_MOST_EXPANDED = 1 << 25

Arrays = dict[str, npt.NDArray[Any]]

_TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
# Columns that are answers, not features, by what they are called.
_Y, _LABELS = re.compile(r"(y|target|output)([_ .-]?\d+)?"), re.compile(r"labels?|class")


def is_text(path: Path) -> bool:
    """Whether a file is to be rows of text, which only its suffix tells."""
    return path.suffix.lower() in _TEXT_SUFFIXES


def is_torch(path: Path) -> bool:
    """Whether a file is of torch.save, by what is in it."""
    with path.open("rb") as file:
        start = file.read(256)
    zipped = start[:4] == b"PK\3\4" and b"/data.pkl" in start
    return zipped or start[:2] == b"\x80\x02"


def read_csv(path: Path) -> Arrays:
    """Rows of numbers, with or without a header.

    Columns called y, target or output, with a number or without, become ``y``; one called label,
    labels or class becomes ``labels``; the others are ``x``.

    Raises
    ------
    InputError
        If it is empty, a row is of another length, or a cell is no number; with its line.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    separator = next((each for each in ("\t", ";") if each in text), ",")
    numbered = list(enumerate(csv.reader(text.splitlines(), delimiter=separator), start=1))
    rows = [(line, [cell.strip() for cell in row]) for line, row in numbered if any(row)]
    if not rows:
        raise InputError(f"{path} is empty: write a row of numbers for each sample")
    header = rows.pop(0)[1] if any(_number(cell) is None for cell in rows[0][1]) else []
    if not rows:
        raise InputError(f"{path} has a header and no rows: write one for each sample")
    width = len(header or rows[0][1])
    values = np.array([_row(path, line, row, width) for line, row in rows])
    return _columns(path, values, [name.lower() for name in header])


def _row(path: Path, line: int, row: list[str], width: int) -> list[float]:
    if len(row) != width:
        raise InputError(f"{path}: line {line} has {len(row)} columns, and the first {width}")
    numbers = [_number(cell) for cell in row]
    wrong = [cell for cell, number in zip(row, numbers, strict=True) if number is None]
    if wrong:
        raise InputError(f"{path}: line {line}: {wrong[0]!r} is no number: fill or remove that row")
    return [number for number in numbers if number is not None]


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _columns(path: Path, values: npt.NDArray[np.float64], names: list[str]) -> Arrays:
    answers = [i for i, name in enumerate(names) if _Y.fullmatch(name)]
    labels = [i for i, name in enumerate(names) if _LABELS.fullmatch(name)]
    features = [i for i in range(values.shape[1]) if i not in (*answers, *labels)]
    if not features:
        raise InputError(f"{path} has no column of features, only {', '.join(names)}")
    arrays: Arrays = {"x": values[:, features]}
    if answers:
        arrays["y"] = values[:, answers]
    if labels:
        found = values[:, labels[0]]
        whole = (found == np.floor(found)).all()
        arrays["labels"] = found.astype(np.int64) if whole else found
    return arrays


def read_tensors(path: Path) -> Arrays:
    """A tensor as ``x``, or those of a dict by their names; nothing else is unpickled.

    Raises
    ------
    InputError
        If it is damaged, or holds neither.
    ToolNotFound
        If torch is not installed.
    """
    content = torch_content(
        path,
        f"{path} is damaged, or holds more than tensors, which are never unpickled: save a "
        "dict of tensors with torch.save, or use numpy.savez(path, x=x)",
    )
    import torch

    named = content if isinstance(content, dict) else {"x": content}
    return {
        str(name): tensor_to_numpy(str(name), value)
        for name, value in named.items()
        if isinstance(value, torch.Tensor)
    }


def torch_content(
    path: Path, damaged: str, harmless: Callable[[], Sequence[Any]] = tuple
) -> Any:
    """What torch.save wrote into a file; only tensors, numbers and containers are unpickled.

    Parameters
    ----------
    path
        The file.
    damaged
        What to say of a file that holds anything else.
    harmless
        Gives the other types that may be made.

    Raises
    ------
    InputError
        With these words.
    ToolNotFound
        If torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ToolNotFound(f"Reading {path} needs PyTorch: pip install 'kanhw[torch]'") from error
    # torch 2.4 has no way to allow more for a moment.
    allow = getattr(torch.serialization, "safe_globals", None)
    try:
        with allow(harmless()) if allow else contextlib.nullcontext():
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:
        # It has no error type of its own: damaged files end in IndexError, KeyError, EOFError, ...
        raise InputError(damaged) from error


def tensor_to_numpy(name: str, tensor: Any) -> npt.NDArray[Any]:
    """A tensor of any kind that has numbers, floats of any width as float64.

    Parameters
    ----------
    name
        What it is called, for messages.
    tensor
        A torch.Tensor.

    Raises
    ------
    InputError
        If it has no numbers (on the device ``meta``), or more of them than are saved and fit, or is
        of a kind that numpy lacks.
    """
    dense = tensor.layout == _strided() and not tensor.is_nested
    if tensor.is_meta or tensor.is_nested or tensor.dim() > _MOST_AXES:
        what = "no numbers" if tensor.is_meta else f"{tensor.dim()} axes"
        what = "tensors in a tensor" if tensor.is_nested else what
        raise InputError(f"Tensor {name!r} holds {what}, which kanhw does not read")
    check_size(tensor.numel(), f"Tensor {name!r}")
    saved = tensor.untyped_storage().nbytes() if dense else 0
    if tensor.numel() > max(saved, _MOST_EXPANDED):
        raise InputError(
            f"Tensor {name!r} has {tensor.numel()} places, but a file saves fewer numbers of it "
            "(it is expanded, or sparse): save tensor.contiguous() or tensor.to_dense()"
        )
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_quantized:
            return np.asarray(tensor.int_repr().numpy())
        if tensor.is_floating_point():
            # numpy has no bfloat16, and every float is exact in float64.
            tensor = tensor.double()
        return np.asarray(tensor.to_dense().resolve_conj().resolve_neg().numpy())
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"Tensor {name!r} is of {tensor.dtype}, which kanhw does not read: save it as float32"
        ) from error


def _strided() -> Any:
    import torch

    return torch.strided
