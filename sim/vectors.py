"""Vector files (DATA.npz) and the codes that drive a design."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.files import read_arrays
from kanhw.formats import IntArray
from kanhw.frames import in_order

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["Integers", "Vectors", "checked_vectors", "read_vectors", "stimulus"]

# What integers are where a network has real values: its codes, or values that happen to be whole.
Integers = Literal["codes", "reals"]


@dataclass(frozen=True)
class Vectors:
    """What a vector file holds.

    Parameters
    ----------
    x
        ``[N, n_in]``: real features (float), or codes (integers).
    y
        ``[N, n_out]`` outputs: codes that the hardware must reproduce (integers), or real outputs
        (float). None if the file has none.
    labels
        ``[N]`` class indices, or None.
    head
        ``[N]``: which head each vector is for, or None for head 0.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any] | None = None
    labels: IntArray | None = None
    head: IntArray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def expected(self) -> IntArray | None:
        """``y`` where it is integer codes, which the hardware must reproduce to the bit."""
        if self.y is None or self.y.dtype.kind not in "iub":
            return None
        return self.y.astype(np.int64)


def read_vectors(
    path: str | Path, program: Program, *, integers: Integers | None = None
) -> Vectors:
    """Read ``x`` and, where present, ``y``, ``labels`` and ``head`` from an npz file.

    Parameters
    ----------
    path
        The file.
    program, integers
        The network that the vectors are for; see :func:`checked_vectors`.

    Raises
    ------
    InputError
        If the file is missing, no npz, empty, lacks ``x``, or an array has another shape or NaN.
    """
    arrays = read_arrays(path)
    return checked_vectors(
        program,
        arrays["x"],
        arrays.get("y"),
        arrays.get("labels"),
        head=arrays.get("head"),
        integers=integers,
        where=str(path),
    )


def checked_vectors(
    program: Program,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    head: npt.ArrayLike | None = None,
    integers: Integers | None = None,
    where: str = "The array",
) -> Vectors:
    """Check that arrays fit one another and the network that they are for.

    Parameters
    ----------
    program
        The network. If it hands out class indices, integer outputs ``y`` of its last layer become
        the index of their largest, and real ones are left out.
    x, y, labels, head
        See :class:`Vectors`.
    integers
        What integers in ``x`` and ``y`` are where the network has real values: ``codes``, or
        ``reals``. None refuses them. Class indices, and what a network of codes takes and gives,
        are integers anyway.
    where
        Where they come from, for messages.

    Raises
    ------
    InputError
        If there are no rows, or an array has another shape, length or type, or NaN; or if it may be
        codes or values, and nobody said which.
    """
    if integers not in (None, *get_args(Integers)):
        raise InputError(f"integers must be 'codes' or 'reals', not {integers!r}")
    x = in_order(x, program.labels.inputs)
    scales = (program.input.scale, program.layers[-1].requantizers[0].scale)
    if integers == "reals" and all(scale is None for scale in scales):
        raise InputError(
            "This network takes integer codes and knows no real values: leave integers='reals' "
            "(--reals) away"
        )
    real = program.input.scale is not None
    told = _told_apart(np.asarray(x), "x", integers, where, real=real)
    features = _matrix(told, "x", program.n_in, where)
    if not len(features):
        raise InputError(f"{where} holds no vectors: 'x' has no rows, so nothing can be compared")
    return Vectors(
        features,
        None if y is None else _outputs(program, np.asarray(y), features, integers, where),
        None if labels is None else _labels(np.asarray(labels), features, where),
        None if head is None else _heads(program, np.asarray(head), features, where),
    )


def _told_apart(
    array: npt.NDArray[Any], name: str, integers: Integers | None, where: str, *, real: bool
) -> npt.NDArray[Any]:
    """An array whose type says what it holds: integers are codes, the rest are real values.

    ``real`` says whether the network has real values there, so that integers may be either.
    """
    if not real or array.dtype.kind not in "iub" or integers == "codes":
        return array
    if integers == "reals":
        return array.astype(np.float64)
    what = {"x": "real features", "y": "outputs with real values"}[name]
    raise InputError(
        f"{where}: '{name}' holds integers ({array.dtype}), but this network has {what}: say "
        "--codes (integers='codes') if they are its codes, --reals (integers='reals') if they are "
        "values"
    )


def stimulus(
    program: Program,
    x: npt.ArrayLike,
    heads: IntArray | None = None,
    *,
    integers: Integers | None = None,
) -> IntArray:
    """Make the codes that drive the hardware for features ``x``.

    Parameters
    ----------
    program
        Says how features become codes.
    x
        ``[N, n_in]``: real features for a Program with an input scale; integer codes within its
        input format for one without.
    heads
        ``[N]``: which head each vector is for, each of which has a scale of its own; None is head
        0.
    integers
        What integers are for a Program with an input scale; see :func:`checked_vectors`.

    Returns
    -------
    int64 ``[N, n_in]``

    Raises
    ------
    InputError
        If x has another shape, holds NaN, is real for a Program of integer codes, or has codes
        outside the format or the range of their feature.
    """
    array = np.asarray(x)
    if array.ndim > 2 and math.prod(array.shape[1:]) == program.n_in:
        array = array.reshape(len(array), program.n_in)
    if array.ndim != 2 or array.shape[1] != program.n_in:
        raise InputError(f"x must have shape [N, {program.n_in}], not {array.shape}")
    if array.dtype.kind not in "iubf":
        raise InputError(f"x must be numbers, not {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("x holds NaN: remove or fill those rows")
    array = _told_apart(array, "x", integers, "The array", real=program.input.scale is not None)
    if program.input.scale is not None and array.dtype.kind == "f":
        codes = np.asarray(program.input.encode(array.astype(np.float64)), np.int64)
        for number, encoder in enumerate(program.encoders or () if heads is not None else ()):
            rows = heads == number
            codes[rows] = encoder.encode(array[rows].astype(np.float64))
        return codes
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
    codes = array.astype(np.int64)
    outside = codes != program.input.clamp(codes)
    if outside.any():
        row, feature = np.argwhere(outside)[0]
        lo, hi = (int(end[feature]) for end in program.input.code_ends)
        raise InputError(
            f"x must hold codes {lo} to {hi} of feature {feature}, not {codes[row, feature]} "
            f"(row {row})"
        )
    return codes


def _outputs(
    program: Program,
    y: npt.NDArray[Any],
    x: npt.NDArray[Any],
    integers: Integers | None,
    where: str,
) -> npt.NDArray[Any] | None:
    real = program.layers[-1].requantizers[0].scale is not None
    # A class index is an integer, and no code of anything.
    if not (program.argmax and y.shape[1:] in ((), (1,))):
        y = _told_apart(y, "y", integers, where, real=real)
    if program.n_out == 1 and y.ndim == 1:
        y = y[:, np.newaxis]
    elif program.n_out == 1 and program.argmax and y.shape[1:] == (program.layers[-1].n_out,):
        if y.dtype.kind not in "iub":
            return None
        # numpy takes the first of equal outputs, as the hardware does.
        y = y.argmax(axis=1)[:, np.newaxis]
    y = _matrix(y, "y", program.n_out, where)
    if not np.isfinite(y).all():
        raise InputError(f"{where}: 'y' holds infinity: remove those rows")
    _same_length(y, x, "y", where)
    return y


def _labels(labels: npt.NDArray[Any], x: npt.NDArray[Any], where: str) -> IntArray:
    if labels.dtype.kind not in "iub":
        raise InputError(f"{where}: 'labels' must be integers, not {labels.dtype}")
    labels = labels.reshape(-1)
    _same_length(labels, x, "labels", where)
    return labels.astype(np.int64)


def _heads(
    program: Program, heads: npt.NDArray[Any], x: npt.NDArray[Any], where: str
) -> IntArray:
    if heads.dtype.kind not in "iu":
        raise InputError(f"{where}: 'head' must be integers, not {heads.dtype}")
    heads = heads.reshape(-1)
    _same_length(heads, x, "head", where)
    if not 0 <= int(heads.min()) <= int(heads.max()) < program.heads:
        raise InputError(
            f"{where}: 'head' must be 0 to {program.heads - 1}, not {heads.min()} to {heads.max()}"
        )
    return heads.astype(np.int64)


def _matrix(array: npt.NDArray[Any], name: str, width: int, where: str) -> npt.NDArray[Any]:
    if array.ndim > 2 and math.prod(array.shape[1:]) == width:
        # Images travel flattened: channel, row, column.
        array = array.reshape(len(array), width)
    if array.ndim != 2 or array.shape[1] != width:
        raise InputError(f"{where}: '{name}' must have shape [N, {width}], not {array.shape}")
    if array.dtype.kind not in "iubf":
        raise InputError(f"{where}: '{name}' must hold numbers, not {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        row, column = np.argwhere(np.isnan(array))[0]
        raise InputError(f"{where}: '{name}' holds NaN (first at row {row}, column {column})")
    return array


def _same_length(array: npt.NDArray[Any], x: npt.NDArray[Any], name: str, where: str) -> None:
    if len(array) != len(x):
        raise InputError(f"{where}: '{name}' has {len(array)} rows but 'x' has {len(x)}")
