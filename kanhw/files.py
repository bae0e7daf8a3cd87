"""Reading arrays, and writing arrays and JSON; see :mod:`kanhw.places` for where files go."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.data_files import is_text, is_torch, read_csv, read_tensors
from kanhw.errors import InputError
from kanhw.memory import check_archive
from kanhw.places import write_whole
from kanhw.values import meant

__all__ = ["missing", "read_arrays", "read_texts", "write_arrays", "write_json"]


def missing(path: Path) -> str:
    """What to say of a file that is not there."""
    return f"{path} does not exist{_near(path) or ': check the path'}"


def _near(path: Path) -> str:
    """A file beside it that is called much the same."""
    folder = path.parent
    return meant(path.name, (entry.name for entry in folder.iterdir())) if folder.is_dir() else ""


def write_json(path: str | Path, data: Any) -> Path:
    """Write JSON, indented and with sorted keys; see :func:`kanhw.places.write_whole`."""
    return write_whole(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def read_arrays(path: str | Path, needed: str = "x") -> dict[str, npt.NDArray[Any]]:
    """Every array of a file of data that holds numbers; others come empty, for their names.

    An npz file; or rows of text (.csv, .tsv, .txt), or tensors of torch, as
    :mod:`kanhw.data_files` reads them.

    Parameters
    ----------
    path
        The file.
    needed
        The array that must be there, and hold numbers.

    Raises
    ------
    InputError
        If the file is missing, of another kind, or damaged, or lacks that array. Pickled objects,
        which could run code, are never loaded.
    """
    path = Path(path)
    if not path.is_file():
        near = "" if path.exists() else _near(path)
        raise InputError(
            f"{path} is not a file: data are read from an npz file with an array x, or from a csv"
            f"{near}"
        )
    arrays = _read(path)
    if needed not in arrays:
        cure = ": write it with numpy.savez(path, x=x)" if needed == "x" else ""
        raise InputError(
            f"{path} has no array '{needed}' (it has {', '.join(arrays) or 'none'}){cure}"
        )
    if arrays[needed].dtype.kind not in "iubf":
        raise InputError(f"{path}: '{needed}' must hold numbers, not {arrays[needed].dtype}")
    return arrays


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if is_text(path):
        return read_csv(path)
    if is_torch(path):
        return read_tensors(path)
    check_archive(path)
    try:
        # Opened here, because numpy leaves a file that is no archive open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            return {name: _array(archive, name) for name in archive.files}
    except Exception as error:
        # What damaged files end in has no common type: BadZipFile, TokenError, MemoryError, ...
        raise InputError(
            f"{path} cannot be read as an npz file ({error}): write it with numpy.savez(path, x=x)"
        ) from error


def read_texts(path: str | Path, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Those of some arrays of an npz file that it has, as texts; none of a file without.

    Parameters
    ----------
    path
        A file that :func:`read_arrays` reads.
    names
        Of the arrays: one-dimensional, of text.

    Raises
    ------
    InputError
        If one of them holds something else.
    """
    arrays, found = read_arrays(path), dict[str, tuple[str, ...]]()
    for name in names:
        array = arrays.get(name)
        if array is None:
            continue
        if array.dtype.kind != "U" or array.ndim != 1:
            raise InputError(
                f"{path}: '{name}' must be a list of texts, numpy.array(['a', 'b']), not "
                f"{array.dtype} {array.shape}"
            )
        found[name] = tuple(array.tolist())
    return found


def _array(archive: Any, name: str) -> npt.NDArray[Any]:
    """An array, unless it holds objects, which only unpickling could read."""
    try:
        return np.asarray(archive[name])
    except ValueError:
        if name in ("x", "y", "labels"):
            raise
        return np.empty(0)


def write_arrays(path: str | Path, **arrays: npt.ArrayLike) -> Path:
    """Write an npz file; see :func:`kanhw.places.write_whole`."""
    buffer = io.BytesIO()
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(buffer, **named)
    return write_whole(path, buffer.getvalue())
