"""Level 1 for every kind of layer: the quantized model equals its Program, code by code."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.program import golden, load_program, save_program
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.windows import Window

SILU = Activation("silu")


def layer(rng, basis, n_out, name, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        extra.pop("activation", SILU),
        rng.normal(size=n_out),
        name,
        **extra,
    )


def norm(rng, n):
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def b_splines(n_in, order=3):
    return BSplineBasis(np.tile(np.linspace(-3, 3, 6 + 2 * order), (n_in, 1)), order)


def fast_kan(rng):
    widths = (4, 6, 3)
    return KanModel(
        tuple(
            layer(
                rng,
                RadialBasis(np.linspace(-2, 2, 5), 1.0, n_in),
                n_out,
                f"layers.{k}",
                spline_norm=norm(rng, n_in),
            )
            for k, (n_in, n_out) in enumerate(pairwise(widths))
        )
    )


def kagn(rng):
    widths = (4, 5, 3)
    beta = rng.normal(size=4) * 0.05
    return KanModel(
        tuple(
            layer(
                rng,
                GramBasis(beta, n_in, SILU, constant=False),
                n_out,
                f"layers.{k}",
                post=(norm(rng, n_out), SILU),
            )
            for k, (n_in, n_out) in enumerate(pairwise(widths))
        )
    )


def conv(rng):
    beta = rng.normal(size=4) * 0.05
    first = Window((1, 5, 5), (3, 3), padding=(1, 1))
    second = Window((3, 5, 5), (3, 3), stride=(2, 2), padding=(1, 1))
    pool = Window((2, 3, 3), (3, 3))

    def taps(window, channels, name):
        basis = GramBasis(beta, window.taps, SILU, constant=True)
        return ConvLayer(layer(rng, basis, channels, name, post=(SILU,)), window)

    head = layer(rng, NoBasis(2), 3, "head", activation=Activation("identity"))
    return KanModel(
        (taps(first, 3, "0"), taps(second, 2, "1"), PoolLayer("average", pool), head),
        shape=(1, 5, 5),
    )


def pykan(rng):
    # Products have long tails: their nodes are scaled into the next layer's grid.
    products = Products(2, (2, 3), rng.normal(size=4) / [3, 3, 9, 27], rng.normal(size=4))
    symbolic = (
        SymbolicEdge(0, 1, "sin", 1.5, 0.2, 0.7, 0.1),
        SymbolicEdge(3, 1, "x^2", 1.0, 0.0, 1.0, 0.0),
    )
    return KanModel(
        (
            layer(rng, b_splines(4), 7, "0", symbolic=symbolic, post=(products,)),
            layer(rng, b_splines(4), 2, "1"),
        )
    )


MODELS = {"fast_kan": fast_kan, "kagn": kagn, "conv": conv, "pykan": pykan}


def assert_level_1(model, x, config, folder):
    quantized = quantize_model(model, x, config)
    program = load_program(save_program(lower(quantized), folder / "program.safetensors"))
    codes = program.input.encode(model.flat(x))
    expected = quantized.activations(model.flat(x))
    np.testing.assert_array_equal(expected[0][0], codes)
    for ours, theirs in zip(expected[1:], program.activations(codes), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.abs(a).max() < 2.0**53
    np.testing.assert_array_equal(golden.run(program, codes), program(codes))
    return program


@pytest.mark.some(3)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=6)
@given(
    seed=st.integers(0, 2**32 - 1),
    bits=st.integers(2, 9),
    # The search of "mse" takes most of the time; level 1 of B-splines has it.
    calibration=st.sampled_from(["max_abs", "percentile"]),
    granularity=st.sampled_from(["tensor", "channel"]),
    symmetric=st.booleans(),
)
def test_every_code_is_equal(
    tmp_path_factory, name, realisation, seed, bits, calibration, granularity, symmetric
):
    rng = np.random.default_rng(seed)
    model = MODELS[name](rng)
    x = rng.normal(size=(40, *model.input_shape))
    config = QuantConfig(
        activation_bits=bits,
        base_bits=bits,
        spline_bits=bits,
        realisation=realisation,
        activation_calibration=calibration,
        activation_granularity=granularity,
        symmetric_activations=symmetric,
    )
    assert_level_1(model, x, config, tmp_path_factory.mktemp("program"))


@pytest.mark.some(3)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("name", MODELS)
def test_more_bits_come_close_to_the_float_model(tmp_path, name, realisation):
    rng = np.random.default_rng(7)
    model = MODELS[name](rng)
    x = rng.normal(size=(200, *model.input_shape))
    errors = []
    for bits in (5, 10):
        config = QuantConfig(
            activation_bits=bits,
            base_bits=bits,
            spline_bits=bits,
            basis_bits=bits,
            base_table_bits=bits,
            norm_bits=14,
            product_bits=16,
            multiplier_bits=20,
            activation_calibration="max_abs",
            realisation=realisation,
        )
        program = assert_level_1(model, x, config, tmp_path)
        real = program.decode_output(program(program.input.encode(model.flat(x))))
        errors.append(np.abs(real - model(x)).max() / np.ptp(model(x)))
    # A norm of three values magnifies what rounding leaves of their differences.
    assert errors[1] < 0.04
    assert errors[1] < errors[0] / 4


def test_padding_adds_nothing(tmp_path):
    # A constant basis function tells padding from zeros: P_0 counts the taps inside the image.
    basis = GramBasis(np.zeros(2), 9, None, constant=True)
    coefficients = np.zeros((1, 9, 2))
    coefficients[:, :, 0] = 1
    taps = KanLayer(basis, coefficients, np.zeros((1, 9)), Activation("zero"), np.zeros(1), "count")
    model = KanModel((ConvLayer(taps, Window((1, 4, 4), (3, 3), padding=(1, 1))),), shape=(1, 4, 4))
    x = np.random.default_rng(1).normal(size=(5, 1, 4, 4))
    counts = np.array([[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]).ravel()
    np.testing.assert_array_equal(model(x), np.tile(counts, (5, 1)))
    for realisation in ("edge_table", "basis_table"):
        program = assert_level_1(model, x, QuantConfig(realisation=realisation), tmp_path)
        outputs = program.decode_output(program(program.input.encode(model.flat(x))))
        np.testing.assert_allclose(outputs, np.tile(counts, (5, 1)), rtol=0.01)


@pytest.mark.parametrize("name", ["fast_kan", "kagn"])
def test_frozen_norms(tmp_path, name):
    rng = np.random.default_rng(3)
    model = MODELS[name](rng)
    x = rng.normal(size=(100, 4))
    frozen = freeze_norms(model, x)
    assert frozen.max_change == np.abs(frozen.model(x) - model(x)).max()
    assert frozen.change_of_range == pytest.approx(frozen.max_change / np.ptp(model(x)))
    assert not any(part.spline_norm for part in frozen.model.layers)
    program = assert_level_1(model, x, QuantConfig(norms="frozen"), tmp_path)
    assert all(part.kind != "layer_norm" for part in program.layers)
    assert "norms frozen to calibration statistics" in program.source


def test_frozen_norms_are_exact_where_statistics_do_not_vary(tmp_path):
    rng = np.random.default_rng(4)
    model = fast_kan(rng)
    first = KanModel(model.layers[:1])
    # Permutations of one sample all have its mean and variance.
    x = rng.permuted(np.tile(rng.normal(size=4), (50, 1)), axis=1)
    assert freeze_norms(first, x).change_of_range < 1e-12
