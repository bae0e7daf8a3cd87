"""Level 1: a quantized model equals its Program, every code of every activation."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.program import Interval, golden, load_program, save_program
from kanhw.quant import QuantConfig, lower, quantize_model

bits = st.integers(1, 12)
configs = st.builds(
    QuantConfig,
    base_bits=bits,
    spline_bits=bits,
    activation_bits=bits,
    input_bits=st.none() | bits,
    basis_bits=st.integers(1, 14),
    base_table_bits=st.integers(2, 14),
    table_bits=st.none() | st.integers(2, 16),
    multiplier_bits=st.integers(4, 24),
    weight_calibration=st.sampled_from(["max_abs", "percentile", "mse"]),
    activation_calibration=st.sampled_from(["max_abs", "percentile", "mse"]),
    percentile=st.floats(50, 100),
    weight_granularity=st.sampled_from(["tensor", "channel"]),
    activation_granularity=st.sampled_from(["tensor", "channel"]),
    symmetric_activations=st.booleans(),
    branch_inputs=st.sampled_from(["auto", "shared", "separate"]),
    realisation=st.sampled_from(["auto", "edge_table", "basis_table"]),
)


def assert_equal(model, program, x):
    """Compare all that the two compute, and give the number of codes compared."""
    history = model.activations(x)
    codes = program.input.encode(x)
    np.testing.assert_array_equal(history[0][0], codes)
    layers = program.activations(codes)
    assert len(history) == len(layers) + 1
    compared = 0
    for mine, theirs in zip(history[1:], layers, strict=True):
        assert len(mine) == len(theirs)
        for quantized, integers in zip(mine, theirs, strict=True):
            assert integers.dtype == np.int64
            np.testing.assert_array_equal(quantized, integers)
            compared += integers.size
    np.testing.assert_array_equal(program(codes), layers[-1][0])
    np.testing.assert_allclose(model(x), program.decode_output(program(codes)), rtol=1e-15)
    assert compared > 0
    return compared


def reach(program):
    """The largest magnitude that any partial sum of the network can have."""
    largest = 0
    for layer in program.layers:
        addresses = tuple(
            Interval(np.zeros(layer.n_in, np.int64), np.full(layer.n_in, depth - 1))
            for depth in layer.depths
        )
        accumulators = layer.accumulator_intervals(addresses)
        tops = [np.maximum(np.abs(a.lo), np.abs(a.hi)).astype(object) for a in accumulators]
        for requantizer in layer.requantizers:
            factors = np.abs(requantizer.multipliers).astype(object)
            total = sum(m * top for m, top in zip(factors, tops, strict=True))
            half = 1 << max(requantizer.shift - 1, 0)
            largest = max(largest, (total + np.abs(requantizer.bias).astype(object)).max() + half)
        largest = max(largest, *(int(top.max()) for top in tops))
    return largest


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1), configs)
@example(3, QuantConfig(realisation="basis_table", branch_inputs="separate"))
@example(4, QuantConfig(realisation="edge_table", activation_bits=12, table_bits=2))
def test_codes_are_equal(random_model, tmp_path_factory, seed, config):
    rng = np.random.default_rng(seed)
    model = random_model(rng)
    calibration = rng.normal(size=(40, model.n_in)) * rng.lognormal(0, 1, model.n_in)
    try:
        quantized = quantize_model(model, calibration, config)
    except InputError as error:
        # The only reason to refuse: multipliers too short for such coarse weights.
        assert "multiplier" in str(error)
        assume(False)
    program = lower(quantized)
    assert reach(program) < 2**53
    infinite = np.full((2, model.n_in), np.inf) * [[1], [-1]]
    x = np.concatenate([calibration, rng.normal(0, 10, (20, model.n_in)), infinite])
    assert_equal(quantized, program, x)

    path = tmp_path_factory.mktemp("program") / "program.safetensors"
    assert_equal(quantized, load_program(save_program(program, path)), x)
    codes = program.input.encode(x)
    np.testing.assert_array_equal(golden.run(program, codes), quantized.activations(x)[-1][0])


def test_random_models_mix_realisations_and_streams(random_model):
    kinds, streams = set(), set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        model = random_model(rng)
        config = QuantConfig(
            input_bits=4,
            activation_bits=11,
            basis_bits=2,
            base_table_bits=2,
            activation_calibration="max_abs",
        )
        program = lower(quantize_model(model, rng.normal(size=(40, model.n_in)), config))
        kinds.add(tuple(layer.kind for layer in program.layers))
        streams.update(len(layer.requantizers) for layer in program.layers)
    assert any(len(set(mix)) == 2 for mix in kinds)
    assert streams == {1, 2}


@pytest.mark.some(4)
@pytest.mark.parametrize("activation", [4, 8])
@pytest.mark.parametrize("realisation", ["auto", "edge_table", "basis_table"])
def test_trained_networks(trained, realisation, activation):
    config = QuantConfig(realisation=realisation, activation_bits=activation)
    quantized = quantize_model(trained.model, trained.calibration, config)
    x = np.concatenate([trained.x, trained.x_far, trained.calibration])
    program = lower(quantized)
    assert assert_equal(quantized, program, x) > 20 * len(x) / 3
    codes = program.input.encode(x)
    np.testing.assert_array_equal(golden.run(program, codes), quantized.activations(x)[-1][0])
    assert reach(program) < 2**53


def test_torch_makes_every_activation(trained):
    import torch

    quantized = quantize_model(trained.model, trained.calibration)
    program = lower(quantized)
    codes = torch.from_numpy(program.input.encode(trained.x))
    compared = 0
    for mine, theirs in zip(
        quantized.activations(trained.x)[1:], program.activations(codes), strict=True
    ):
        for expected, tensor in zip(mine, theirs, strict=True):
            assert tensor.dtype == torch.int64
            np.testing.assert_array_equal(tensor.numpy(), expected)
            compared += tensor.numel()
    assert compared > 0


@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
def test_a_planted_fault_is_seen(make_layer, realisation):
    rng = np.random.default_rng(0)
    model = KanModel((make_layer(rng, 3, 2), make_layer(rng, 2, 2)))
    x = rng.normal(size=(200, 3))
    quantized = quantize_model(model, x, QuantConfig(realisation=realisation))
    program = lower(quantized)
    last = quantized.layers[-1]
    table = last.tables if realisation == "edge_table" else last.basis_tables
    # An entry that is used: the one at the code in the middle.
    table[0, table.shape[1] // 2] ^= 1
    with pytest.raises(AssertionError):
        assert_equal(quantized, program, x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((4, 2)), r"shape \[N, 3\]"),
        (np.zeros(3), r"shape \[N, 3\]"),
        (np.full((1, 3), np.nan), "NaN"),
    ],
)
def test_bad_features(make_layer, x, message):
    rng = np.random.default_rng(0)
    model = KanModel((make_layer(rng, 3, 2),))
    quantized = quantize_model(model, rng.normal(size=(9, 3)))
    with pytest.raises(InputError, match=message):
        quantized(x)
