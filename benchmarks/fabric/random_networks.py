"""Random networks of edge tables of the kind that learned widths give, and their sizes.

Every edge has address bits and a last place of its own, every value codes of its own. Tables are
cubic B-splines with random coefficients, rounded: smooth, as those of trained networks are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kanhw.formats import CodeFormat, IntArray
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer

__all__ = ["EdgeSizes", "NetworkSizes", "RandomNetwork", "random_network"]

INPUT = CodeFormat(6, signed=False)
# Most output bits of a table, address bits of an edge, and coefficients of a spline.
OUTPUT_BITS, ADDRESS_BITS, COEFFICIENTS = 8, 6, 10
# How many places the last one of an edge is above that of its output's sum, and how often.
PLACES, PLACE_SHARES = 3, (0.6, 0.25, 0.15)


@dataclass(frozen=True)
class EdgeSizes:
    """The output, the address bits and the (real) output bits of an edge that is not pruned."""

    output: tuple[int, int]
    address_bits: int
    output_bits: float


@dataclass(frozen=True)
class NetworkSizes:
    """All that training knows of what a network will take.

    Parameters
    ----------
    edges
        Of all layers.
    saturated_bits
        Bits of the codes between layers.
    """

    edges: tuple[EdgeSizes, ...]
    saturated_bits: int


@dataclass(frozen=True, eq=False)
class RandomNetwork:
    """A network and its sizes."""

    program: Program
    sizes: NetworkSizes


def random_network(rng: np.random.Generator) -> RandomNetwork:
    """One or two layers that hand out sums; from a handful of edges to about a hundred."""
    n_in, n_out = int(rng.integers(3, 17)), int(rng.integers(2, 8))
    hidden = int(rng.integers(2, 8)) if rng.random() < 0.6 else 0
    sources = _Codes(INPUT, rng.integers(2, INPUT.width + 1, n_in), np.zeros(n_in, np.int64))
    layers, edges, saturated = [], list[EdgeSizes](), 0
    for number, count in enumerate([hidden, n_out] if hidden else [n_out]):
        tables, sizes = _edges(rng, sources, count, number)
        edges += sizes
        join = Requantizer(np.ones((1, count), int), rng.integers(-9, 10, count))
        if number == 0 and hidden:
            join, sources = _saturated(rng, tables)
            saturated = int(sources.bits.sum())
        layers.append(EdgeTableLayer(tables, (join,), f"layers.{number}"))
    program = Program(tuple(layers), InputEncoder(INPUT, n_in))
    return RandomNetwork(program, NetworkSizes(tuple(edges), saturated))


@dataclass(frozen=True, eq=False)
class _Codes:
    """Codes in front of a layer: their format, and of each value its bits and smallest code."""

    format: CodeFormat
    bits: IntArray
    lowest: IntArray


def _edges(
    rng: np.random.Generator, sources: _Codes, n_out: int, layer: int
) -> tuple[IntArray, list[EdgeSizes]]:
    """Tables ``[n_out, n_in, codes]``, and the sizes of those that are not pruned."""
    n_in = len(sources.bits)
    present = rng.random((n_out, n_in)) < rng.uniform(0.3, 1.0)
    # Training prunes what nobody reads and what reads nothing; here both are given an edge.
    present[rng.integers(0, n_out, n_in), np.arange(n_in)] = True
    present[np.arange(n_out), rng.integers(0, n_in, n_out)] = True
    tables = np.zeros((n_out, n_in, sources.format.count), np.int64)
    sizes, typical = [], rng.uniform(2.5, 6.0)
    for j, i in zip(*(axis.tolist() for axis in np.nonzero(present)), strict=True):
        bits, lowest = int(sources.bits[i]), int(sources.lowest[i])
        address_bits = int(rng.integers(max(1, bits - 3), bits + 1))
        # Spans of one output are alike; an edge that matters less has a coarser last place.
        span = float(np.clip(rng.normal(typical, 1.0), 1.0, OUTPUT_BITS))
        place = min(int(rng.choice(PLACES, p=PLACE_SHARES)), int(span) - 1)
        entries = _entries(rng, address_bits, 2.0 ** (span - place) - 1)
        codes = sources.format.codes().clip(lowest, lowest + (1 << bits) - 1) - lowest
        tables[j, i] = entries[codes >> (bits - address_bits)] << place
        width = float(np.log2(np.ptp(entries) + 1))
        sizes.append(EdgeSizes((layer, j), address_bits, width))
    return tables, sizes


def _entries(rng: np.random.Generator, address_bits: int, span: float) -> IntArray:
    """Rounded values of a curve with about that span, at least two of them different."""
    while True:
        entries = np.rint(_curve(rng, 1 << address_bits) * span).astype(np.int64)
        if np.ptp(entries):
            return entries


def _curve(rng: np.random.Generator, count: int) -> Any:
    """A smooth curve with a span of 1 at the centres of ``count`` intervals."""
    from scipy.interpolate import BSpline

    knots = np.arange(-3, COEFFICIENTS + 1) / (COEFFICIENTS - 3)
    slope = rng.normal() * np.linspace(-1, 1, COEFFICIENTS)
    bends = np.cumsum(np.cumsum(rng.normal(0, 0.25, COEFFICIENTS)))
    spline = BSpline(knots, slope + bends - bends.mean(), 3)
    dense = spline(np.linspace(0, 1, 65))
    return (spline((np.arange(count) + 0.5) / count) - dense.mean()) / np.ptp(dense)


def _saturated(rng: np.random.Generator, tables: IntArray) -> tuple[Requantizer, _Codes]:
    """Rounding to codes of 2 to 6 bits by value that the sums fill or go beyond, and the codes."""
    most, least = tables.max(axis=2).sum(axis=1), tables.min(axis=2).sum(axis=1)
    spread = most - least
    shift = max(round(float(np.log2(np.median(spread) / 2.0 ** rng.uniform(3, 5)))), 0)
    filled = np.log2(np.maximum(spread, 1) / 2.0**shift * rng.uniform(0.4, 1.0, len(spread)))
    bits = np.rint(filled).astype(np.int64).clip(2, ADDRESS_BITS)
    lowest = -(1 << (bits - 1))
    format = CodeFormat(int(bits.max()), signed=True)
    join = Requantizer(
        *(np.ones((1, len(spread)), int), -((most + least) // 2), shift, format),
        lo=lowest,
        hi=-lowest - 1,
    )
    return join, _Codes(format, bits, lowest)
