"""Normalisations around a network: taken from its buffers or from numbers, and folded into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.left_over import named
from kanhw.importers.parts.settings import listed, real
from kanhw.model.network import KanModel
from kanhw.model.rescaling import with_input_map, with_output_map

__all__ = ["OPTIONS", "Normalisation", "normalised", "read_normalisation"]

_DEFAULTS = {"input_mean": 0.0, "input_std": 1.0, "output_mean": 0.0, "output_std": 1.0}
OPTIONS = tuple(_DEFAULTS)


@dataclass(frozen=True, eq=False)
class Normalisation:
    """``y = output_std * network((x - input_mean) / input_std) + output_mean``.

    Parameters
    ----------
    values
        The arrays ``[n]`` or ``[1]`` that were told, by the names of the options.
    tensors
        The names of the tensors that they were read from.
    described
        What the source is to say of them; empty where nothing was told.
    """

    values: Mapping[str, FloatArray]
    tensors: tuple[str, ...]
    described: str = ""


def read_normalisation(state: State, options: Mapping[str, Any]) -> Normalisation:
    """Read what the options of :data:`OPTIONS` say.

    Parameters
    ----------
    state
        Named tensors, none where the network is not from a checkpoint.
    options
        Each a number, several, or the name of a tensor.

    Raises
    ------
    InputError
        If a value is neither, not finite, or a deviation is not positive.
    """
    values: dict[str, FloatArray] = {}
    tensors = []
    for name in OPTIONS:
        given = options.get(name)
        if given is None:
            continue
        if isinstance(given, str) and given in state:
            tensors.append(given)
            values[name] = _finite(name, np.asarray(state[given], np.float64).ravel())
        else:
            values[name] = _numbers(name, given, state)
        if name.endswith("std") and (values[name] <= 0).any():
            place = int(np.argmax(values[name] <= 0))
            raise InputError(
                f"{name} must be positive, but is {values[name][place]:g} at place {place}: a "
                "feature that never varies has the deviation 1"
            )
    told = ", ".join(f"{name} {_shown(options[name], values[name])}" for name in values)
    return Normalisation(values, tuple(tensors), f"folded in: {told}" if told else "")


def _shown(given: object, values: FloatArray) -> str:
    """The name of a tensor, a number, or how many of them."""
    if isinstance(given, str) and not given[:1].isdecimal() and given[:1] not in "-+.[(":
        return given
    return f"{values[0]:g}" if len(values) == 1 else f"({len(values)} values)"


def normalised(model: KanModel, normalisation: Normalisation) -> KanModel:
    """The network with its normalisations folded in, so that it reads and gives physical units."""
    told = normalisation.values
    if "input_mean" in told or "input_std" in told:
        mean, std = _mean_and_std(told, "input")
        model = with_input_map(model, 1 / std, -mean / std)
    if "output_mean" in told or "output_std" in told:
        mean, std = _mean_and_std(told, "output")
        model = with_output_map(model, std, mean)
    return model


def _mean_and_std(told: Mapping[str, FloatArray], end: str) -> tuple[FloatArray, FloatArray]:
    mean, std = (
        told.get(name, np.array([_DEFAULTS[name]])) for name in (f"{end}_mean", f"{end}_std")
    )
    if len(mean) != len(std) and 1 not in (len(mean), len(std)):
        raise InputError(
            f"{end}_mean has {len(mean)} values and {end}_std {len(std)}: give one for all, or as "
            "many"
        )
    count = max(len(mean), len(std))
    return np.broadcast_to(mean, count).copy(), np.broadcast_to(std, count).copy()


def _numbers(name: str, given: Any, state: State) -> FloatArray:
    given = given.tolist() if hasattr(given, "tolist") else given
    try:
        return np.array([real(name, each) for each in listed(given)])
    except InputError as error:
        raise InputError(
            f"{name} is a number, several with commas, or a tensor of the checkpoint, not "
            f"{given!r}: it has {named(state)}"
        ) from error


def _finite(name: str, array: FloatArray) -> FloatArray:
    if not len(array) or not np.isfinite(array).all():
        raise InputError(f"The tensor that {name} names holds NaN, infinity or nothing")
    return array
