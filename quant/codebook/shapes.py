"""One codebook for the edges of one or several layers: real shapes, then integers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.quant.codebook.clustering import k_means
from kanhw.quant.codebook.edge_set import EdgeSet, Match
from kanhw.quant.codebook.gains import quantize_gains
from kanhw.quant.codebook.sampling import LayerEdges
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import WeightQuantizer
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = ["FittedLayer", "FittedShapes", "find_shapes", "fit_shapes"]

# Rounds of least squares after k-means, and of rounding.
_ROUNDS = 40
_START_ROUNDS = 10
_ROUNDINGS = 4
_ENOUGH = 1e-4


@dataclass(frozen=True, eq=False)
class FittedLayer:
    """What one layer makes of the shapes.

    Parameters
    ----------
    index
        ``[n_out, n_in]``; 0 where there is no edge.
    gains
        ``[n_out, n_in]`` integers and the real size of ``gain * shape`` for every output.
    biases
        ``[n_out, n_in]`` reals, to be multiplied by the layer's offsets.
    """

    index: IntArray
    gains: WeightQuantizer
    biases: FloatArray


@dataclass(frozen=True, eq=False)
class FittedShapes:
    """A codebook and the layers that share it.

    Parameters
    ----------
    shapes
        ``[K, A]`` integers.
    layers
        In the order in which they were given.
    error
        What the integers leave of the functions: the root of their squared error over their squared
        size without biases, each layer counting alike.
    """

    shapes: IntArray
    layers: tuple[FittedLayer, ...]
    error: float


@dataclass(frozen=True, eq=False)
class _Members:
    """The active edges of some layers in one row, each layer scaled to a mean size of 1."""

    layers: tuple[LayerEdges, ...]
    scales: tuple[FloatArray, ...]
    edges: EdgeSet
    vectors: FloatArray
    counts: tuple[int, ...]

    @property
    def config(self) -> QuantConfig:
        """What all of them share."""
        return self.layers[0].config

    def parts(self, values: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
        """Values ``[E]`` as ``[n_out, n_in]`` of every layer, 0 where there is no edge."""
        cuts = np.split(values, np.cumsum(self.counts)[:-1])
        spread = []
        for layer, own in zip(self.layers, cuts, strict=True):
            whole = np.zeros(layer.active.shape, values.dtype)
            whole[layer.active] = own
            spread.append(whole)
        return spread

    def joined(self, parts: list[FloatArray]) -> FloatArray:
        """The opposite of :meth:`parts`."""
        return np.concatenate(
            [own[layer.active] for layer, own in zip(self.layers, parts, strict=True)]
        )


def fit_shapes(layers: tuple[LayerEdges, ...]) -> FittedShapes:
    """Find shapes for all edges of some layers, and make them integers.

    Parameters
    ----------
    layers
        Of the same number of codes; what their configs say about shapes agrees.
    """
    members = _members(layers)
    config = members.config
    depth = layers[0].functions.shape[2]
    if not sum(members.counts):
        return _without_edges(layers, depth)
    shapes, index = find_shapes(members.edges, members.vectors, config)
    return _rounded(members, shapes, index)


def find_shapes(
    edges: EdgeSet, vectors: FloatArray, config: QuantConfig
) -> tuple[FloatArray, IntArray | None]:
    """Cluster edges; shapes ``[K, A]``, and the indices that are settled (None lets edges choose).

    Clusters start as those of normalised vectors of either sign. By coefficients, they stay; by
    functions, edges then choose the shape that leaves them the smallest squared error, and
    shapes become the best for their edges, in turns, so that the error never rises.
    """
    by_functions = config.codebook.clustering == "functions"
    if edges.scaled:
        sizes = np.sqrt(np.square(vectors).sum(axis=1))
        vectors = vectors / np.where(sizes > 0, sizes, 1.0)[:, None]
        counts = np.where(sizes > 0, edges.energies, 0.0)
    else:
        sizes, counts = np.ones(len(vectors)), np.ones(len(vectors))
    clusters = k_means(
        vectors,
        config.codebook.size,
        weights=counts,
        mirrored=edges.scaled,
        seed=config.seed,
        # Edges that choose by their functions only need a start.
        rounds=_START_ROUNDS if by_functions else _ROUNDS,
    )
    start = Match(clusters.index, clusters.signs * sizes, edges.levels, edges.energies)
    nothing = np.zeros((len(clusters.centres), edges.functions.shape[1]))
    # Levels, not biases: the start knows no shape that a bias could make up for.
    whole = replace(edges, functions=edges.remainders, offsets=None)
    shapes = whole.shapes_for(start, nothing)
    settled = None if by_functions else clusters.index
    before = np.inf
    for _ in range(_ROUNDS):
        match = edges.match(shapes, settled)
        _reseed(edges, shapes, match, settled)
        error = float(match.errors.sum())
        if before - error <= _ENOUGH * before and np.isfinite(before):
            break
        before = error
        shapes = edges.shapes_for(match, shapes)
    return shapes, settled


def _reseed(edges: EdgeSet, shapes: FloatArray, match: Match, settled: IntArray | None) -> None:
    """Shapes that nobody chose become the edges that are worst off, in place."""
    if settled is not None:
        return
    unused = np.flatnonzero(np.bincount(match.index, minlength=len(shapes)) == 0)
    worst = np.argsort(-match.errors, kind="stable")[: len(unused)]
    for shape, edge in zip(unused, worst, strict=False):
        if match.errors[edge] > 0:
            shapes[shape] = edges.remainders[edge]
            match.index[edge], match.errors[edge] = shape, 0.0
            match.gains[edge], match.biases[edge] = 1.0, edges.levels[edge]


def _members(layers: tuple[LayerEdges, ...]) -> _Members:
    config = layers[0].config
    functions, vectors, sources, weights, offsets, scales = [], [], [], [], [], []
    inputs = 0
    for layer in layers:
        source = np.broadcast_to(np.arange(layer.active.shape[1]), layer.active.shape)
        own = EdgeSet(
            layer.functions[layer.active],
            source[layer.active],
            layer.weights,
            layer.offsets,
            config.codebook.gain != "none",
        )
        scale = _scales(layer, own)
        relative = np.broadcast_to(scale[:, None], layer.active.shape)[layer.active]
        functions.append(own.functions / relative[:, None])
        if config.codebook.clustering == "functions":
            vectors.append(own.remainders / relative[:, None])
        else:
            vectors.append(_centred(layer)[layer.active] / relative[:, None])
        sources.append(own.source + inputs)
        weights.append(layer.weights)
        offsets.append(layer.offsets)
        scales.append(scale)
        inputs += len(layer.weights)
    together = None
    kept = [own for own in offsets if own is not None]
    if kept:
        together = np.concatenate(kept)
    edges = EdgeSet(
        np.concatenate(functions),
        np.concatenate(sources),
        np.concatenate(weights),
        together,
        config.codebook.gain != "none",
    )
    counts = tuple(int(layer.active.sum()) for layer in layers)
    return _Members(layers, tuple(scales), edges, np.concatenate(vectors), counts)


def _centred(layer: LayerEdges) -> FloatArray:
    """Coefficients without what a bias stands for: their mean (base weights have none)."""
    if layer.offsets is None:
        return layer.coefficients
    joint = layer.config.codebook.branches == "joint"
    splines = layer.coefficients.shape[2] - joint
    centred = layer.coefficients.copy()
    centred[:, :, :splines] -= layer.means[:, :, None]
    return centred


def _scales(layer: LayerEdges, edges: EdgeSet) -> FloatArray:
    """``[n_out]``: the size of a layer's edges, or of an output's where that is their only gain."""
    rows = np.nonzero(layer.active)[0]
    n_out = len(layer.active)
    total = np.bincount(rows, edges.energies, n_out)
    number = np.bincount(rows, minlength=n_out)
    if edges.scaled or layer.config.weight_granularity == "tensor":
        total, number = np.full(n_out, total.sum()), np.full(n_out, number.sum())
    means: FloatArray = np.sqrt(total / np.maximum(number, 1))
    return np.where(means > 0, means, 1.0)


def _without_edges(layers: tuple[LayerEdges, ...], depth: int) -> FittedShapes:
    fitted = tuple(
        FittedLayer(
            np.zeros(layer.active.shape, np.int64),
            WeightQuantizer(np.zeros(layer.active.shape, np.int64), np.ones(len(layer.active))),
            np.zeros(layer.active.shape),
        )
        for layer in layers
    )
    return FittedShapes(np.zeros((1, depth), np.int64), fitted, 0.0)


def _rounded(members: _Members, shapes: FloatArray, settled: IntArray | None) -> FittedShapes:
    """Integer shapes and gains: each made the best for the other's, and the best round kept."""
    edges = members.edges
    best: FittedShapes | None = None
    for number in range(_ROUNDINGS):
        integers, unit = _integer_shapes(members, shapes)
        reals = integers * np.float64(unit)
        # Indices may move while shapes are real, and once more when they are first rounded.
        match = edges.match(reals, settled)
        settled = match.index if number else settled
        gains, joined = _integer_gains(members, match, reals)
        fixed = edges.match(reals, match.index, joined)
        error = float(fixed.errors.sum())
        size = float(edges.energies.sum()) or 1.0
        if best is None or error < best.error:
            biases = members.parts(fixed.biases)
            layers = tuple(
                FittedLayer(
                    np.asarray(index, np.int64),
                    WeightQuantizer(own.codes, own.scale * scale * unit),
                    np.asarray(bias, np.float64) * scale[:, None],
                )
                for index, own, bias, scale in zip(
                    members.parts(match.index), gains, biases, members.scales, strict=True
                )
            )
            best = FittedShapes(integers, layers, error)
        shapes = edges.shapes_for(fixed, reals)
    if best is None:  # pragma: no cover - there is at least one round
        raise RuntimeError("Nothing was rounded")
    return replace(best, error=float(np.sqrt(best.error / size)))


def _integer_shapes(members: _Members, shapes: FloatArray) -> tuple[IntArray, float]:
    """Shapes in integers of ``shape_bits``: each to its own peak where gains make up for that."""
    edges, bits = members.edges, members.config.codebook.shape_bits
    if all(layer.folds for layer in members.layers):
        # A constant that a bias takes back costs nothing, and centring saves range.
        middle = (shapes.max(axis=1) + shapes.min(axis=1)) / 2
        shapes = shapes - middle[:, None]
    top = (1 << (bits - 1)) - 1
    peaks = np.abs(shapes).max(axis=1)
    if not edges.scaled:
        unit = (float(peaks.max()) or 1.0) / top
        return round_half_up(shapes / unit).astype(np.int64), unit
    shapes = shapes / np.where(peaks > 0, peaks, 1.0)[:, None]
    return round_half_up(shapes * top).astype(np.int64), 1.0 / top


def _integer_gains(
    members: _Members, match: Match, shapes: FloatArray
) -> tuple[list[WeightQuantizer], FloatArray]:
    """Gains of every layer as integers, and the reals that they stand for, ``[E]``."""
    importance = members.edges.sizes(shapes, match.index)
    rounded = [
        quantize_gains(np.asarray(gains, np.float64), np.asarray(counts, np.float64), layer.config)
        for gains, counts, layer in zip(
            members.parts(match.gains), members.parts(importance), members.layers, strict=True
        )
    ]
    return rounded, members.joined([own.dequantize() for own in rounded])
