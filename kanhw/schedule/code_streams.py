"""The streams between layers that must be codes, where others may travel as raw sums."""

from __future__ import annotations

from collections.abc import Sequence

from kanhw.program import ProgramLayer
from kanhw.schedule.layer_layouts import edges_of, layout_of

__all__ = ["inputs_as_codes", "streams_as_codes"]


def streams_as_codes(
    layers: Sequence[ProgramLayer], index: int, folded: bool = False
) -> tuple[bool, ...]:
    """Of every stream behind layer ``index``, passed ones too, whether it must be codes.

    With ``folded`` every kind of layer wants codes, since one table serves many inputs.
    """
    layer = layers[index]
    count = len(layer.requantizers) + len(layer.passes)
    if folded or index == len(layers) - 1:
        return (True,) * count
    after = layers[index + 1]
    as_codes = [_reads_codes(after, k) for k in range(count)]
    # What the next layer passes on must be a code if anything behind that layer wants it so.
    if after.passes:
        beyond = streams_as_codes(layers, index + 1)[len(after.requantizers) :]
        for k, wanted in zip(after.passes, beyond, strict=True):
            as_codes[k] |= wanted
    return tuple(as_codes)


def inputs_as_codes(layers: Sequence[ProgramLayer], folded: bool = False) -> bool:
    """True where what the first layer is given, and may pass on, must be codes, each as it is."""
    first = layers[0]
    beyond = streams_as_codes(layers, 0)[len(first.requantizers) :]
    return folded or _reads_codes(first, 0) or any(beyond)


def _reads_codes(layer: ProgramLayer, stream: int) -> bool:
    """True where a layer computes with the codes of a stream."""
    return layout_of(edges_of(layer)).reads_codes and stream in layer.streams
