"""Random Programs of every kind of layer under random schedules, small enough for synthesis.

What is drawn follows from the number alone, so that a fit and its test are repeated by their
numbers. Tables are smooth curves in one half of the draws, as training gives them, and random
integers in the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np

from kanhw.formats import CodeFormat, IntArray
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    ProductLayer,
    Program,
    ProgramLayer,
    Requantizer,
    SplineEvaluatorLayer,
    join_heads,
)
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

__all__ = ["KINDS", "Drawn", "draw"]


@dataclass(frozen=True)
class Drawn:
    """A design that was drawn.

    Parameters
    ----------
    number, kind
        Of the draw, and what its layers are.
    program, schedule
        The design.
    """

    number: int
    kind: str
    program: Program
    schedule: Schedule

    def __str__(self) -> str:
        sizes = [self.program.n_in, *(layer.n_out for layer in self.program.layers)]
        own, parallel = self.schedule, ""
        if own.folded:
            parallel = f" {own.parallel_inputs}x{own.parallel_outputs}"
        return f"{self.kind} {'-'.join(map(str, sizes))} {own.kind}{parallel} {own.fabric}"


@dataclass(frozen=True)
class Layer:
    """What a layer is drawn for: its sizes, the codes in front and behind (None: sums)."""

    rng: np.random.Generator
    n_in: int
    n_out: int
    codes: CodeFormat
    format: CodeFormat | None
    smooth: bool

    def number(self, low: int, high: int) -> int:
        """A number from low to high."""
        return int(self.rng.integers(low, high + 1))

    def tables(self, *shape: int, bits: int) -> IntArray:
        """Tables of the codes, ``[*shape, 2**width]``, of so many bits with their sign."""
        top = (1 << (bits - 1)) - 1
        count = self.codes.count
        if not self.smooth:
            return self.rng.integers(-top - 1, top + 1, (*shape, count))
        x = np.linspace(-1, 1, count)
        ends = self.rng.uniform(-1, 1, (4, *shape, 1))
        curves = ends[0] * np.sin(4 * ends[1] * x + 3 * ends[2]) + ends[3] * x
        return np.rint(top * curves / 2).astype(np.int64)

    def weights(self, *shape: int, bits: int, pruned: float = 0.0) -> IntArray:
        """Weights of so many bits, of which some are 0."""
        top = (1 << (bits - 1)) - 1
        drawn = self.rng.integers(-top, top + 1, shape)
        return np.where(self.rng.random(shape) < pruned, 0, drawn)

    def each(self) -> IntArray:
        """The same for every input: 0."""
        return np.zeros(self.n_in, np.int64)

    def join(self, branches: int, reach: float, *, direct: bool = False) -> tuple[Requantizer, ...]:
        """A requantizer that spreads sums up to ``reach`` over the codes."""
        bits = 1 if direct else self.number(4, 10)
        factors = self.rng.integers(1 << (bits - 1), 1 << bits, (branches, self.n_out))
        top = max(int(reach * (1 << bits) / 8), 1)
        bias = self.rng.integers(-top, top + 1, self.n_out)
        if self.format is None:
            return (Requantizer(factors, bias),)
        spread = reach * (1 << bits) / self.format.count
        return (Requantizer(factors, bias, max(round(np.log2(max(spread, 1))), 0), self.format),)


def _edge_table(at: Layer) -> ProgramLayer:
    bits = at.number(3, 9)
    tables = at.tables(at.n_out, at.n_in, bits=bits)
    tables = np.where((at.rng.random(tables.shape[:2]) < 0.2)[:, :, None], 0, tables)
    reach = (1 << (bits - 1)) * np.sqrt(at.n_in)
    return EdgeTableLayer(tables, at.join(1, reach, direct=at.rng.random() < 0.6))


def _branch_edge_table(at: Layer) -> ProgramLayer:
    bits = at.number(3, 8)
    spline, base = (at.tables(at.n_out, at.n_in, bits=bits) for _ in range(2))
    reach = (1 << (bits - 1)) * np.sqrt(2 * at.n_in)
    return BranchEdgeTableLayer(spline, base, at.join(2, reach, direct=at.rng.random() < 0.4))


def _basis(at: Layer, functions: int, live: int, top: int) -> IntArray:
    """``[1, 2**width, functions]``: neighbours that are not 0 at a code."""
    count = at.codes.count
    tables = np.zeros((1, count, functions), np.int64)
    for code in range(count):
        start = code * (functions - live) // max(count - 1, 1)
        tables[0, code, start : start + live] = at.rng.integers(1, top + 1, live)
    return tables


def _basis_table(at: Layer) -> ProgramLayer:
    functions, weight_bits, top = at.number(3, 6), at.number(2, 4), (1 << at.number(2, 5)) - 1
    live = min(at.number(1, 4), functions)
    basis = _basis(at, functions, live, top)
    edges = at.n_out, at.n_in
    base = at.tables(1, bits=at.number(3, 7))[:, :, None]
    reach = top * (1 << (weight_bits - 1)) * np.sqrt(at.n_in * live)
    return BasisTableLayer(
        *(basis, at.each(), at.weights(*edges, functions, bits=weight_bits, pruned=0.1)),
        *(base, at.each(), at.weights(*edges, 1, bits=weight_bits, pruned=0.1)),
        at.join(2, reach, direct=at.rng.random() < 0.3),
    )


def _codebook(at: Layer, shapes: IntArray | None = None, factor: int = 0) -> ProgramLayer:
    edges, bits = (at.n_out, at.n_in), at.number(4, 7)
    if shapes is None:
        shapes = at.tables(1 << at.number(1, 4), bits=bits)
    top = factor or at.number(1, 7)
    base_weights = at.weights(*edges, 1, bits=3) if at.rng.random() < 0.5 else None
    return CodebookLayer(
        shapes,
        at.rng.integers(0, len(shapes), edges),
        at.rng.integers(1, top + 1, edges),
        at.tables(1, bits=4)[:, :, None],
        at.each(),
        np.zeros((*edges, 1), np.int64) if base_weights is None else base_weights,
        at.join(2, np.abs(shapes).max() * top * np.sqrt(at.n_in)),
    )


def _spline_evaluator(at: Layer) -> ProgramLayer:
    order, width = at.number(1, 3), at.codes.width
    place = at.number(3, 5)
    cells = at.number(2, 6)
    aligned = at.rng.random() < 0.5
    multiplier = 1 << at.number(0, 1) if aligned else at.number(3, 7)
    splines = SplineArithmetic(
        width=width,
        order=order,
        multipliers=np.full(at.n_in, multiplier),
        offsets=np.full(at.n_in, -at.number(0, 70)),
        shift=max(round(np.log2(multiplier * at.codes.count / (cells << place))), 0),
        fraction_bits=place,
        scale=(1 << at.number(5, 9)) * (1, 1, 2, 6)[order],
        guard_bits=6,
    )
    edges, between = (at.n_out, at.n_in), at.number(1, 4)
    curves = at.rng.integers(-40, 41, (1, (at.codes.count >> between) + 1))
    weight_bits = at.number(2, 4)
    reach = splines.pieces.max() * (1 << (weight_bits - 1)) * np.sqrt(at.n_in)
    return SplineEvaluatorLayer(
        at.weights(*edges, cells + order, bits=weight_bits),
        splines,
        Interpolation(curves, at.each(), width, between, 2),
        at.weights(*edges, 1, bits=weight_bits),
        at.join(2, float(reach)),
    )


def _product(at: Layer) -> ProgramLayer:
    arity = at.number(2, 3) if at.n_in > 3 else 2
    every = list(combinations(range(at.n_in), arity))
    chosen = at.rng.choice(len(every), at.n_out, replace=False)
    groups = tuple(every[int(k)] for k in chosen)
    width = at.codes.width
    return ProductLayer(
        *(groups, at.n_in, width, at.codes.lo, at.join(1, float(1 << (arity * (width - 1))))),
    )


def _layer_norm(at: Layer) -> ProgramLayer:
    gamma = at.rng.integers(1 << 4, 1 << 6, at.n_in)
    fraction = at.number(6, 10)
    format = at.format or CodeFormat(5, signed=True)
    own = replace_format(at, format)
    reach = float(gamma.mean()) * (1 << fraction) * np.sqrt(at.n_in)
    return NormLayer(gamma, 3, fraction, at.codes.width, own.join(1, reach))


def replace_format(at: Layer, format: CodeFormat) -> Layer:
    """The same with as many outputs as inputs, of this format."""
    return replace(at, n_out=at.n_in, format=format)


KINDS = (
    *("edge_table", "branch_edge_table", "basis_table", "codebook", "spline_evaluator", "product"),
    *("heads", "layer_norm", "convolution", "pooling"),
)
"""What is drawn, in turn."""

MAKERS: dict[str, Callable[[Layer], ProgramLayer]] = {
    "edge_table": _edge_table,
    "branch_edge_table": _branch_edge_table,
    "basis_table": _basis_table,
    "codebook": _codebook,
    "spline_evaluator": _spline_evaluator,
    "product": _product,
}


def draw(number: int) -> Drawn:
    """The design of a number; every tenth is of one kind, folded and unrolled in turn."""
    rng = np.random.default_rng([2026, number])
    kind = KINDS[number % len(KINDS)]
    turn = number // len(KINDS)
    folded = kind in ("heads",) or (turn % 2 == 1 and kind not in ("product", "layer_norm"))
    schedule = _schedule(rng, kind, folded=folded, ultrascale=turn % 4 == 2)
    program = _PROGRAMS.get(kind, _network)(rng, kind, folded)
    return Drawn(number, kind, program, schedule)


# Inputs and outputs of layers at most, where those of every kind would make large designs.
MOST = {"spline_evaluator": (2, 2), "basis_table": (4, 3), "heads": (6, 4), "product": (4, 2)}


def _schedule(rng: np.random.Generator, kind: str, *, folded: bool, ultrascale: bool) -> Schedule:
    levels = int(rng.integers(0, 4))
    if folded:
        parallel = {
            "parallel_inputs": int(rng.integers(1, 4)),
            "parallel_outputs": int(rng.integers(1, 4)),
        }
        return Schedule(kind="folded", adder_levels=levels, **parallel)
    bare = kind not in ("layer_norm", "convolution", "pooling") and rng.random() < 0.3
    return Schedule(
        adder_levels=levels,
        table_registers=bool(rng.random() < 0.75),
        handshake=not bare,
        fabric="ultrascale+" if ultrascale else "portable",
    )


def _sizes(rng: np.random.Generator, kind: str, folded: bool) -> tuple[int, ...]:
    """Small ones: synthesis of hundreds must not take hours."""
    inputs, outputs = MOST.get(kind, (10, 5) if folded else (5, 3))
    count = 1 if rng.random() < 0.6 else 2
    first = int(rng.integers(2, inputs + 1))
    if kind == "product":
        # The same product twice would be made once.
        return (max(first, 3), int(rng.integers(1, outputs + 1)))
    return (first, *(int(rng.integers(1, outputs + 1)) for _ in range(count)))


def _formats(rng: np.random.Generator, kind: str, count: int) -> list[CodeFormat]:
    low, high = {"spline_evaluator": (6, 9), "product": (3, 8)}.get(kind, (3, 7))
    return [
        CodeFormat(int(rng.integers(low, high + 1)), bool(rng.random() < 0.7)) for _ in range(count)
    ]


def _network(rng: np.random.Generator, kind: str, folded: bool) -> Program:
    """Layers of one kind; products have edge tables in front."""
    sizes = _sizes(rng, kind, folded)
    formats = _formats(rng, kind, len(sizes))
    ends: list[CodeFormat | None] = [*formats[1:]]
    if rng.random() < 0.5:
        ends[-1] = None
    smooth = bool(rng.random() < 0.5)
    layers = [
        MAKERS[kind](Layer(rng, n_in, n_out, codes, end, smooth))
        for (n_in, n_out), codes, end in zip(pairwise(sizes), formats, ends, strict=False)
    ]
    argmax = sizes[-1] > 1 and rng.random() < 0.25
    return Program(tuple(_named(layers)), InputEncoder(formats[0], sizes[0]), argmax=argmax)


def _named(layers: list[Any]) -> list[ProgramLayer]:
    return [replace(layer, name=f"layers.{k}") for k, layer in enumerate(layers)]


def _heads(rng: np.random.Generator, kind: str, folded: bool) -> Program:
    """Some codebooks that share their shapes."""
    sizes = _sizes(rng, kind, folded)
    formats = _formats(rng, kind, len(sizes))
    smooth, factor = bool(rng.random() < 0.5), int(rng.integers(1, 8))
    networks: list[Program] = []
    shapes: list[IntArray] = []
    for head in range(int(rng.integers(1, 4))):
        layers = []
        for k, (n_in, n_out) in enumerate(pairwise(sizes)):
            end = None if k == len(sizes) - 2 else formats[k + 1]
            at = Layer(
                np.random.default_rng([len(sizes), head, k]), n_in, n_out, formats[k], end, smooth
            )
            if head == 0:
                shapes.append(at.tables(1 << int(rng.integers(1, 5)), bits=5))
            layers.append(_codebook(at, shapes[k], factor))
        joined = _same_joins(_named(layers), networks)
        networks.append(Program(tuple(joined), InputEncoder(formats[0], sizes[0])))
    return join_heads(networks)


def _same_joins(layers: list[Any], networks: list[Program]) -> list[Any]:
    """What heads share beside their shapes: the base tables and the joins of the first."""
    if not networks:
        return layers
    return [
        replace(
            layer,
            requantizers=tuple(replace(join, sum_format=None) for join in first.requantizers),
            base=first.base,
        )
        for layer, first in zip(layers, networks[0].layers, strict=True)
    ]


def _norms(rng: np.random.Generator, kind: str, folded: bool) -> Program:
    """Edge tables, a norm, edge tables."""
    n_in, inner, n_out = (int(rng.integers(1, 4)) + 1 for _ in range(3))
    formats = [CodeFormat(int(rng.integers(4, 7)), signed=True) for _ in range(3)]
    smooth = bool(rng.random() < 0.5)
    layers = [
        _edge_table(Layer(rng, n_in, inner, formats[0], formats[1], smooth)),
        _layer_norm(Layer(rng, inner, inner, formats[1], formats[2], smooth)),
        _edge_table(Layer(rng, inner, n_out, formats[2], None, smooth)),
    ]
    return Program(tuple(_named(layers)), InputEncoder(formats[0], n_in))


def _images(rng: np.random.Generator, kind: str, folded: bool) -> Program:
    """A convolution of edge or basis tables over an image of some rows."""
    channels, rows, columns = (int(rng.integers(low, 7)) for low in (1, 3, 3))
    channels = min(channels, 2)
    size = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    pad = int(rng.random() < 0.5)
    window = Window((channels, rows, columns), size, padding=(pad * (size[0] // 2), 0))
    codes = CodeFormat(int(rng.integers(3, 6)), signed=True)
    out = int(rng.integers(1, 3))
    at = Layer(rng, window.taps, out, codes, CodeFormat(4, signed=True), bool(rng.random() < 0.5))
    taps = (_edge_table if rng.random() < 0.5 else _basis_table)(at)
    layer = ConvolutionLayer(replace(taps, name="layers.0"), window)  # type: ignore[type-var,arg-type]
    return Program((layer,), InputEncoder(codes, window.n_in))


def _pooled(rng: np.random.Generator, kind: str, folded: bool) -> Program:
    """Edge tables over an image, its pooling, and at times edge tables of what was pooled."""
    channels = int(rng.integers(1, 3))
    rows, columns = (int(rng.integers(3, 7)) for _ in range(2))
    window = Window((channels, rows, columns), (int(rng.integers(1, 3)), int(rng.integers(1, 3))))
    codes, inner = (CodeFormat(int(rng.integers(3, 6)), bool(rng.random() < 0.7)) for _ in range(2))
    out, smooth = int(rng.integers(1, 5)), bool(rng.random() < 0.5)
    taps = _edge_table(Layer(rng, window.taps, out, codes, inner, smooth))
    convolution = ConvolutionLayer(replace(taps, name="layers.0"), window)  # type: ignore[type-var,arg-type]
    image, pooled = (out, *window.out_size), CodeFormat(int(rng.integers(3, 6)), signed=True)
    size = window.out_size if rng.random() < 0.5 else (2, 2)
    pool = _pooling(rng, Window(image, size, size), inner, pooled)
    layers: list[ProgramLayer] = [convolution, pool]
    if rng.random() < 0.5:
        at = Layer(rng, pool.n_out, int(rng.integers(1, 3)), pooled, None, smooth)
        layers.append(replace(_edge_table(at), name="layers.2"))  # type: ignore[type-var]
    return Program(tuple(layers), InputEncoder(codes, window.n_in))


def _pooling(
    rng: np.random.Generator, window: Window, codes: CodeFormat, pooled: CodeFormat
) -> PoolingLayer:
    """A sum or the largest of the codes, which it rectifies at times."""
    mode: Literal["sum", "max"] = "sum" if rng.random() < 0.5 else "max"
    table = codes.codes() if rng.random() < 0.5 else np.maximum(codes.codes(), 0)
    area = window.size[0] * window.size[1] if mode == "sum" else 1
    at = Layer(rng, 1, window.shape[0], codes, pooled, smooth=True)
    (join,) = at.join(1, float(np.abs(table).max()) * np.sqrt(area), direct=mode == "max")
    # The same at every position of a channel.
    factors, bias = (each.repeat(window.positions, -1) for each in (join.multipliers, join.bias))
    joins = (Requantizer(factors, bias, join.shift, join.format),)
    return PoolingLayer(table, mode, window, joins, name="layers.1")


_PROGRAMS: dict[str, Callable[[np.random.Generator, str, bool], Program]] = {
    "heads": _heads,
    "layer_norm": _norms,
    "convolution": _images,
    "pooling": _pooled,
}
