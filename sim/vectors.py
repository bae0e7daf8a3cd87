"""Vector files (DATA.npz) and the codes that drive a design."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import IntArray

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["Vectors", "read_arrays", "read_vectors", "stimulus"]


@dataclass(frozen=True)
class Vectors:
    """What a vector file holds.

    Parameters
    ----------
    x
        ``[N, n_in]``: real features, or integer codes.
    y
        ``[N, n_out]`` outputs: integer codes that the hardware must reproduce, or the float
        model's real outputs. None if the file has none.
    labels
        ``[N]`` class indices, or None.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any] | None = None
    labels: IntArray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def expected(self) -> IntArray | None:
        """``y`` where it is integer codes, which the hardware must reproduce to the bit."""
        if self.y is None or self.y.dtype.kind not in "iub":
            return None
        return self.y.astype(np.int64)


def read_arrays(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Every array of an npz file, by name.

    Raises
    ------
    InputError
        If the file is missing, is no npz or holds Python objects (which could run code).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: vectors are read from an npz file with an array x")
    try:
        # Opened here, because numpy leaves a file that is no archive open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path} is not an npz file: write it with numpy.savez(path, x=x)")
            return {name: np.asarray(archive[name]) for name in archive.files}
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read as an npz file ({error}): write it with numpy.savez(path, x=x)"
        ) from error


def read_vectors(path: str | Path, program: Program) -> Vectors:
    """Read ``x`` and, where present, ``y`` and ``labels`` from an npz file.

    Parameters
    ----------
    path
        The file.
    program
        The network that the vectors are for: ``x`` must have its width.

    Raises
    ------
    InputError
        If the file is missing, no npz, empty, lacks ``x``, or an array has another shape or NaN.
    """
    path = Path(path)
    arrays = read_arrays(path)
    if "x" not in arrays:
        raise InputError(f"{path} has no array 'x' (it has {', '.join(arrays) or 'none'})")
    x = _matrix(arrays["x"], "x", program.n_in, path)
    if not len(x):
        raise InputError(f"{path} holds no vectors: 'x' has no rows, so nothing can be compared")
    y = labels = None
    if "y" in arrays:
        y = arrays["y"]
        if y.ndim == 1 and program.n_out == 1:
            y = y[:, np.newaxis]
        y = _matrix(y, "y", program.n_out, path)
        _same_length(y, x, "y", path)
    if "labels" in arrays:
        labels = arrays["labels"].reshape(-1)
        if labels.dtype.kind not in "iub":
            raise InputError(f"{path}: 'labels' must be integers, not {labels.dtype}")
        _same_length(labels, x, "labels", path)
        labels = labels.astype(np.int64)
    return Vectors(x, y, labels)


def stimulus(program: Program, x: npt.ArrayLike) -> IntArray:
    """Make the codes that drive the hardware for features ``x``.

    Parameters
    ----------
    program
        Says how features become codes.
    x
        ``[N, n_in]``: real features for a Program with an input scale; integer codes within its
        input format for one without. Integers for a Program with a scale are features too.

    Returns
    -------
    int64 ``[N, n_in]``

    Raises
    ------
    InputError
        If x has another shape, holds NaN, is real for a Program of integer codes, or has codes
        outside the format.
    """
    array = np.asarray(x)
    if array.ndim != 2 or array.shape[1] != program.n_in:
        raise InputError(f"x must have shape [N, {program.n_in}], not {array.shape}")
    if array.dtype.kind not in "iubf":
        raise InputError(f"x must be numbers, not {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("x holds NaN: remove or fill those rows")
    if program.input.scale is not None:
        return np.asarray(program.input.encode(array.astype(np.float64)), np.int64)
    if array.dtype.kind == "f":
        raise InputError(
            "x holds real features, but this network takes integer codes (its file has no input "
            f"scale): pass integers {program.input.format.lo} to {program.input.format.hi}"
        )
    form = program.input.format
    if array.size and not form.holds(int(array.min()), int(array.max())):
        raise InputError(
            f"x must be codes {form.lo} to {form.hi} ({form}), "
            f"not {array.min()} to {array.max()}"
        )
    return array.astype(np.int64)


def _matrix(array: npt.NDArray[Any], name: str, width: int, path: Path) -> npt.NDArray[Any]:
    if array.ndim != 2 or array.shape[1] != width:
        raise InputError(f"{path}: '{name}' must have shape [N, {width}], not {array.shape}")
    if array.dtype.kind not in "iubf":
        raise InputError(f"{path}: '{name}' must hold numbers, not {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        row, column = np.argwhere(np.isnan(array))[0]
        raise InputError(f"{path}: '{name}' holds NaN (first at row {row}, column {column})")
    return array


def _same_length(array: npt.NDArray[Any], x: npt.NDArray[Any], name: str, path: Path) -> None:
    if len(array) != len(x):
        raise InputError(f"{path}: '{name}' has {len(array)} rows but 'x' has {len(x)}")
