"""The sizes of a network of edge tables: all that a formula of its cost may know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.parts.minimise import support_of
from kanhw.program import EdgeTableLayer, InputEncoder, Interval, Program, Requantizer

__all__ = ["EdgeSizes", "NetworkSizes", "sizes_of"]


@dataclass(frozen=True)
class EdgeSizes:
    """The layer and output, the address bits and the (real) output bits of an edge."""

    output: tuple[int, int]
    address_bits: int
    output_bits: float


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of every edge that something hangs on, and bits of the codes between layers."""

    edges: tuple[EdgeSizes, ...]
    saturated_bits: int


def sizes_of(program: Program) -> NetworkSizes:
    """The sizes of a network whose layers are all of edge tables without multipliers.

    Only codes that may occur count; edges of outputs that nobody reads do not.
    """
    edges: list[EdgeSizes] = []
    saturated = 0
    source: InputEncoder | Requantizer = program.input
    lo, hi = program.input.code_ends
    ranged = False  # what comes in has all codes of the format, and is clamped by the tables
    for number, layer in enumerate(program.layers):
        if not isinstance(layer, EdgeTableLayer):
            raise TypeError(f"layer {layer.name!r} has no tables for every edge")
        lowest = source.output_format.lo if isinstance(source, Requantizer) else source.format.lo
        reach = Interval(lo - lowest, hi - lowest)
        own = _edges_of(layer, number, reach, ranged=ranged)
        read = {i for i, _ in own}
        if number:
            # What the layer before makes for nobody is no hardware.
            edges = [e for e in edges if e.output[0] != number - 1 or e.output[1] in read]
            counts = (hi - lo + 1)[sorted(read)]
            saturated += int(np.ceil(np.log2(np.maximum(counts, 1))).sum())
        edges += [edge for _, edge in own]
        source, ranged = layer.requantizers[0], True
        if source.format is not None:
            codes = source.code_interval(source.sum_interval(layer.accumulator_intervals((reach,))))
            lo, hi = codes.lo, codes.hi
    return NetworkSizes(tuple(edges), saturated)


def _edges_of(
    layer: EdgeTableLayer, number: int, reach: Interval, *, ranged: bool
) -> list[tuple[int, EdgeSizes]]:
    """The input and the sizes of every edge that varies over the addresses in reach."""
    found = []
    for j, i in np.argwhere(np.ptp(layer.tables, axis=2) > 0).tolist():
        first, last = int(reach.lo[i]), int(reach.hi[i])
        entries = _entries(layer.tables[j, i], first, last, ranged=ranged)
        steps = entries - entries.min()
        combined = int(np.bitwise_or.reduce(steps))
        if combined:
            span = int(steps.max()) // (combined & -combined)
            bits = float(np.log2(span + 1))
            found.append((i, EdgeSizes((number, j), len(support_of(entries)), bits)))
    return found


def _entries(table: IntArray, first: int, last: int, *, ranged: bool) -> IntArray:
    """A table as it is addressed: from the first code in reach on, or by all of the format."""
    if not ranged:
        return table[np.arange(len(table)).clip(first, last)]
    width = max((last - first).bit_length(), 1)
    return table[(np.arange(1 << width) + first).clip(first, last)]
