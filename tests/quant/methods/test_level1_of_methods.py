"""Quantized models of every method equal their Programs."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import (
    ALL,
    MODELS,
    REALISATIONS,
    efficient_kan,
)

from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, lower, quantize_model


def assert_equal(quantized, x):
    """Every code of every activation; the number of codes compared."""
    program = lower(quantized)
    codes = program.input.encode(x)
    history, layers = quantized.activations(x), program.activations(codes)
    np.testing.assert_array_equal(history[0][0], codes)
    compared = 0
    for mine, theirs in zip(history[1:], layers, strict=True):
        for quantized_codes, integers in zip(mine, theirs, strict=True):
            assert integers.dtype == np.int64
            np.testing.assert_array_equal(quantized_codes, integers)
            compared += integers.size
    assert compared > 0
    return program


# Every method with every model, and either realisation with all of both.
COMBINATIONS = [
    (method, name, REALISATIONS[(i + k) % 2])
    for i, method in enumerate(ALL)
    for k, name in enumerate(MODELS)
]


@pytest.mark.some(10)
@pytest.mark.parametrize(("method", "name", "realisation"), COMBINATIONS)
def test_codes_are_equal(method, name, realisation):
    rng = np.random.default_rng([ALL.index(method), list(MODELS).index(name)])
    model = MODELS[name](rng)
    data = rng.normal(size=(30, *model.input_shape))
    x = np.concatenate([model.flat(data), rng.normal(0, 5, (20, model.n_in))])
    for bits in (1, 4):
        config = QuantConfig(
            base_bits=bits,
            spline_bits=bits,
            activation_bits=5,
            multiplier_bits=24,
            weight_calibration="max_abs",
            activation_calibration="percentile",
            weight_granularity=str(rng.choice(["tensor", "channel"])),
            activation_granularity=str(rng.choice(["tensor", "channel"])),
            shared_quantizers=bool(rng.integers(2)),
            realisation=realisation,
            method=method,
            iterations=3,
        )
        quantized = quantize_model(model, None if method == "zeroq" else data, config)
        program = assert_equal(quantized, x)
        top = max((1 << (bits - 1)) - 1, 1)
        for each in quantized.layers:
            if hasattr(each, "spline"):
                assert np.abs(each.spline.codes).max(initial=0) <= top
                assert np.abs(each.base.codes).max(initial=0) <= top
        assert ("synthesised" in program.source) == (method == "zeroq")


@pytest.mark.some(4)
@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("method", ALL)
def test_pruned_edges_stay_absent(method, bits):
    rng = np.random.default_rng(5)
    model = efficient_kan(rng)
    kept = rng.random((4, 3)) < 0.5
    first, second = model.layers
    pruned = replace(
        first,
        coefficients=first.coefficients * kept[:, :, None],
        base_weights=first.base_weights * kept,
    )
    model = KanModel((pruned, second))
    data = None if method == "zeroq" else rng.normal(size=(60, 3))
    for realisation in REALISATIONS:
        config = QuantConfig(
            base_bits=bits,
            spline_bits=bits,
            weight_calibration="max_abs",
            activation_calibration="percentile",
            method=method,
            realisation=realisation,
            iterations=3,
        )
        quantized = quantize_model(model, data, config)
        spline, base = quantized.layers[0].spline.codes, quantized.layers[0].base.codes
        assert not spline[~kept].any() and not base[~kept].any()
        assert spline[kept].any() and not lower(quantized).layers[0].active[~kept].any()
        if bits == 1:
            assert (np.abs(base[kept]) == 1).all()
