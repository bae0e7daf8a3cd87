"""Running a Program on integers: checks of codes and of every declared width on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program.encoder import InputEncoder
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.widths import output_formats

__all__ = ["checked_codes", "is_tensor", "run_layers", "zeros_like"]


def is_tensor(values: object) -> bool:
    """Whether values are a tensor of torch, which need not be installed."""
    return hasattr(values, "new_tensor")


def zeros_like(values: Any, shape: tuple[int, ...]) -> Any:
    """int64 zeros of the values' library: numpy, or torch."""
    return values.new_zeros(shape) if is_tensor(values) else np.zeros(shape, np.int64)


def checked_codes(codes: Any, input: InputEncoder) -> Any:
    """Codes ``[N, n_in]`` as int64.

    Raises
    ------
    InputError
        If they are not integers of the input's format in the right shape.
    """
    array: Any = codes if is_tensor(codes) else np.asarray(codes)
    if "int" not in str(array.dtype):
        raise InputError(
            f"Codes must be integers, not {array.dtype}: encode real features with "
            "program.input.encode(x) first"
        )
    if array.ndim != 2 or array.shape[1] != input.n_in or array.shape[0] == 0:
        raise InputError(
            f"Codes must have shape [N, {input.n_in}] with N >= 1, not {tuple(array.shape)}"
        )
    lo, hi = int(array.min()), int(array.max())
    if not input.format.holds(lo, hi):
        raise InputError(
            f"Codes must be {input.format} integers in [{input.format.lo}, "
            f"{input.format.hi}], not {lo} to {hi}"
        )
    return array.long() if is_tensor(array) else array.astype(np.int64)


def run_layers(
    layers: tuple[ProgramLayer, ...], input: InputEncoder, codes: Any
) -> list[tuple[Any, ...]]:
    """The code streams behind every layer, of codes in their ranges (numpy or torch)."""
    streams: tuple[Any, ...] = (codes,)
    formats: tuple[CodeFormat, ...] = (input.format,)
    history = []
    for layer in layers:
        addresses = tuple(streams[s] - formats[s].lo for s in layer.streams)
        accumulators = layer.accumulate(addresses)
        for values, declared in zip(accumulators, layer.accumulator_formats or (), strict=True):
            _check_width(values, declared, f"An accumulator of layer {layer.name!r}")
        own = tuple(_requantized(layer, r, accumulators) for r in layer.requantizers)
        streams = own + tuple(streams[p] for p in layer.passes)
        formats = output_formats(layer, formats)
        history.append(streams)
    return history


def _requantized(layer: ProgramLayer, requantizer: Any, accumulators: tuple[Any, ...]) -> Any:
    sums = requantizer.sums(accumulators)
    _check_width(sums, requantizer.sum_format, f"A joined sum of layer {layer.name!r}")
    return requantizer.codes(sums)


def _check_width(values: Any, declared: CodeFormat, what: str) -> None:
    lo, hi = int(values.min()), int(values.max())
    if not declared.holds(lo, hi):
        # Cannot happen: widths are derived from exact intervals when the Program is made.
        raise OverflowError(f"{what} left its declared {declared} format: {lo} to {hi}")
