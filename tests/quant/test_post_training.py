"""Whole models: what is refused, special models, snapped ratios, choices made for the user."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.layers import KAGN
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.model.symbolic import SymbolicEdge
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.planning.realisation import (
    chosen_realisation,
    planned_basis_table_luts,
    planned_edge_table_luts,
)

REALISATIONS = ("edge_table", "basis_table")
ACTIVATIONS = ("silu", "identity", "zero", "gelu", "relu", "tanh", "prelu")


@pytest.fixture
def model(make_layer):
    rng = np.random.default_rng(0)
    return KanModel((make_layer(rng, 3, 4), make_layer(rng, 4, 2)))


@pytest.fixture
def calibration():
    return np.random.default_rng(1).normal(size=(80, 3))


def relative_error(model, calibration, config):
    """Root mean square error of the quantized outputs, over the outputs' spread."""
    quantized = quantize_model(model, calibration, config)
    program = lower(quantized)
    exact = model(calibration)
    outputs = program.decode_output(program(program.input.encode(calibration)))
    spread = exact.std() or 1.0
    return float(np.sqrt(np.square(outputs - exact).mean()) / spread)


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((5, 2)), r"must have shape \[N, 3\] for this model, not \[5, 2\]"),
        (np.zeros(3), r"must have shape \[N, 3\] for this model, not \[3\]"),
        (np.zeros((2, 3, 1)), r"must have shape \[N, 3\] for this model, not \[2, 3, 1\]"),
        (np.zeros((0, 3)), "at least one sample, not 0"),
        (np.full((4, 3), np.nan), "NaN or infinity"),
        (np.full((4, 3), -np.inf), "NaN or infinity"),
    ],
)
def test_bad_calibration(model, data, message):
    with pytest.raises(InputError, match=message):
        quantize_model(model, data)


@pytest.mark.parametrize("data", [np.array([["a"] * 3]), np.zeros((2, 3), complex), [[None] * 3]])
def test_calibration_must_be_numbers(model, data):
    with pytest.raises(TypeError, match="must be numbers"):
        quantize_model(model, data)


def test_integer_and_list_calibration(model):
    quantize_model(model, [[0, 1, 2], [3, 4, 5]])
    quantize_model(model, np.arange(30, dtype=np.uint8).reshape(10, 3))


def test_an_activation_needs_a_layer_behind_it(model, calibration):
    first, second = model.layers
    normed = replace(second, spline_norm=LayerNorm(np.ones(4), np.zeros(4)))
    active = replace(first, post=(first.base_activation,))
    with pytest.raises(InputError, match=r", in front of its normalisation, there is"):
        quantize_model(KanModel((active, normed)), calibration)


def test_a_pole_inside_the_range_names_its_edge(model, calibration):
    first, second = model.layers
    edge = SymbolicEdge(1, 2, "1/x", 1.0, -float(calibration[0, 2]), 1.0, 0.0)
    grid = quantize_model(KanModel((first, second)), calibration).input.grid()[:, 2]
    edge = replace(edge, b=-float(grid[7]))
    for realisation in ("edge_table", "basis_table"):
        with pytest.raises(InputError, match=r": the symbolic edge from input 2 to sum 1"):
            quantize_model(
                KanModel((replace(first, symbolic=(edge,)), second)),
                calibration,
                QuantConfig(realisation=realisation),
            )


@pytest.mark.parametrize("weights", ["beta_weights", "norm"])
def test_weights_that_overflow_are_refused(weights):
    network, x = KAGN([3, 2, 2]), np.random.default_rng(1).uniform(-1, 1, (64, 3))
    with torch.no_grad():
        for name, tensor in network.double().named_parameters():
            if weights in name:
                tensor *= 1e200
    model = network.to_model()
    with pytest.raises(InputError, match=r"^layers\.[01]\S*: its inputs reach \S+, and only"):
        quantize_model(model, x, QuantConfig())


def test_too_short_multipliers_are_refused(model, calibration):
    config = QuantConfig(
        multiplier_bits=4,
        spline_bits=1,
        basis_bits=1,
        activation_bits=12,
        realisation="basis_table",
    )
    with pytest.raises(InputError, match=r"layers.0: .* multiplier of 4 bits"):
        quantize_model(model, calibration, config)


# --- special models --------------------------------------------------------------------------


# Every activation with every shape, and either realisation with all of both.
SHAPES = [
    (sizes, activation, REALISATIONS[(i + k) % 2])
    for i, sizes in enumerate([(1, 1), (1, 3), (3, 1), (2, 3, 1)])
    for k, activation in enumerate(ACTIVATIONS)
]


@pytest.mark.some(10)
@pytest.mark.parametrize(("sizes", "activation", "realisation"), SHAPES)
def test_shapes_activations_and_knots(make_layer, sizes, activation, realisation):
    rng = np.random.default_rng(len(sizes))
    layers = tuple(
        make_layer(rng, n_in, n_out, activation=activation, uniform=False, order=order)
        for n_in, n_out, order in zip(sizes[:-1], sizes[1:], (2, 3), strict=False)
    )
    config = QuantConfig(
        base_bits=12,
        spline_bits=12,
        activation_bits=10,
        basis_bits=12,
        base_table_bits=12,
        multiplier_bits=24,
        realisation=realisation,
    )
    calibration = rng.normal(size=(100, sizes[0])) * 2
    assert relative_error(KanModel(layers), calibration, config) < 0.02


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_one_bit_everything(model, calibration, realisation):
    config = QuantConfig(
        base_bits=1,
        spline_bits=1,
        activation_bits=1,
        basis_bits=1,
        base_table_bits=2,
        table_bits=2,
        realisation=realisation,
    )
    quantized = quantize_model(model, calibration, config)
    for layer in quantized.layers:
        assert set(np.unique(layer.spline.codes)) <= {-1, 0, 1}
    program = lower(quantized)
    assert program.input.format.width == 1
    assert np.isfinite(quantized(calibration)).all()


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_one_sample_and_constant_data(model, realisation):
    config = QuantConfig(realisation=realisation)
    for data in (np.full((1, 3), 0.3), np.zeros((1, 3)), np.full((20, 3), -5.0)):
        quantized = quantize_model(model, data, config)
        np.testing.assert_allclose(quantized(data), model(data), atol=0.2)


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_all_zero_layer(model, calibration, realisation):
    first, second = model.layers
    zero = replace(
        first,
        coefficients=np.zeros_like(first.coefficients),
        base_weights=np.zeros_like(first.base_weights),
    )
    config = QuantConfig(realisation=realisation)
    quantized = quantize_model(KanModel((zero, second)), calibration, config)
    program = lower(quantized)
    assert not program.layers[0].active.any()
    outputs = quantized(calibration)
    assert (outputs == outputs[0]).all()
    np.testing.assert_allclose(outputs, KanModel((zero, second))(calibration), atol=0.1)
    last_zero = replace(
        second,
        coefficients=np.zeros_like(second.coefficients),
        base_weights=np.zeros_like(second.base_weights),
    )
    quantized = quantize_model(KanModel((first, last_zero)), calibration, config)
    np.testing.assert_allclose(quantized(calibration), last_zero.bias[None].repeat(80, 0))


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_pruned_edges_stay_absent(model, calibration, realisation, bits):
    kept = np.random.default_rng(4).random((4, 3)) < 0.5
    first, second = model.layers
    pruned = replace(
        first,
        coefficients=first.coefficients * kept[:, :, None],
        base_weights=first.base_weights * kept,
    )
    config = QuantConfig(base_bits=bits, spline_bits=bits, realisation=realisation)
    program = lower(quantize_model(KanModel((pruned, second)), calibration, config))
    assert not program.layers[0].active[~kept].any()
    assert program.layers[0].active[kept].all()


@pytest.mark.parametrize("realisation", REALISATIONS)
def test_large_bias_costs_no_precision(model, calibration, realisation):
    first, second = model.layers
    config = QuantConfig(realisation=realisation, activation_granularity="channel")
    # Moved out and, by the knots behind it, back again.
    moved = replace(first, bias=first.bias + 1000)
    behind = replace(second, basis=replace(second.basis, knots=second.basis.knots + 1000))
    none = replace(behind, base_weights=np.zeros_like(behind.base_weights))
    assert relative_error(KanModel((moved, none)), calibration, config) < 0.05


def test_input_bits_are_the_inputs_own(model, calibration):
    program = lower(quantize_model(model, calibration, QuantConfig(input_bits=3)))
    assert program.input.format.width == 3
    assert program.layers[0].requantizers[0].format.width == 8
    assert program.layers[0].depths[0] == 8


def test_more_bits_are_closer(model, calibration):
    errors = [
        relative_error(
            model,
            calibration,
            QuantConfig(base_bits=b, spline_bits=b, activation_bits=b, realisation="edge_table"),
        )
        for b in (2, 4, 6, 8, 10, 12)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.003


def test_defaults_are_eight_bits(model, calibration):
    quantized = quantize_model(model, calibration)
    free = {"spline_bits": 12, "base_bits": 12}
    layers = {layer.name: free for layer in quantized.layers if layer.kind == "edge_table"}
    assert quantized.config == QuantConfig(method="uniform", layers=layers)
    assert quantized.n_in == 3
    assert relative_error(model, calibration, QuantConfig()) < 0.05


# --- snapped ratios --------------------------------------------------------------------------


@pytest.mark.parametrize("multiplier_bits", [8, 12, 16, 24])
@pytest.mark.parametrize("weight_bits", [3, 8])
def test_snapping(model, calibration, multiplier_bits, weight_bits):
    config = QuantConfig(
        multiplier_bits=multiplier_bits,
        base_bits=weight_bits,
        spline_bits=weight_bits,
        activation_bits=6,
        realisation="basis_table",
        output_granularity="tensor",
    )
    quantized = quantize_model(model, calibration, config)
    layer, float_layer = quantized.layers[0], model.layers[0]
    grid = quantized.input.grid()
    units = np.stack(
        [
            layer.spline.scale * float_layer.basis(grid).max() / (2**config.basis_bits - 1),
            layer.base.scale
            * np.abs(float_layer.base_activation(grid)).max()
            / (2 ** (config.base_table_bits - 1) - 1),
        ]
    )
    top = 2 ** (multiplier_bits - 1) - 1
    for join in layer.joins:
        ratios = units / join.target.scale
        np.testing.assert_array_less(
            np.abs(join.multipliers / 2.0**join.shift - ratios), 0.5 * 2.0**-join.shift * (1 + 1e-9)
        )
        assert np.abs(join.multipliers).max() <= top
        assert 0 <= join.shift <= 30
        # One bit more would not fit.
        assert join.shift == 30 or ratios.max() * 2.0 ** (join.shift + 1) > top

    # The outputs share the finest scale that the multipliers allow.
    last = quantized.layers[-1].joins[0]
    assert last.shift == 0
    assert len(set(last.scale)) == 1
    assert last.multipliers.max() == top


@pytest.mark.parametrize("branch", ["spline", "base"])
def test_an_empty_branch_does_not_coarsen_the_other(model, calibration, branch):
    small = 1e-4
    first, second = model.layers
    coefficients = first.coefficients * (0 if branch == "spline" else small)
    base_weights = first.base_weights * (0 if branch == "base" else small)
    empty = replace(
        first, coefficients=coefficients, base_weights=base_weights, bias=first.bias * small
    )
    knots = replace(second.basis, knots=second.basis.knots * small)
    behind = replace(second, basis=knots, base_weights=second.base_weights / small)
    config = QuantConfig(realisation="basis_table", activation_bits=10, multiplier_bits=8)
    quantized = quantize_model(KanModel((empty, behind)), calibration, config)
    used = 0 if branch == "base" else 1
    for join in quantized.layers[0].joins:
        assert (join.multipliers[1 - used] == 0).all()
        assert join.multipliers[used].max() >= 64
    assert relative_error(KanModel((empty, behind)), calibration, config) < 0.05


def test_a_pruned_output_does_not_coarsen_the_others(model, calibration):
    first, second = model.layers
    weights = first.coefficients * 1e-4, first.base_weights * 1e-4
    for array in weights:
        array[2] = 0
    pruned = replace(first, coefficients=weights[0], base_weights=weights[1])
    config = QuantConfig(
        realisation="basis_table", activation_granularity="channel", multiplier_bits=8
    )
    join = quantize_model(KanModel((pruned, second)), calibration, config).layers[0].joins[0]
    assert (join.multipliers[:, 2] == 0).all()
    assert join.multipliers.max() >= 64


# --- choices ---------------------------------------------------------------------------------


def test_edge_tables_are_chosen_where_they_are_smaller(make_layer):
    rng = np.random.default_rng(0)
    dense = make_layer(rng, 8, 16)
    config = QuantConfig()
    for address_bits in range(1, 13):
        edge = planned_edge_table_luts(dense, address_bits, 11)
        basis = planned_basis_table_luts(dense, address_bits, config)
        chosen = chosen_realisation(dense, address_bits, 11, config)
        assert chosen == ("edge_table" if edge <= basis else "basis_table")
    assert chosen_realisation(dense, 5, 8, config) == "edge_table"
    assert chosen_realisation(dense, 12, 15, config) == "basis_table"
    for realisation in REALISATIONS:
        forced = QuantConfig(realisation=realisation)
        assert chosen_realisation(dense, 5, 8, forced) == realisation


def test_realisation_may_differ_by_layer(make_layer):
    rng = np.random.default_rng(0)
    model = KanModel((make_layer(rng, 8, 8), make_layer(rng, 8, 16)))
    config = QuantConfig(input_bits=4, activation_bits=12)
    program = lower(quantize_model(model, rng.normal(size=(60, 8)), config))
    assert [layer.kind for layer in program.layers] == ["edge_table", "basis_table"]


@pytest.fixture
def wide(make_layer):
    """A layer that makes values far outside of the support of the next (2.2 or so)."""
    rng = np.random.default_rng(0)
    first = make_layer(rng, 3, 4)
    first = replace(first, base_weights=first.base_weights * 20)
    return KanModel((first, make_layer(rng, 4, 2)))


def streams(model, calibration, **options):
    config = QuantConfig(realisation="basis_table", **options)
    return [len(layer.joins) for layer in quantize_model(model, calibration, config).layers]


def test_branches_are_separated_where_a_shared_code_wastes_steps(wide, calibration):
    assert streams(wide, calibration) == [2, 1]
    assert streams(wide, calibration, branch_inputs="separate") == [2, 1]
    assert streams(wide, calibration, branch_inputs="shared") == [1, 1]
    assert streams(wide, calibration, symmetric_activations=True) == [2, 1]


def test_branches_share_a_code_inside_the_support(model, calibration):
    first, second = model.layers
    tame = replace(
        first, coefficients=first.coefficients / 20, base_weights=first.base_weights / 20
    )
    assert streams(KanModel((tame, second)), calibration) == [1, 1]
    assert streams(KanModel((tame, second)), calibration, branch_inputs="separate") == [2, 1]


def test_separate_codes_help(wide, calibration):
    config = QuantConfig(realisation="basis_table", activation_bits=6)
    shared = relative_error(wide, calibration, replace(config, branch_inputs="shared"))
    assert relative_error(wide, calibration, config) < shared


@pytest.mark.parametrize("branch_inputs", ["auto", "separate"])
def test_no_base_branch_needs_one_code_within_the_support(wide, calibration, branch_inputs):
    first, second = wide.layers
    alone = replace(second, base_weights=np.zeros_like(second.base_weights))
    model = KanModel((first, alone))
    assert streams(model, calibration, branch_inputs=branch_inputs) == [1, 1]
    config = QuantConfig(realisation="basis_table")
    target = quantize_model(model, calibration, config).layers[0].joins[0].target
    support = alone.basis.support
    assert np.ptp(target.grid(), axis=0).max() <= 1.01 * (support[0, 1] - support[0, 0])


def test_edge_tables_read_one_code(wide, calibration):
    config = QuantConfig(realisation="edge_table", branch_inputs="separate")
    assert [len(x.joins) for x in quantize_model(wide, calibration, config).layers] == [1, 1]
