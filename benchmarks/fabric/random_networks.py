"""Random networks of edge tables of the kind that learned widths give.

Every edge has address bits and a last place of its own, every value codes of its own. Tables are
cubic B-splines with random coefficients, rounded: smooth, as those of trained networks are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kanhw.formats import CodeFormat, IntArray
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer

__all__ = ["random_network", "wide_network"]

INPUT = CodeFormat(6, signed=False)
NARROW = CodeFormat(3, signed=False)
# Most output bits of a table, address bits of an edge, and coefficients of a spline.
OUTPUT_BITS, ADDRESS_BITS, COEFFICIENTS = 8, 6, 10
# How many places the last one of an edge may be above that of its output's sum.
PLACES = 4


def wide_network(rng: np.random.Generator) -> Program:
    """A layer of some sums of tens to hundreds of narrow tables, as of all pixels of an image."""
    n_in, n_out = int(rng.integers(16, 300)), int(rng.integers(1, 4))
    sources = _Codes(NARROW, np.full(n_in, NARROW.width), np.zeros(n_in, np.int64))
    tables = _edges(rng, sources, n_out, rng.uniform(0.7, 3.0), spread=0.7)
    layer = EdgeTableLayer(tables, (_sums(rng, n_out),), "layers.0")
    return Program((layer,), InputEncoder(NARROW, n_in))


def random_network(rng: np.random.Generator) -> Program:
    """One or two layers that hand out sums; from a handful of edges to about a hundred."""
    n_in, n_out = int(rng.integers(2, 17)), int(rng.integers(1, 8))
    hidden = int(rng.integers(2, 8)) if rng.random() < 0.6 else 0
    sources = _Codes(INPUT, np.full(n_in, INPUT.width), np.zeros(n_in, np.int64))
    layers = []
    for number, count in enumerate([hidden, n_out] if hidden else [n_out]):
        tables = _edges(rng, sources, count)
        join = _sums(rng, count)
        if number == 0 and hidden:
            sources = _codes(rng, count)
            join = _requantizer(rng, tables, sources)
        layers.append(EdgeTableLayer(tables, (join,), f"layers.{number}"))
    return Program(tuple(layers), InputEncoder(INPUT, n_in))


@dataclass(frozen=True, eq=False)
class _Codes:
    """Codes in front of a layer: their format, and of each value its bits and smallest code."""

    format: CodeFormat
    bits: IntArray
    lowest: IntArray


def _codes(rng: np.random.Generator, count: int) -> _Codes:
    """Of 2 to 6 bits for each value, around zero."""
    bits = rng.integers(2, 7, count)
    return _Codes(CodeFormat(int(bits.max()), signed=True), bits, -(1 << (bits - 1)))


def _sums(rng: np.random.Generator, count: int) -> Requantizer:
    """What is handed out as it is, but for a constant."""
    return Requantizer(np.ones((1, count), int), rng.integers(-9, 10, count))


def _edges(
    rng: np.random.Generator,
    sources: _Codes,
    n_out: int,
    typical: float | None = None,
    spread: float = 1.5,
) -> IntArray:
    """Tables ``[n_out, n_in, codes]``; those of edges that are pruned are zeros.

    Output bits are around what is typical, by default one of 2 to 6.5 bits for a layer.
    """
    n_in, density = len(sources.bits), rng.uniform(0.3, 1.0)
    tables = np.zeros((n_out, n_in, sources.format.count), np.int64)
    codes = sources.format.codes()
    typical = rng.uniform(2.0, 6.5) if typical is None else typical
    for j in range(n_out):
        for i in range(n_in):
            if rng.random() > density:
                continue
            bits, lowest = int(sources.bits[i]), int(sources.lowest[i])
            address_bits = int(rng.integers(1, min(bits, ADDRESS_BITS) + 1))
            span = 2.0 ** np.clip(rng.normal(typical, spread), 0, OUTPUT_BITS) - 1
            entries = np.rint(_curve(rng, 1 << address_bits) * span).astype(np.int64)
            if not np.ptp(entries):
                continue
            inside = codes.clip(lowest, lowest + (1 << bits) - 1) - lowest
            place = int(rng.integers(0, PLACES)) if rng.random() < 0.5 else 0
            tables[j, i] = entries[inside >> (bits - address_bits)] << place
    return tables


def _curve(rng: np.random.Generator, count: int) -> Any:
    """A smooth curve with a span of 1 at the centres of ``count`` intervals."""
    from scipy.interpolate import BSpline

    knots = np.arange(-3, COEFFICIENTS + 1) / (COEFFICIENTS - 3)
    slope = rng.normal() * np.linspace(-1, 1, COEFFICIENTS)
    bends = np.cumsum(np.cumsum(rng.normal(0, 0.25, COEFFICIENTS)))
    spline = BSpline(knots, slope + bends - bends.mean(), 3)
    dense = spline(np.linspace(0, 1, 65))
    return (spline((np.arange(count) + 0.5) / count) - dense.mean()) / np.ptp(dense)


def _requantizer(rng: np.random.Generator, tables: IntArray, made: _Codes) -> Requantizer:
    """Rounding to codes that the sums fill, and go beyond in many cases."""
    spread = (tables.max(axis=2) - tables.min(axis=2)).sum(axis=1)
    middle = (tables.max(axis=2) + tables.min(axis=2)).sum(axis=1) // 2
    typical = float(np.median(np.maximum(spread, 1) / 2.0**made.bits))
    shift = max(round(np.log2(typical * rng.uniform(0.3, 1.0))), 0)
    return Requantizer(
        np.ones((1, len(spread)), int),
        -middle,
        shift,
        made.format,
        lo=made.lowest,
        hi=-made.lowest - 1,
    )
