"""Rounding that looks at data, and data that are made up: GPTQ, AWQ, SmoothQuant, ZeroQ."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import kanhw
from kanhw import cli
from kanhw.errors import InputError
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
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.integers.branches import branches_of
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods import METHODS, awq, problem, smoothquant, zeroq
from kanhw.quant.methods.gptq import Columns, gptq_joint_weights, gptq_weights, round_columns
from kanhw.quant.methods.problem import layer_error, real_sums, rounding_problem, walk_layers
from kanhw.quant.methods.scaling import LayerTask
from kanhw.quant.methods.unreached import copy_neighbours, nearest_reached
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.planning.steps import steps_of
from kanhw.quant.realise import Weighted, realise
from kanhw.quant.record.model import QuantBasisTable, QuantConvolution
from kanhw.windows import Window

SILU = Activation("silu")
REALISATIONS = ["edge_table", "basis_table"]
ALL = [*METHODS, "zeroq"]


def layer(rng, basis, n_out, name, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        extra.pop("activation", SILU),
        extra.pop("bias", rng.normal(size=n_out)),
        name,
        **extra,
    )


def norm(rng, n):
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def b_splines(n_in, cells=4, order=3):
    knots = (np.arange(cells + 2 * order + 1) - order) * 4 / cells - 2
    return BSplineBasis(np.tile(knots, (n_in, 1)), order)


def chain(widths, make):
    return KanModel(tuple(make(k, *sizes) for k, sizes in enumerate(pairwise(widths))))


def efficient_kan(rng):
    return chain((3, 4, 2), lambda k, i, o: layer(rng, b_splines(i), o, f"layers.{k}"))


def no_base_weights(rng):
    def make(k, n_in, n_out):
        made = layer(rng, b_splines(n_in), n_out, f"layers.{k}")
        return replace(made, base_weights=np.zeros((n_out, n_in)))

    return chain((3, 4, 2), make)


def fast_kan(rng):
    def make(k, n_in, n_out):
        basis = RadialBasis(np.linspace(-2, 2, 4), 1.2, n_in)
        return layer(rng, basis, n_out, f"layers.{k}", spline_norm=norm(rng, n_in))

    return chain((3, 4, 2), make)


def kagn(rng):
    beta = rng.normal(size=4) * 0.05

    def make(k, n_in, n_out):
        basis = GramBasis(beta, n_in, SILU, constant=False)
        return layer(rng, basis, n_out, f"layers.{k}", post=(norm(rng, n_out), SILU))

    return chain((3, 4, 2), make)


def conv(rng):
    first = Window((1, 4, 4), (3, 3), padding=(1, 1))
    basis = GramBasis(rng.normal(size=3) * 0.05, 9, SILU, constant=True)
    taps = layer(rng, basis, 2, "0", post=(SILU,))
    pool = PoolLayer("max", Window((2, 4, 4), (2, 2), stride=(2, 2)))
    head = layer(rng, NoBasis(8), 3, "head", activation=Activation("identity"))
    return KanModel((ConvLayer(taps, first), pool, head), shape=(1, 4, 4))


def pykan(rng):
    products = Products(2, (2,), rng.normal(size=3) / [2, 2, 4], rng.normal(size=3))
    symbolic = (
        SymbolicEdge(0, 1, "sin", 1.5, 0.2, 0.7, 0.1),
        SymbolicEdge(3, 1, "x^2", 1.0, 0.0, 1.0, 0.0),
    )
    first = layer(rng, b_splines(3), 4, "0", symbolic=symbolic, post=(products,))
    return KanModel((first, layer(rng, b_splines(3), 2, "1")))


MODELS = {
    function.__name__: function
    for function in (efficient_kan, no_base_weights, fast_kan, kagn, conv, pykan)
}


# --- level 1 ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ALL)
def test_codes_are_equal(method, name, realisation):
    rng = np.random.default_rng([ALL.index(method), list(MODELS).index(name)])
    model = MODELS[name](rng)
    data = rng.normal(size=(30, *model.input_shape))
    x = np.concatenate([model.flat(data), rng.normal(0, 5, (20, model.n_in))])
    for bits in (1, 2, 4, 8):
        config = QuantConfig(
            base_bits=bits,
            spline_bits=bits,
            activation_bits=5,
            multiplier_bits=24,
            weight_calibration="max_abs",
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


# --- problems --------------------------------------------------------------------------------


def task_of(model, data, config, index=0):
    """The task of a layer with weights, on the codes of the quantized layers before it."""
    plan = make_plan(model, data, config)
    tasks = []

    def choose(place, step, own):
        made = LayerTask(own, step, plan.consumers[place].sum_inputs(step), config)
        tasks.append(made)
        return Weighted(own.branches, nearest_weights(own.branches, config))

    weighted = walk_layers(plan, model.flat(data), choose)
    return tasks[index], realise(plan, weighted)


def test_problems_are_on_the_codes_of_the_quantized_layers():
    rng = np.random.default_rng(1)
    for name in ("efficient_kan", "fast_kan", "pykan"):
        model = MODELS[name](rng)
        data = rng.normal(size=(40, 3))
        config = QuantConfig(spline_bits=2, base_bits=2, activation_bits=4)
        task, quantized = task_of(model, data, config, -1)
        streams = quantized.activations(data)[-2]
        lowest = [q.format.lo for q in task.inputs.quantizers]
        np.testing.assert_array_equal(task.problem.spline_address, streams[0] - lowest[0])
        np.testing.assert_array_equal(task.problem.base_address, streams[-1] - lowest[-1])


@pytest.mark.parametrize("name", MODELS)
def test_layer_error_is_the_difference_of_the_quantized_sums(name, monkeypatch):
    rng = np.random.default_rng(2)
    model = MODELS[name](rng)
    data = rng.normal(size=(25, *model.input_shape))
    config = QuantConfig(spline_bits=3, base_bits=2, activation_bits=4, realisation="basis_table")
    task, quantized = task_of(model, data, config)
    weights = nearest_weights(task.problem.branches, config)
    place = next(k for k, each in enumerate(quantized.layers) if hasattr(each, "spline"))
    made = quantized.layers[place]
    streams = quantized.activations(model.flat(data))[place]
    lowest = tuple(q.format.lo for q in task.inputs.quantizers)
    sums = made.sums(streams, lowest)
    branches = task.problem.branches
    if isinstance(made, QuantConvolution):
        sums = [s.reshape(25, 2, -1).swapaxes(1, 2).reshape(-1, 2) for s in sums]
    real = sums[0] * weights.spline.scale * branches.spline_unit
    real = real + sums[1] * weights.base.scale * branches.base_unit
    # The right sums by loops: one row, one input, one function at a time.
    right = np.zeros_like(real)
    for m in range(len(right)):
        for i in range(branches.base.shape[0]):
            if task.problem.present is not None and not task.problem.present[m, i]:
                continue
            a, b = task.problem.spline_address[m, i], task.problem.base_address[m, i]
            right[m] += branches.coefficients[:, i] @ branches.spline[i, a]
            right[m] += branches.base_weights[:, i] * branches.base[i, b]
    expected = np.square(real - right).mean(axis=0)
    assert expected.max() > 0
    np.testing.assert_allclose(layer_error(task.problem, weights), expected, rtol=1e-9)
    np.testing.assert_allclose(real_sums(task.problem), right, rtol=1e-9, atol=1e-12)
    again = layer_error(task.problem, weights, right)
    np.testing.assert_allclose(again, expected, rtol=1e-9)
    monkeypatch.setattr(problem, "_CHUNK_VALUES", 64)
    np.testing.assert_allclose(layer_error(task.problem, weights), expected, rtol=1e-9)


def test_layer_error_of_edge_tables():
    rng = np.random.default_rng(3)
    model = efficient_kan(rng)
    data = rng.normal(size=(50, 3))
    config = QuantConfig(
        spline_bits=3, base_bits=3, activation_bits=6, table_bits=16, realisation="edge_table"
    )
    task, quantized = task_of(model, data, config)
    codes = quantized.activations(data)[0]
    made = quantized.layers[0]
    (sums,) = made.sums(codes, (0,))
    join = made.joins[0]
    # The units of a table: those of the next codes over a power of two.
    real = sums * join.target.scale / 2.0**join.shift
    first = model.layers[0]
    right = first.sums(quantized.input.dequantize(codes[0])) - first.bias
    expected = np.square(real - right).mean(axis=0)
    weights = nearest_weights(task.problem.branches, config)
    np.testing.assert_allclose(layer_error(task.problem, weights), expected, rtol=2e-3)


def test_windows_know_which_taps_are_inside():
    rng = np.random.default_rng(4)
    model = conv(rng)
    task, _ = task_of(model, rng.normal(size=(3, 1, 4, 4)), QuantConfig())
    assert task.problem.rows == 3 * 16
    inside = model.layers[0].window.index >= 0
    np.testing.assert_array_equal(task.problem.present, np.tile(inside, (3, 1)))
    features = task.problem.spline_features(slice(0, 16)).reshape(16, 9, -1)
    # The polynomial P_0 is never 0 inside.
    np.testing.assert_array_equal(features[:, :, 0] != 0, inside)


# --- GPTQ ------------------------------------------------------------------------------------


def columns_of(rng, n_out, n, bits):
    weights = rng.normal(size=(n_out, n))
    top = (1 << (bits - 1)) - 1
    scale = np.abs(weights).max(axis=1) / max(top, 1) * rng.uniform(0.6, 1)
    return Columns(weights, np.repeat(scale[:, None], n, axis=1), np.full(n, top))


def nearest(columns):
    relative = np.floor(columns.weights / columns.steps + 0.5)
    codes = relative.clip(-columns.tops, columns.tops)
    return np.where(columns.tops == 0, np.sign(columns.weights), codes)


def objective(columns, codes, hessian):
    errors = codes * columns.steps - columns.weights
    return np.einsum("ji,ik,jk->j", errors, hessian, errors)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_without_correlation_gptq_is_nearest_rounding(bits):
    rng = np.random.default_rng(bits)
    columns = columns_of(rng, 5, 300, bits)
    weights = columns.weights.copy()
    weights[1:3, ::7] = 0
    columns = replace(columns, weights=weights)
    codes = round_columns(columns, np.diag(rng.uniform(0.1, 4, 300)))
    np.testing.assert_array_equal(codes, nearest(columns))


@pytest.mark.parametrize("n", [3, 40, 300])
def test_codes_are_those_of_the_inverse(n):
    rng = np.random.default_rng(n)
    columns = columns_of(rng, 4, n, 4)
    features = rng.normal(size=(2 * n, n)) @ rng.normal(size=(n, n))
    hessian = features.T @ features
    hessian += 0.01 * np.diag(hessian).mean() * np.eye(n)
    # As the paper has it: the rows of the Cholesky factor of the inverse, in the order of columns.
    backwards = hessian[::-1, ::-1]
    upper = np.linalg.cholesky(np.linalg.inv(backwards)).T
    rest = columns.weights[:, ::-1].copy()
    steps, expected = columns.steps[:, ::-1], np.empty((4, n), np.int64)
    for i in range(n):
        expected[:, i] = np.floor(rest[:, i] / steps[:, i] + 0.5).clip(-7, 7)
        error = (rest[:, i] - expected[:, i] * steps[:, i]) / upper[i, i]
        rest[:, i:] -= error[:, None] * upper[i, i:]
    np.testing.assert_array_equal(round_columns(columns, hessian), expected[:, ::-1])


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_lowers_the_objective(bits):
    rng = np.random.default_rng(bits)
    ratios = []
    for _ in range(30):
        columns = columns_of(rng, 4, 40, bits)
        columns.weights[rng.random((4, 40)) < 0.2] = 0
        features = rng.normal(size=(80, 40)) + rng.normal(size=(80, 1))
        hessian = features.T @ features
        codes = round_columns(columns, hessian)
        assert not codes[columns.weights == 0].any()
        ratio = objective(columns, codes, hessian) / objective(columns, nearest(columns), hessian)
        ratios.append(ratio)
    # One row in ten is unlucky; the others gain, and much.
    assert np.mean(np.array(ratios) < 1) > 0.8
    assert np.median(ratios) < 0.7


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_no_output_is_worse_than_with_nearest_codes(name, bits):
    rng = np.random.default_rng(bits)
    gains = []
    for _ in range(4):
        model = MODELS[name](rng)
        config = QuantConfig(spline_bits=bits, base_bits=bits)
        data = rng.normal(size=(60, *model.input_shape))
        task, _ = task_of(model, data, config)
        uniform = layer_error(task.problem, nearest_weights(task.problem.branches, config))
        apart = layer_error(task.problem, gptq_weights(task.problem, config))
        joint = layer_error(task.problem, gptq_joint_weights(task.problem, config))
        assert (apart <= uniform * (1 + 1e-9)).all()
        assert (joint <= apart * (1 + 1e-9)).all()
        gains.append([apart.sum() / uniform.sum(), joint.sum() / uniform.sum()])
    apart, joint = np.mean(gains, axis=0)
    assert apart < (0.9 if bits > 1 else 1)
    assert joint < (0.7 if bits > 1 else 1)


def test_a_base_weight_makes_good_what_a_coefficient_loses():
    # psi is phi: two steps of 1 and 1/4 add up to one of 1/4, if the branches know each other.
    rng = np.random.default_rng(0)
    basis = BSplineBasis(np.array([[-2.0, -1.0, 2.0, 3.0]]), 1)
    model = KanModel(
        (layer(rng, basis, 1, "0", activation=Activation("identity"), bias=np.zeros(1)),)
    )
    task, _ = task_of(model, rng.uniform(-1, 2, (50, 1)), QuantConfig(spline_bits=2, base_bits=2))
    apart = layer_error(task.problem, gptq_weights(task.problem, task.config)).sum()
    joint = layer_error(task.problem, gptq_joint_weights(task.problem, task.config)).sum()
    assert joint <= apart


def test_damping_tends_to_nearest_rounding():
    rng = np.random.default_rng(6)
    model = efficient_kan(rng)
    data = rng.normal(size=(60, 3))
    changed = []
    for damping in (1e-3, 1.0):
        config = QuantConfig(spline_bits=3, base_bits=3, damping=damping, method="gptq")
        codes = quantize_model(model, data, config).layers[0].spline.codes
        uniform = quantize_model(model, data, replace(config, method="uniform"))
        changed.append(int((codes != uniform.layers[0].spline.codes).sum()))
    assert changed[0] > changed[1] > 0


# --- bumps that nothing reaches --------------------------------------------------------------


def narrow_task(method="gptq", local=True):
    """Data on the left half of input 0, all of input 1 and outside the support of input 2."""
    rng = np.random.default_rng(8)
    model = efficient_kan(rng)
    data = rng.uniform(-2, 2, (200, 3))
    data[:, 0] = rng.uniform(-1.9, -1.1, 200)
    data[:, 2] = 9.0
    config = QuantConfig(
        spline_bits=4, base_bits=4, method=method, activation_granularity="channel"
    )
    return task_of(model, data, config)[0], model, data, config


@pytest.mark.parametrize("method", METHODS)
def test_bumps_that_nothing_reaches_copy_their_neighbour(method):
    task, model, data, config = narrow_task(method)
    nearest_k = nearest_reached(task.problem)
    np.testing.assert_array_equal(nearest_k[1:], np.tile(np.arange(7), (2, 1)))
    reached = task.problem.reached()[0]
    assert reached[0, 0] and not reached[0, -1] and reached[1].all() and not reached[2].any()
    highest = np.flatnonzero(reached[0]).max()
    np.testing.assert_array_equal(nearest_k[0], np.minimum(np.arange(7), highest))
    weighted = METHODS[method](task)
    codes = weighted.weights.spline.codes
    assert (codes[:, 0, highest:] == codes[:, 0, highest : highest + 1]).all()
    assert codes[:, 0, : highest + 1].any()
    made = quantize_model(model, data, config).layers[0].spline.codes
    np.testing.assert_array_equal(made, codes)


def test_inputs_without_any_bump_in_reach_keep_the_nearest_codes():
    task, *_, config = narrow_task()
    weights = nearest_weights(task.problem.branches, config)
    copied = copy_neighbours(task.problem, weights, config)
    np.testing.assert_array_equal(copied.spline.codes[:, 1:], weights.spline.codes[:, 1:])
    assert (copied.spline.codes[:, 0] != weights.spline.codes[:, 0]).any()
    np.testing.assert_array_equal(copied.base.codes, weights.base.codes)


def test_of_two_neighbours_the_nearest_and_no_zero_weight_is_given_a_code():
    rng = np.random.default_rng(9)
    made = layer(rng, b_splines(1, cells=8), 2, "0")
    coefficients = made.coefficients.copy()
    coefficients[0, 0, 5] = 0
    model = KanModel((replace(made, coefficients=coefficients),))
    # The outermost cells: bumps 0 to 3 and 7 to 10.
    data = np.concatenate([rng.uniform(-2, -1.6, (50, 1)), rng.uniform(1.6, 1.99, (50, 1))])
    config = QuantConfig(spline_bits=6)
    task, _ = task_of(model, data, config)
    expected = [0, 1, 2, 3, 3, 3, 7, 7, 8, 9, 10]
    np.testing.assert_array_equal(nearest_reached(task.problem), [expected])
    weights = nearest_weights(task.problem.branches, config)
    codes = copy_neighbours(task.problem, weights, config).spline.codes
    np.testing.assert_array_equal(codes[1, 0], weights.spline.codes[1, 0, expected])
    assert codes[0, 0, 5] == 0 and codes[0, 0, 4] == weights.spline.codes[0, 0, 3]


def test_radial_functions_and_symbolic_edges_have_no_neighbours():
    rng = np.random.default_rng(10)
    data = rng.normal(size=(20, 3))
    task, _ = task_of(fast_kan(rng), data, QuantConfig())
    assert task.problem.local == 0
    np.testing.assert_array_equal(nearest_reached(task.problem), np.tile(np.arange(4), (3, 1)))
    task, _ = task_of(pykan(rng), data, QuantConfig(realisation="basis_table"))
    assert task.problem.local == 7 < task.problem.branches.spline.shape[2]


# --- scales ----------------------------------------------------------------------------------


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_without_scales_the_codes_are_those_of_uniform_rounding(monkeypatch, name, realisation):
    rng = np.random.default_rng(11)
    model = MODELS[name](rng)
    data = rng.uniform(-3, 3, size=(200, *model.input_shape))
    config = QuantConfig(spline_bits=3, base_bits=3, realisation=realisation)
    monkeypatch.setattr(awq, "_EXPONENTS", np.zeros(1))
    monkeypatch.setattr(awq, "_SHARES", np.empty(0))
    monkeypatch.setattr(smoothquant, "smooth_scales", lambda task: task.ones())
    task, _ = task_of(model, data, config)
    reached = task.problem.reached()[0][:, : task.problem.local]
    assert reached.all()
    expected = nearest_weights(task.problem.branches, config)
    for method in ("awq", "smoothquant"):
        weighted = METHODS[method](task)
        np.testing.assert_array_equal(weighted.weights.spline.codes, expected.spline.codes)
        np.testing.assert_array_equal(weighted.weights.base.codes, expected.base.codes)
        np.testing.assert_array_equal(weighted.branches.spline, task.problem.branches.spline)


@pytest.mark.parametrize("realisation", REALISATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_scaled_functions_and_weights_are_the_same_layer(name, realisation):
    rng = np.random.default_rng(12)
    model = MODELS[name](rng)
    data = rng.normal(size=(40, *model.input_shape))
    config = QuantConfig(basis_bits=14, base_table_bits=14, realisation=realisation)
    task, _ = task_of(model, data, config)
    shape = task.ones().spline.shape
    spline, base = rng.uniform(0.5, 2, shape), rng.uniform(0.5, 2, shape[0])
    scaled = replace(
        task.problem,
        branches=branches_of(task.step.layer, task.inputs, config, spline, base),
    )
    right = task.right_sums()
    span = np.ptp(right)
    tolerance = 1e-12 if realisation == "edge_table" else 2e-3
    np.testing.assert_allclose(real_sums(scaled), right, atol=tolerance * span)
    expected = task.problem.branches.coefficients * spline
    np.testing.assert_allclose(scaled.branches.coefficients, expected)


@pytest.mark.parametrize("method", ["awq", "smoothquant"])
def test_shared_tables_stay_shared(method):
    rng = np.random.default_rng(13)
    model = efficient_kan(rng)
    data = rng.normal(size=(80, 3)) * [1, 0.3, 2]
    config = QuantConfig(spline_bits=3, base_bits=3, realisation="basis_table", method=method)
    task, _ = task_of(model, data, config)
    assert task.shared() == (True, True)
    branches = METHODS[method](task).branches
    assert np.ptp(branches.spline_scale, axis=0).max() == 0 < np.ptp(branches.spline_scale)
    assert (branches.base_scale == 1).all()
    quantized = quantize_model(model, data, config)
    for each in quantized.layers:
        assert isinstance(each, QuantBasisTable)
        assert (each.basis_tables == each.basis_tables[0]).all()
        assert (each.base_tables == each.base_tables[0]).all()
    own = replace(config, activation_granularity="channel")
    task, _ = task_of(model, data, own)
    assert task.shared() == (False, False)
    edges, _ = task_of(model, data, replace(config, realisation="edge_table"))
    assert edges.shared() == (False, False)
    scales = smoothquant.smooth_scales(edges)
    assert np.ptp(scales.spline, axis=0).max() > 0 and np.ptp(scales.base) > 0


def test_smooth_scales():
    rng = np.random.default_rng(14)
    task, _ = task_of(
        efficient_kan(rng), rng.uniform(-2, 2, (300, 3)), QuantConfig(realisation="edge_table")
    )
    phi = np.abs(task.problem.spline_features(slice(None))).max(axis=0).reshape(3, 7)
    weights = np.abs(task.problem.branches.coefficients).max(axis=0)
    expected = np.sqrt(phi / weights)
    scales = smoothquant.smooth_scales(task).spline
    np.testing.assert_allclose(scales / scales[0, 0], expected / expected[0, 0])
    assert scales.max() * scales.min() == pytest.approx(1)


def test_awq_scales_are_powers_of_means_and_never_worse():
    rng = np.random.default_rng(15)
    for realisation in REALISATIONS:
        config = QuantConfig(spline_bits=3, base_bits=3, realisation=realisation)
        data = rng.normal(size=(200, 3)) * [0.3, 1, 2]
        task, _ = task_of(efficient_kan(rng), data, config)
        right = task.right_sums()
        scales = awq.awq_scales(task, right)
        means = task.means().spline
        reached = means > 0
        assert reached.sum() >= 12
        means, logs = np.log(means[reached]), np.log(scales.spline[reached])
        moved = np.abs(means - means[0]) > 1e-9
        exponents = ((logs - logs[0])[moved]) / (means - means[0])[moved]
        np.testing.assert_allclose(exponents, exponents[0])
        assert 0 < exponents[0] < 1
        assert exponents[0] * 20 == pytest.approx(round(exponents[0] * 20))
        uniform = nearest_weights(task.problem.branches, config)
        before = layer_error(task.problem, uniform, right).sum()
        scaled = task.scaled(scales)
        rounded = nearest_weights(scaled.branches, config)
        middle = layer_error(scaled, rounded, right).sum()
        after = layer_error(scaled, awq.clipped(scaled, task, right), right)
        assert after.sum() < middle < before
        assert (after <= layer_error(scaled, rounded, right)).all()


def test_features_that_are_always_zero_have_no_scale():
    rng = np.random.default_rng(16)
    data = rng.uniform(-2, 2, (100, 3))
    data[:, 1] = 0
    task, *_ = task_of(
        efficient_kan(rng),
        data,
        QuantConfig(realisation="edge_table", activation_granularity="channel"),
    )
    assert task.peaks().base[1] == 0
    assert smoothquant.smooth_scales(task).base[1] == 1
    assert (awq.awq_scales(task, task.right_sums()).base > 0).all()


# --- ZeroQ -----------------------------------------------------------------------------------


def known_of(model):
    steps = steps_of(model)
    return steps, [zeroq._known(step, steps[k - 1] if k else None) for k, step in enumerate(steps)]


def frozen_fast_kan(rng):
    return freeze_norms(fast_kan(rng), rng.normal(size=(30, 3))).model


ZEROQ_MODELS = {**MODELS, "frozen_fast_kan": frozen_fast_kan}


@pytest.mark.parametrize("name", ZEROQ_MODELS)
def test_gradients(name):
    rng = np.random.default_rng(17)
    model = ZEROQ_MODELS[name](rng)
    steps, known = known_of(model)
    assert any(known)
    x, direction = rng.normal(size=(2, 7, model.n_in))
    _, gradient = zeroq._loss(steps, known, x)
    reach = 1e-6
    ahead, behind = (zeroq._loss(steps, known, x + s * reach * direction)[0] for s in (1, -1))
    slope = (ahead - behind) / (2 * reach)
    assert slope != 0
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("name", ZEROQ_MODELS)
def test_synthesised_inputs_meet_the_statistics(name):
    model = ZEROQ_MODELS[name](np.random.default_rng(18))
    made = [zeroq.synthesize_inputs(model, 32, 3, iterations) for iterations in (1, 60)]
    assert made[0].shape == (32, model.n_in)
    losses = [zeroq._loss(*known_of(model), x)[0] for x in made]
    assert losses[1] < 0.8 * losses[0] or losses[1] < 1e-3
    np.testing.assert_array_equal(made[1], zeroq.synthesize_inputs(model, 32, 3, 60))
    assert (made[1] != zeroq.synthesize_inputs(model, 32, 4, 60)).any()


def test_what_is_matched():
    rng = np.random.default_rng(19)
    known = known_of(efficient_kan(rng))[1]
    np.testing.assert_allclose(known[0].mean, np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(known[0].deviation, np.full(3, 4 / np.sqrt(12)))
    model = fast_kan(rng)
    norms = known_of(model)[1]
    assert [each is None for each in norms] == [False, True, False, True]
    np.testing.assert_array_equal(norms[0].mean, model.layers[0].spline_norm.beta)
    np.testing.assert_array_equal(norms[2].deviation, np.abs(model.layers[1].spline_norm.gamma))
    images = known_of(conv(rng))[1]
    assert [each is None for each in images] == [False, True, True]
    assert images[0].function.name == "tanh" and images[0].mean.shape == (1,)
    x = rng.normal(size=(5, 16))
    np.testing.assert_allclose(images[0](x), np.tanh(x), rtol=1e-14)


def test_networks_that_know_nothing_are_given_noise():
    rng = np.random.default_rng(20)
    head = layer(rng, NoBasis(3), 2, "head", activation=Activation("identity"))
    x = zeroq.synthesize_inputs(KanModel((head,)), 500, 0, 10)
    assert abs(x.mean()) < 0.1 and x.std() == pytest.approx(1, abs=0.1)


def test_zeroq_takes_no_data():
    rng = np.random.default_rng(21)
    model = efficient_kan(rng)
    config = QuantConfig(method="zeroq", iterations=5, seed=2)
    with pytest.raises(InputError, match=r"method='zeroq' makes its own .*: pass None"):
        quantize_model(model, np.zeros((3, 3)), config)
    with pytest.raises(InputError, match="at least 2 samples, not 1"):
        zeroq.synthesize_inputs(model, 1)
    with pytest.raises(InputError, match="iterations must be at least 1, not 0"):
        zeroq.synthesize_inputs(model, 8, 0, 0)
    for method in ("uniform", "gptq"):
        with pytest.raises(TypeError, match="Calibration data must be numbers"):
            quantize_model(model, None, QuantConfig(method=method))
    program = kanhw.quantize(model, None, config)
    assert "128 synthesised samples (zeroq)" in program.source
    x = rng.uniform(-1, 1, (20, 3))
    again = lower(quantize_model(model, None, config))
    np.testing.assert_array_equal(again(again.input.encode(x)), program(program.input.encode(x)))
    other = kanhw.quantize(model, None, replace(config, seed=3))
    assert (other.input.scale != program.input.scale).any()


def test_codebooks_and_methods_do_not_mix():
    rng = np.random.default_rng(22)
    config = QuantConfig(method="gptq", realisation="codebook")
    with pytest.raises(InputError, match="edges of a codebook are clustered"):
        quantize_model(efficient_kan(rng), rng.normal(size=(20, 3)), config)


def test_the_command(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    from kanhw.layers import KAN

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(KAN([3, 2]).state_dict(), "model.pt")
    base = ["quantize", "model.pt", "--method", "zeroq", "--iterations", "3", "--out"]
    assert cli.main([*base, "kan.safetensors"]) == 0
    assert "synthesised" in kanhw.program.load_program("kan.safetensors").source
    np.savez("train.npz", x=np.zeros((4, 3)))
    assert cli.main([*base, "other", "--calibration", "train.npz"]) == 2
    assert "no --calibration" in capsys.readouterr().err
    assert cli.main(["quantize", "model.pt", "--method", "gptq", "--out", "other"]) == 2
    assert "pass --calibration DATA.npz" in capsys.readouterr().err


def test_problems_of_two_streams():
    rng = np.random.default_rng(23)
    task, _ = task_of(fast_kan(rng), rng.normal(size=(10, 3)), QuantConfig())
    codes = rng.integers(0, 9, (2, 4, 3)).astype(np.float64)
    made = rounding_problem(task.step, task.problem.branches, (codes[0] - 2, codes[1]), (-2, 0))
    np.testing.assert_array_equal(made.spline_address, codes[0])
    np.testing.assert_array_equal(made.base_address, codes[1])
