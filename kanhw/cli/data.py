"""Data that commands read: features with targets, and a part that is split off."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanhw.cli.common import load_given
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.model.network import KanModel

__all__ = ["HELD_OUT_SHARE", "finite", "float_model", "held_out_data", "integers", "targets_in"]

HELD_OUT_SHARE = 0.2
_TARGETS = ("labels", "y")
Arrays = dict[str, npt.NDArray[Any]]


def float_model(options: argparse.Namespace) -> KanModel:
    """The float network of a command's MODEL argument."""
    from kanhw.model.network import KanModel

    model = load_given(options)
    if not isinstance(model, KanModel):
        raise InputError(f"{options.model} is quantized already: give the float model")
    return model


def targets_in(arrays: Arrays, path: str, name: str | None) -> npt.NDArray[Any]:
    """The array of targets: the one that is named, else ``labels`` or ``y``.

    Raises
    ------
    InputError
        If it is not there, both are, or it holds no numbers.
    """
    names = [own for own in ([name] if name else _TARGETS) if own in arrays]
    if len(names) == 1:
        targets = arrays[names[0]]
        if targets.dtype.kind not in "biuf":
            raise InputError(
                f"{path}: {names[0]} must hold numbers, not {targets.dtype}: give classes as "
                "integers from 0 on"
            )
        return targets
    if names:
        raise InputError(f"{path} has both labels and y: say which with --targets labels or y")
    raise InputError(
        f"{path} has no {name or 'labels or y'} (it has {', '.join(arrays)}): training needs "
        "targets; --targets NAME says which array they are"
    )


def held_out_data(options: argparse.Namespace) -> tuple[Arrays, Arrays, str]:
    """Calibration data, data to measure on, and where the latter are from.

    They are a file of their own (``--held-out``), or split off the calibration data.
    """
    from kanhw.files import read_arrays
    from kanhw.flow.fitting.held_out import split_off

    own = _known(read_arrays(options.calibration))
    if options.held_out is not None:
        return own, _known(read_arrays(options.held_out)), str(options.held_out)
    left, taken = split_off(own, HELD_OUT_SHARE, options.seed)
    count = len(taken["x"])
    where = f"{count} samples split off {options.calibration} (seed {options.seed})"
    return left, taken, where


def _known(arrays: Arrays) -> Arrays:
    return {name: arrays[name] for name in ("x", "labels") if name in arrays}


def integers(text: str) -> tuple[int, ...]:
    """Numbers separated by commas, as ``2,3,4``."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"takes integers with commas between them, as 2,3,4, not {text!r}"
        ) from None


def two_reals(text: str) -> tuple[float, float]:
    """Two numbers with a comma between them, as ``1e-6,1e-4``."""
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"takes two numbers with a comma between them, as 1e-6,1e-4, not {text!r}"
        ) from None
    return first, second


def finite(value: float) -> float | None:
    """A number as JSON has it: None for infinity."""
    return value if np.isfinite(value) else None
