"""Codebook layers, random or all alike."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from kanhw.formats import CodeFormat
from kanhw.program import (
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)

torch = pytest.importorskip("torch")

SIGNED4 = CodeFormat(4, signed=True)
SEEDS = st.integers(0, 2**32)


def ones(n_out, branches=2):
    return np.ones((branches, n_out), np.int64)


def offset_fields(rng, n_in, n_out, depth, tables=2):
    return {
        "biases": rng.integers(-5, 6, (n_out, n_in)),
        "offsets": rng.integers(-9, 10, (tables, depth)),
        "offsets_index": rng.integers(0, tables, n_in),
    }


def codebook(n_in=3, n_out=2, widths=(2, 2), size=4, seed=0, *, biased=True, **changes):
    rng = np.random.default_rng(seed)
    gains = rng.integers(-9, 10, (n_out, n_in))
    gains[rng.random(gains.shape) < 0.2] = 0
    fields = {
        "shapes": rng.integers(-20, 21, (size, 1 << widths[0])),
        "index": rng.integers(0, size, (n_out, n_in)),
        "gains": gains,
        "base": rng.integers(-5, 6, (2, 1 << widths[1], 1)),
        "base_index": rng.integers(0, 2, n_in),
        "base_weights": rng.integers(-9, 10, (n_out, n_in, 1)),
        "requantizers": (Requantizer(rng.integers(-5, 6, (2, n_out)), np.arange(n_out)),),
        "name": "codes",
    }
    offsets = offset_fields(rng, n_in, n_out, 1 << widths[0])
    return CodebookLayer(**{**fields, **(offsets if biased else {}), **changes})


def naive(layer, spline, base, present):
    """Both accumulators of one vector, term by term in Python's own integers."""
    totals = []
    for j in range(layer.n_out):
        total = [0, 0]
        for i in range(layer.n_in):
            if not present[i]:
                continue
            shape = layer.shapes[int(layer.index[j, i])]
            total[0] += int(layer.gains[j, i]) * int(shape[spline[i]])
            if layer.biases is not None:
                offsets = layer.offsets[int(layer.offsets_index[i])]
                total[0] += int(layer.biases[j, i]) * int(offsets[spline[i]])
            table = layer.base[int(layer.base_index[i]), :, 0]
            total[1] += int(layer.base_weights[j, i, 0]) * int(table[base[i]])
        totals.append(total)
    return totals


def random_layer(seed, **changes):
    """Of any small size, with and without biases."""
    rng = np.random.default_rng(seed)
    n_in, n_out, shapes = rng.integers(1, 5, 3).tolist()
    widths = rng.integers(1, 4, 2).tolist()
    return codebook(n_in, n_out, widths, shapes, seed, biased=bool(seed % 2), **changes), rng


def random_addresses(rng, layer, count=12):
    return tuple(rng.integers(0, depth, (count, layer.n_in)) for depth in layer.depths)


def two_streams(layer, seed=0):
    """A Program of edge tables that make both streams of a layer, and the layer."""
    rng = np.random.default_rng(seed)
    source = CodeFormat(2, signed=True)
    streams = tuple(
        Requantizer(
            ones(layer.n_in, 1),
            rng.integers(-3, 4, layer.n_in),
            1,
            CodeFormat(depth.bit_length() - 1, signed=bool(rng.integers(2))),
        )
        for depth in layer.depths
    )
    first = EdgeTableLayer(rng.integers(-9, 10, (layer.n_in, 3, 4)), streams, "first")
    layer = replace(layer, spline_stream=0, base_stream=1)
    return Program((first, layer), InputEncoder(source, 3))


def all_codes(program):
    return np.array(list(itertools.product(program.input.format.codes(), repeat=program.n_in)))
