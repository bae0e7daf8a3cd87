"""The fold of a layer of vectors, or of the windows of an image, and what it takes a beat."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.formats import IntArray
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold, fold_of
from kanhw.schedule.layer_layouts import edges_of, window_of
from kanhw.schedule.transfer import Transfer
from kanhw.schedule.window_fold import WindowFold, window_fold

__all__ = ["LayerSizes", "codes_a_beat", "fold_layer", "input_transfer", "sizes_of"]


@dataclass(frozen=True)
class LayerSizes:
    """The sizes of a layer that can be spread over clocks.

    Parameters
    ----------
    n_in, n_out
        Of the layer, or of one window of it.
    windows
        Windows of an image; 1 for a layer of vectors.
    """

    n_in: int
    n_out: int
    windows: int = 1


def sizes_of(layer: ProgramLayer) -> LayerSizes:
    """Inputs, outputs and windows of a layer that can be folded."""
    edges, window = edges_of(layer), window_of(layer)
    return LayerSizes(edges.n_in, edges.n_out, 1 if window is None else window.positions)


def fold_layer(
    layer: ProgramLayer,
    parallel: tuple[int, int],
    *,
    consumer_codes: int | None = None,
    order: IntArray | None = None,
) -> tuple[Fold, WindowFold | None]:
    """The fold of a layer for so many inputs and outputs at a time, and how windows are read.

    Parameters
    ----------
    layer
        One that can be folded.
    parallel
        Inputs and outputs at a time.
    consumer_codes
        Codes a beat that the stage behind takes; None if it does not matter.
    order
        Which input each lane of each beat holds, for a layer of vectors; None is in order. Windows
        have an order of their own.
    """
    sizes, window = sizes_of(layer), window_of(layer)
    if window is None:
        fold = fold_of(
            *(sizes.n_in, sizes.n_out, parallel), consumer_codes=consumer_codes, order=order
        )
        return fold, None
    windows = window_fold(window, parallel[0])
    return fold_of(
        *(sizes.n_in, sizes.n_out, parallel),
        consumer_codes=consumer_codes,
        order=windows.order,
        padded=windows.padded,
    ), windows


def codes_a_beat(layer: ProgramLayer, inputs: int, channels: int | None) -> int:
    """Codes a beat of a folded layer, behind vectors or behind pixels of so many channels.

    Parameters
    ----------
    layer
        One that is folded.
    inputs
        Inputs at a time that the schedule asks for.
    channels
        Those of a pixel if the layer's vector is an image; then a beat is a part of a pixel, all
        parts being alike, or some whole pixels. None if it is none.
    """
    window = window_of(layer)
    if window is not None:
        return window_fold(window, inputs).channels
    # A vector by itself; part of a pixel; or whole pixels, as many as fit, evened out.
    if channels is None or channels == layer.n_in:
        return min(inputs, layer.n_in)
    if inputs < channels:
        return _even(channels, inputs)
    return channels * _even(layer.n_in // channels, inputs // channels)


def input_transfer(layer: ProgramLayer, parallel: tuple[int, int] | None) -> Transfer:
    """Values a beat and beats of a layer that no other is in front of.

    Parameters
    ----------
    layer
        Any.
    parallel
        Inputs and outputs at a time; None where it is not folded.
    """
    window = window_of(layer)
    if window is not None:
        return Transfer(window.shape[0], window.shape[1] * window.shape[2])
    count = layer.n_in if parallel is None else codes_a_beat(layer, parallel[0], None)
    beats = -(-layer.n_in // count)
    return Transfer(count, beats, length=layer.n_in if beats > 1 else None)


def _even(count: int, most: int) -> int:
    """The size of the fewest equal parts that are at most so large."""
    return -(-count // -(-count // min(count, most)))
