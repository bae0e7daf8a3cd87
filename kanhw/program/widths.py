"""Declared widths: carried through a network by exact intervals, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program.encoder import InputEncoder
from kanhw.program.intervals import LIMIT, Interval
from kanhw.program.kinds.convolution import ConvolutionLayer
from kanhw.program.kinds.layer import ProgramLayer
from kanhw.program.requantizer import Requantizer

__all__ = ["declare_widths", "output_formats", "walk_intervals"]


def output_formats(
    layer: ProgramLayer, formats: tuple[CodeFormat, ...]
) -> tuple[CodeFormat, ...]:
    """Formats of the streams behind a layer: its own, then those that it passes on."""
    own = tuple(r.output_format for r in layer.requantizers)
    return own + tuple(formats[p] for p in layer.passes)


def walk_intervals(
    layers: tuple[ProgramLayer, ...],
    input: InputEncoder,
    visit: Callable[[ProgramLayer, tuple[Interval, ...], tuple[Interval, ...]], ProgramLayer],
) -> tuple[ProgramLayer, ...]:
    """Carry intervals through the network.

    Calls ``visit(layer, address intervals of its branches, accumulator intervals)``, which gives
    the layer to go on with.
    """
    codes: tuple[Interval, ...] = (Interval(*input.code_ends),)
    formats: tuple[CodeFormat, ...] = (input.format,)
    visited = []
    for layer in layers:
        with _naming(layer):
            addresses = tuple(codes[s] + np.int64(-formats[s].lo) for s in layer.streams)
            accumulators = layer.accumulator_intervals(addresses)
            layer = visit(layer, addresses, accumulators)
            sums = [(r, r.sum_interval(accumulators)) for r in layer.requantizers]
        own = tuple(r.code_interval(interval) for r, interval in sums)
        codes = own + tuple(codes[p] for p in layer.passes)
        formats = output_formats(layer, formats)
        visited.append(layer)
    return tuple(visited)


def declare_widths(
    layers: tuple[ProgramLayer, ...], input: InputEncoder
) -> tuple[ProgramLayer, ...]:
    """Check that the layers fit together, and fill in or check every declared width."""
    if not layers:
        raise InputError("A Program needs at least one layer")
    _check_image_ranges(layers[0], input)
    n_in = input.n_in
    formats: tuple[CodeFormat | None, ...] = (input.format,)
    for layer in layers:
        _check_connection(layer, n_in, formats)
        n_in = layer.n_out
        # A sum handed out by a layer in the middle would have no bounded table address.
        own = tuple(r.format for r in layer.requantizers)
        formats = own + tuple(formats[p] for p in layer.passes)
    if len(formats) != 1:
        raise InputError(f"The last layer must have one requantizer, not {len(formats)}")
    return walk_intervals(layers, input, _with_widths)


def _check_image_ranges(first: ProgramLayer, input: InputEncoder) -> None:
    """The pixels of an image go through the same hardware: a channel has one range."""
    if first.window is None or not input.ranged:
        return
    channels = first.window.shape[0]
    if input.n_in != first.n_in:
        return  # refused where layers are connected
    for name, end in zip(("lo", "hi"), input.code_ends, strict=True):
        pixels = end.reshape(channels, -1)
        if (pixels != pixels[:, :1]).any():
            channel = int(np.argmax((pixels != pixels[:, :1]).any(axis=1)))
            raise InputError(
                f"Layer {first.name!r} reads an image: {name} of channel {channel} of the input "
                f"must be the same at all positions, not {pixels[channel].min()} to "
                f"{pixels[channel].max()}"
            )


def _check_connection(
    layer: ProgramLayer, n_in: int, formats: tuple[CodeFormat | None, ...]
) -> None:
    if layer.n_in != n_in:
        raise InputError(f"Layer {layer.name!r} takes {layer.n_in} inputs but is given {n_in}")
    if any(not 0 <= p < len(formats) for p in layer.passes):
        raise InputError(
            f"Layer {layer.name!r} passes streams {layer.passes} on, but there are {len(formats)}"
        )
    for branch, stream, depth in zip(layer.branches, layer.streams, layer.depths, strict=True):
        if stream >= len(formats):
            raise InputError(
                f"Layer {layer.name!r}: its {branch} branch asks for stream {stream} of "
                f"{len(formats)}"
            )
        format = formats[stream]
        if format is None or format.count != depth:
            raise InputError(
                f"Layer {layer.name!r}: tables of {depth} entries in its {branch} branch cannot be "
                f"addressed by {format or 'sums that are not requantized'}"
            )


def _with_widths(
    layer: ProgramLayer, addresses: tuple[Interval, ...], accumulators: tuple[Interval, ...]
) -> ProgramLayer:
    del addresses
    declared = layer.accumulator_formats
    if declared is None:
        declared = tuple(interval.format for interval in accumulators)
    if len(declared) != len(layer.branches):
        raise InputError(
            f"Layer {layer.name!r} declares {len(declared)} accumulator formats for its branches "
            f"{layer.branches}"
        )
    for interval, format, branch in zip(accumulators, declared, layer.branches, strict=True):
        _check_declared(interval, format, f"{layer.name!r}, {branch} accumulator")
    requantizers = []
    for requantizer in layer.requantizers:
        interval = requantizer.sum_interval(accumulators)
        format = requantizer.sum_format or interval.format
        _check_declared(interval, format, f"{layer.name!r}, joined sum")
        _check_rounding(requantizer, interval)
        requantizers.append(replace(requantizer, sum_format=format))
    if isinstance(layer, ConvolutionLayer):
        declared_layer = replace(layer, accumulator_formats=declared)
        return declared_layer.with_requantizers(tuple(requantizers))
    return replace(layer, accumulator_formats=declared, requantizers=tuple(requantizers))


@contextmanager
def _naming(layer: ProgramLayer) -> Iterator[None]:
    """Say which layer an error is of, unless it says so."""
    try:
        yield
    except InputError as error:
        if f"{layer.name!r}" in str(error):
            raise
        raise InputError(f"Layer {layer.name!r}: {error}") from error


def _check_rounding(requantizer: Requantizer, sums: Interval) -> None:
    """Refuse sums that grow too wide when hardware rounds them.

    Half of what the shift drops is added there, and the smallest code is taken off.
    """
    format, shift = requantizer.format, requantizer.shift
    if format is None:
        return
    more = (1 << shift >> 1) - (format.lo << shift)
    ends = (int(sums.lo.min()) + more, int(sums.hi.max()) + more, (1 << format.width + shift) - 1)
    if max(map(abs, ends)) >= LIMIT:
        raise InputError(
            f"its codes of {format.width} bits stand for sums of {format.width + shift} bits "
            f"before a shift of {shift}, which with its own sums are beyond 62 bits: use fewer "
            "bits of code, or a smaller shift"
        )


def _check_declared(interval: Interval, format: CodeFormat, where: str) -> None:
    if not interval.fits(format):
        raise InputError(
            f"Layer {where}: a {format} code is declared but values reach "
            f"{int(interval.lo.min())} to {int(interval.hi.max())}"
        )
