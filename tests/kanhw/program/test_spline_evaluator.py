"""Evaluated splines: the integer functions against B-splines themselves, the layer, its file."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.program import (
    InputEncoder,
    Interval,
    Program,
    Requantizer,
    SplineEvaluatorLayer,
    golden,
    load_program,
    save_program,
)
from kanhw.program.functions.interpolation import Interpolation
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.program.functions.splines import interpolated, piece_polynomials

ORDERS = range(1, 6)


def _aligned(order=3, *, width=10, depth=6, start=40, inputs=1, **fields):
    """Cells of 2**depth codes, the first code in cell start / 2**depth - 1."""
    place = min(depth, 6)
    arithmetic = {"scale": 1 << 12, "guard_bits": 12} if "table" not in fields else {}
    return SplineArithmetic(
        **{
            "width": width,
            "order": order,
            "multipliers": np.ones(inputs, int),
            "offsets": np.full(inputs, -start),
            "shift": depth - place,
            "fraction_bits": place,
            **arithmetic,
            **fields,
        }
    )


def _exact(order, cells, x):
    """All functions of a grid of unit cells that begins at 0, ``[N, K]``, p! times."""
    basis = BSplineBasis(np.arange(cells + 2 * order + 1.0)[None], order)
    return basis.evaluate_input(0, x) * math.factorial(order)


@pytest.mark.parametrize("order", ORDERS)
def test_pieces_are_those_of_b_splines(order):
    t = np.linspace(0, 1, 33)[:-1]
    # In a cell in the middle all p + 1 functions live.
    exact = _exact(order, 3, order + 1 + t)
    powers = t[:, None] ** np.arange(order + 1)
    pieces = powers @ np.array(piece_polynomials(order)).T
    np.testing.assert_allclose(pieces, exact[:, 1 : order + 2], atol=1e-12)
    total = np.sum(piece_polynomials(order), axis=0)
    assert total.tolist() == [math.factorial(order)] + [0] * order


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("width", [9, 16])
def test_every_code_is_near_the_basis(order, width):
    """Every code of a grid whose knots fall on codes; 16 bits have places of 6."""
    depth, cells = width - 4, 4
    start = -(1 << depth) // 2
    splines = _aligned(order, width=width, depth=depth, start=start, scale=1 << 8, guard_bits=4)
    count = cells + order
    values = splines.values(0, count)
    assert values.shape == (1 << width, count)
    x = (np.arange(1 << width) - start) / 2**depth
    exact = _exact(order, cells, x) * 2**4
    # Places are cut off after 6 bits, and powers are rounded.
    slope = math.factorial(order) * 2**4
    loose = slope * 2.0**-6 if depth > 6 else 0.0
    rounding = max(sum(abs(c) * d / 2 for d, c in enumerate(p)) for p in piece_polynomials(order))
    assert np.abs(values - exact).max() <= loose + rounding / 2**4 + 0.5
    assert values.max() > 2**4 / 2
    # Beyond the grid there are no functions.
    outside = (x < 0) | (x >= cells + 2 * order)
    assert outside.any() and not values[outside].any()


@pytest.mark.parametrize("order", ORDERS)
def test_a_half_table_is_read_backwards(order):
    places = np.arange(65) / 64
    pieces = (places[:, None] ** np.arange(order + 1)) @ np.array(piece_polynomials(order)).T
    table = np.floor(pieces * 16 + 0.5).astype(np.int64)
    half = _aligned(order, table=table[:, : order // 2 + 1])
    np.testing.assert_array_equal(half.pieces, table[:-1])
    assert half.variant == "shared_table"
    assert _aligned(order).variant == "arithmetic"


def test_positions_round_half_up():
    splines = SplineArithmetic(8, 1, np.array([5]), np.array([-300 + 4]), 3, 4, 16, 1)
    cells, (down, up) = splines(np.arange(256)[:, None])
    position = np.floor((np.arange(256) * 5 - 300) / 8 + 0.5).astype(int)
    np.testing.assert_array_equal(cells[:, 0], position // 16)
    np.testing.assert_array_equal(up[:, 0], (position % 16 + 1) // 2)
    np.testing.assert_array_equal(down[:, 0], (16 - position % 16 + 1) // 2)
    assert position.min() < 0
    assert not splines.aligned


def test_interpolation():
    curves = Interpolation(np.array([[-40, 8, 3], [0, 100, 400]]), np.array([1, 0, 1]), 4, 3, 1)
    line = np.concatenate([np.linspace(-40, 8, 9)[:-1], np.linspace(8, 3, 9)[:-1]])
    np.testing.assert_array_equal(curves.values[0], np.floor(line / 2 + 0.5))
    plain = np.array([5, -5, 7, -8, 99])
    np.testing.assert_array_equal(interpolated(plain, np.arange(4), 0, 1), [3, -2, 4, -4])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": 6}, "order must be 1 to 5, not 6"),
        ({"width": 17}, "width must be 1 to 16, not 17"),
        ({"fraction_bits": 0}, "fraction_bits must be 1 to 16"),
        ({"multipliers": np.array([0])}, "Multipliers must be at least 1"),
        ({"offsets": np.array([1, 2])}, "1 multipliers do not match 2 offsets"),
        ({"offsets": np.array([1 << 62])}, "more than 62 bits"),
        ({"table": np.zeros((5, 2), int)}, r"must have the shape \(65, 2\), not \(5, 2\)"),
        ({"guard_bits": 0}, "must not be negative"),
    ],
)
def test_wrong_arithmetic(wrong, message):
    with pytest.raises(InputError, match=message):
        _aligned(**({"scale": 7} if "guard_bits" in wrong else {}), **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fraction_bits": 4}, "fraction_bits must be 0 to 3"),
        ({"tables": np.zeros((1, 4), int)}, "must have 3 points, not 4"),
        ({"index": np.array([1])}, "index must name one of 1 curves"),
        ({"tables": np.full((1, 3), 1 << 33)}, "fewer than 32 bits"),
    ],
)
def test_wrong_curves(wrong, message):
    right = Interpolation(np.zeros((1, 3), int), np.array([0]), 4, 3, 1)
    with pytest.raises(InputError, match=message):
        replace(right, **wrong)


def test_widths_are_integers():
    with pytest.raises(TypeError, match="width must be an integer"):
        _aligned(3, width=9.0)


def _layer(seed, *, table=False, **fields):
    """Three inputs, two kinds of them, codes of 6 and of 7 bits."""
    rng = np.random.default_rng(seed)
    order, inputs, outputs, count = int(rng.integers(1, 6)), 3, 2, 8
    chosen = {"table": rng.integers(0, 9, (17, order // 2 + 1))} if table else {}
    splines = _aligned(
        order,
        width=6,
        inputs=inputs,
        fraction_bits=4,
        shift=2,
        **{"scale": 1 << 10, "guard_bits": 10} if not table else {},
        **chosen,
    )
    splines = replace(splines, multipliers=np.array([5, 16, 5]), offsets=np.array([-9, 70, -9]))
    points = rng.integers(-30, 30, (2, 9))
    return SplineEvaluatorLayer(
        rng.integers(-5, 6, (outputs, inputs, count)),
        splines,
        Interpolation(points, np.array([0, 1, 0]), 7, 4, 2),
        rng.integers(-5, 6, (outputs, inputs, 1)),
        (Requantizer(np.array([[3, 1], [2, 1]]), np.array([5, -4])),),
        base_stream=1,
        **fields,
    )


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_layer_adds_what_is_tabulated(seed, table):
    layer, rng = _layer(seed, table=table), np.random.default_rng(seed)
    addresses = rng.integers(0, 64, (200, 3)), rng.integers(0, 128, (200, 3))
    present = rng.integers(0, 2, (200, 3))
    spline = base = 0
    for i in range(3):
        values = layer.basis_values(i)[addresses[0][:, i]] @ layer.coefficients[:, i].T
        spline = spline + values * present[:, [i]]
        curve = layer.base_values(i)[addresses[1][:, i], None] * layer.base_weights[:, i].T
        base = base + curve * present[:, [i]]
    for made, expected in zip(layer.accumulate(addresses, present), (spline, base), strict=True):
        np.testing.assert_array_equal(made, expected)
        assert np.ptp(expected) > 0
    for mine, theirs in zip(
        layer.accumulate(addresses),
        layer.accumulate(tuple(torch.from_numpy(a) for a in addresses)),
        strict=True,
    ):
        assert isinstance(theirs, torch.Tensor) and theirs.dtype == torch.int64
        np.testing.assert_array_equal(mine, theirs.numpy())


def test_intervals_are_exact():
    layer = _layer(1)
    lo, hi = np.array([3, 20, 0]), np.array([40, 63, 63])
    spline, base = layer.accumulator_intervals(
        (Interval(lo, hi), Interval(lo, hi)), np.array([False, True, False])
    )
    for interval, of_input, weights in (
        (spline, layer.basis_values, layer.coefficients),
        (base, lambda i: layer.base_values(i)[:, None], layer.base_weights),
    ):
        ends = []
        for i in range(3):
            sums = of_input(i)[lo[i] : hi[i] + 1] @ weights[:, i].T
            ends.append((sums.min(axis=0), sums.max(axis=0)))
        ends[1] = np.minimum(ends[1][0], 0), np.maximum(ends[1][1], 0)
        np.testing.assert_array_equal(interval.lo, sum(e[0] for e in ends))
        np.testing.assert_array_equal(interval.hi, sum(e[1] for e in ends))


@pytest.mark.parametrize("table", [False, True])
def test_a_program_is_saved_and_loaded(table, tmp_path):
    layer = replace(
        _layer(2, table=table), base_stream=0, errors={"basis": 0.6}, note="cells are odd"
    )
    curve = Interpolation(layer.base.tables[:, :5], layer.base.index, 6, 4, 2)
    layer = replace(layer, base=curve)
    program = Program((layer,), InputEncoder(CodeFormat(6, True), 3))
    path = save_program(program, tmp_path / "kan.safetensors")
    again = load_program(path)
    codes = np.random.default_rng(0).integers(-32, 32, (300, 3))
    expected = program(codes)
    np.testing.assert_array_equal(again(codes), expected)
    np.testing.assert_array_equal(golden.run(again, codes), expected)
    (loaded,) = again.layers
    assert (loaded.errors, loaded.note) == ({"basis": 0.6}, "cells are odd")
    assert loaded.splines.variant == layer.splines.variant
    assert path.read_bytes() == save_program(again, tmp_path / "again").read_bytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base_weights": np.ones((2, 3, 2), int)}, "the base branch's weights have shape"),
        ({"coefficients": np.ones((2, 3, 1), int)}, "need at least . coefficients an edge, not 1"),
        ({"splines": _aligned(2, inputs=2)}, "its splines are those of 2 inputs, not 3"),
        ({"spline_stream": -1}, "stream number"),
    ],
)
def test_wrong_layers(wrong, message):
    with pytest.raises(InputError, match=message):
        replace(_layer(0), **wrong)
