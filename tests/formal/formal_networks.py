"""Small networks that make every stage, and designs that are proved whole."""

from dataclasses import replace

import numpy as np

from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputConversion,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    ProductLayer,
    Program,
    Requantizer,
    SplineEvaluatorLayer,
    join_heads,
    with_code_ranges,
)
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

CODE = CodeFormat(1, False)


def _requantizer(branches, n_out, format=CODE):
    return Requantizer(np.ones((branches, n_out), int), np.zeros(n_out, int), 0, format)


def edges(n_in, n_out, format=CODE, name="edges"):
    tables = np.random.default_rng(1).integers(0, 2, (n_out, n_in, 1))
    return EdgeTableLayer(
        np.concatenate([tables, 1 - tables], 2), (_requantizer(1, n_out, format),), name
    )


def _splines(n_in, n_out):
    weights = np.random.default_rng(2).integers(0, 2, (n_out, n_in, 2))
    index, none = np.zeros(n_in, int), np.zeros((n_out, n_in, 1), int)
    basis, base = [[[1, 0], [1, 1]]], [[[0], [1]]]
    return BasisTableLayer(basis, index, weights, base, index, none, (_requantizer(2, n_out),))


def codebook(n_in, n_out, seed=3, weight=0):
    rng, zeros = np.random.default_rng(seed), np.zeros(n_in, int)
    index, gains = rng.integers(0, 2, (n_out, n_in)), rng.integers(1, 3, (n_out, n_in))
    weights, base = np.full((n_out, n_in, 1), weight), [[[0], [1]]]
    return CodebookLayer(
        [[0, 1], [1, 0]], index, gains, base, zeros, weights, (_requantizer(2, n_out),)
    )


def _branches(n_in, n_out):
    tables = np.random.default_rng(4).integers(0, 2, (2, n_out, n_in, 2))
    return BranchEdgeTableLayer(*tables, (_requantizer(2, n_out),))


def _product(n):
    groups = tuple((k, (k + 1) % n) for k in range(n))
    return ProductLayer(groups, n, 1, 0, (_requantizer(1, n),))


def _evaluated(n_in, n_out, table=None):
    """Two cells of two codes, between which the functions are straight lines."""
    ones, zeros = np.ones(n_in, int), np.zeros(n_in, int)
    scale = 2 if table is None else 0
    splines = SplineArithmetic(2, 1, ones, zeros, 0, 1, scale, 0, table)
    base = Interpolation([[0, 1, 1]], zeros, 2, 1, 1)
    coefficients = np.random.default_rng(5).integers(0, 2, (n_out, n_in, 3))
    weights = np.ones((n_out, n_in, 1), int)
    join = _requantizer(2, n_out, CodeFormat(2, False))
    return SplineEvaluatorLayer(coefficients, splines, base, weights, (join,))


def network(*layers, argmax=False, format=CODE):
    return Program(layers, InputEncoder(format, layers[0].n_in), argmax=argmax)


def ranged(program):
    """The first feature and the first output always 0."""
    ends = (0, [0] + [1] * (program.n_in - 1))
    outputs = (0, [0] + [1] * (program.layers[0].n_out - 1))
    return with_code_ranges(program, inputs=ends, layers={0: [outputs]})


def converted(program):
    """Inputs of two bits, every one halved in a way of its own."""
    n, made = program.n_in, InputEncoder(CodeFormat(2, False), program.n_in)
    conversion = InputConversion(program.input, np.arange(1, n + 1), np.arange(n), 1)
    return replace(program, input=made, conversion=conversion)


def _convolution(shape, size, padding=0):
    window = Window(shape, size, padding=(padding, padding))
    return ConvolutionLayer(edges(window.taps, 2), window)


def _pool(shape, size):
    window = Window(shape, size, size)
    n_out = shape[0] * window.positions
    return PoolingLayer(np.arange(2), "max", window, (_requantizer(1, n_out),))


def norm(n):
    layer = NormLayer(np.ones(n, int), 1, 2, 1, (_requantizer(1, n),))
    bound = 4 * layer.normalised_bound
    shift = max(int(bound).bit_length() - 1, 1)
    return replace(layer, requantizers=(replace(layer.requantizers[0], shift=shift),))


FOLDED = Schedule(kind="folded")
WIDE = Schedule(kind="folded", parallel_outputs=2)
SHARED_TABLE = np.array([[2], [1], [0]])
EVALUATED = network(_evaluated(2, 2), _evaluated(2, 2, SHARED_TABLE), format=CodeFormat(2, False))


def _heads(**fields):
    return join_heads([network(codebook(1, 2, seed, 1)) for seed in (3, 4)], **fields)


NETWORKS = {
    "unrolled edge tables": (network(edges(2, 2), edges(2, 2)), Schedule()),
    "every unrolled layer": (
        network(_splines(2, 2), codebook(2, 2), _branches(2, 2), _product(2)),
        Schedule(),
    ),
    "evaluated splines": (EVALUATED, Schedule()),
    "cells of UltraScale+": (network(edges(4, 2)), Schedule(fabric="ultrascale+")),
    "merged tables, registers behind some": (
        network(edges(3, 2, name="first"), edges(2, 2, None)),
        Schedule(merge_tables="xcup", table_registers={"first": False}, adder_levels=0),
    ),
    "folded edge tables": (network(edges(2, 2), edges(2, 2)), FOLDED),
    "two outputs at a time": (network(edges(3, 2)), WIDE),
    "folded basis tables": (network(_splines(2, 2)), FOLDED),
    "folded codebook": (network(codebook(2, 2)), FOLDED),
    "split and collected": (network(edges(3, 2), norm(2), edges(2, 2)), FOLDED),
    "argmax": (network(edges(2, 3, None), argmax=True), Schedule()),
    "folded argmax": (network(edges(2, 3, None), argmax=True), FOLDED),
    "LayerNorm": (network(norm(2)), Schedule()),
    "ranges of features": (ranged(network(_product(2))), Schedule()),
    "ranges of features in several beats": (ranged(network(_splines(2, 2))), FOLDED),
    "conversion of features": (converted(network(edges(2, 2))), Schedule()),
    "conversion of features in several beats": (converted(network(edges(2, 2))), FOLDED),
    "convolution": (network(_convolution((1, 3, 3), (2, 2))), Schedule()),
    "padded convolution": (network(_convolution((1, 2, 2), (3, 3), 1)), Schedule()),
    "folded convolution": (network(_convolution((1, 2, 3), (2, 2))), FOLDED),
    "pooling": (network(_pool((1, 4, 4), (2, 2))), Schedule()),
    "folded pooling": (
        network(_convolution((1, 2, 3), (2, 2)), _pool((2, 1, 2), (1, 2))),
        FOLDED,
    ),
    "global pooling, then edges": (network(_pool((2, 2, 2), (2, 2)), edges(2, 2)), Schedule()),
    "convolution, then edges": (
        network(_convolution((1, 2, 3), (2, 2)), edges(4, 2)),
        Schedule(),
    ),
}
# Whole, because some of their stages have more than two streams: heads that share a codebook.
DESIGNS = {
    "unrolled edge tables": NETWORKS["unrolled edge tables"],
    "folded edge tables": (network(edges(2, 2)), FOLDED),
    "heads": (_heads(), FOLDED),
    "writable heads": (_heads(writable=True), FOLDED),
}
