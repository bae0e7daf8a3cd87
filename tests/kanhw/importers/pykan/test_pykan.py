"""PyKAN: what its networks compute, knots, columns that prune_input left."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pykan_states import (
    FUNCTIONS,
    WIDTH,
    assert_close,
    forward,
    inputs,
    make_state,
)

import kanhw
from kanhw.errors import InputError
from kanhw.importers.pykan import network as pykan
from kanhw.importers.pykan.network import calibration_data
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.products import Products


@pytest.fixture
def state():
    return make_state(np.random.default_rng(0), WIDTH)


# Fixtures of the library -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pykan_wine", "pykan_formula"])
def test_library_fixtures(shared_folder, name):
    folder = shared_folder / "fixtures" / "kan_libraries" / name
    vectors = np.load(folder / "vectors.npz")
    model = kanhw.load(folder)
    span = np.ptp(vectors["y"])
    for x, y in (("x", "y"), ("x_far", "y_far")):
        assert np.abs(model(vectors[x]) - vectors[y]).max() <= 1e-5 * span
    for path in ("model", "model_state", "model_config.yml", "model_cache_data"):
        np.testing.assert_array_equal(kanhw.load(folder / path)(vectors["x"]), model(vectors["x"]))
    assert "silu (its config)" in model.source
    assert calibration_data(folder).shape == (64, model.n_in)


# Formulas ----------------------------------------------------------------------------------------

widths = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)).map(list), min_size=2, max_size=3)


@given(st.integers(0, 2**32 - 1), widths, st.integers(1, 5), st.integers(1, 4), st.integers(2, 3))
def test_numeric_edges_and_products(seed, width, cells, order, arity):
    rng = np.random.default_rng(seed)
    width[0][1] = 0
    state = make_state(rng, width, arity, cells, order)
    x = inputs(rng, state)
    model = pykan.build(state, {"mult_arity": arity})
    assert_close(model(x), forward(state, x, arities=arity))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["silu", "identity", "zero"]))
def test_base_functions(seed, name):
    rng = np.random.default_rng(seed)
    state = make_state(rng, WIDTH)
    x = inputs(rng, state)
    model = pykan.build(state, {"base_activation": name})
    assert_close(model(x), forward(state, x, activation=name))
    assert name != "zero" or not model.layers[0].base_weights.any()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_symbolic_edges(seed, enabled):
    rng = np.random.default_rng(seed)
    state = make_state(rng, WIDTH)
    names = []
    for layer in range(2):
        mask = state[f"symbolic_fun.{layer}.mask"]
        mask[...] = rng.choice([0.0, 1.0, 0.5], mask.shape)
        names.append(rng.choice(list(FUNCTIONS), mask.shape).tolist())
    x = inputs(rng, state)[5:]
    model = pykan.build(state, {"symbolic_names": names, "symbolic_enabled": enabled})
    assert_close(model(x), forward(state, x, names=names, enabled=enabled))
    dropped = not enabled and any(state[f"symbolic_fun.{k}.mask"].any() for k in range(2))
    assert ("symbolic edges are dropped" in model.source) == dropped


def test_a_masked_symbolic_edge_is_ignored(state):
    names = [[["1/x"] * 3] * 2, [["nobody knows"] * 2] * 2]
    model = pykan.build(state, {"symbolic_names": names})
    assert not any(layer.symbolic for layer in model.layers)


def test_arity_lists():
    rng = np.random.default_rng(1)
    width, arities = [[2, 0], [1, 2], [0, 1]], [[], [2, 3], [4]]
    state = make_state(rng, width, arities)
    x = inputs(rng, state)
    model = pykan.build(state, {"mult_arity": arities})
    assert_close(model(x), forward(state, x, arities=arities))
    assert model.layers[0].post[0].arities == (2, 3)
    text = pykan.build(state, {"mult_arity": json.dumps(arities)})
    np.testing.assert_array_equal(text(x), model(x))


def test_the_default_arity_is_said():
    state = make_state(np.random.default_rng(1), [[2, 0], [1, 1]])
    model = pykan.build(state, {})
    assert isinstance(model.layers[0].post[0], Products)
    assert "mult_arity 2 in act_fun.0 (the library's default)" in model.source
    assert "silu (the library's default)" in model.source


# Knots -------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 4))
def test_repeated_knots_follow_the_library(seed, cells, order):
    rng = np.random.default_rng(seed)
    state = make_state(rng, WIDTH, cells=cells, order=order, repeat=True)
    x = inputs(rng, state)
    model = pykan.build(state, {})
    assert isinstance(model.layers[0].basis, RepeatedKnotBasis)
    assert "knots repeat" in model.source
    assert_close(model(x), forward(state, x))


def test_a_constant_feature_has_no_splines(state):
    state["act_fun.0.grid"][1] = 0.5
    x = inputs(np.random.default_rng(0), state)
    model = pykan.build(state, {})
    assert isinstance(model.layers[0].basis, BSplineBasis)
    assert not model.layers[0].coefficients[:, 1].any()
    assert "all knots of input 1 are alike" in model.source
    assert_close(model(x), forward(state, x))


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_repeated_knot_basis_is_cox_de_boor_elsewhere(seed, order):
    rng = np.random.default_rng(seed)
    knots = np.sort(rng.normal(0, 1, (2, 2 * order + 4)), axis=1)
    x = rng.normal(0, 2, (30, 2))
    general, strict = RepeatedKnotBasis(knots, order), BSplineBasis(knots, order)
    np.testing.assert_allclose(general(x), strict(x), atol=1e-9)
    np.testing.assert_array_equal(general.evaluate_input(1, x[:, 1]), general(x)[:, 1])
    assert (general.n_in, general.count, general.spare) == (2, strict.count, strict.spare)
    np.testing.assert_array_equal(general.support, strict.support)


@pytest.mark.parametrize(
    ("knots", "order", "error", "message"),
    [
        ([[0, 1, 2, 3]], 0, InputError, "order p of at least 1"),
        ([[0, 1, 2]], 1, InputError, "2 p . 2 knots"),
        ([[0, 2, 1, 3]], 1, InputError, "Input 0 has decreasing knots"),
        ([[0, 1, 2, 3]], 1.0, TypeError, "order must be an integer"),
    ],
)
def test_repeated_knot_basis_refuses(knots, order, error, message):
    with pytest.raises(error, match=message):
        RepeatedKnotBasis(np.array(knots, float), order)


# Columns that prune_input left -------------------------------------------------------------------


@pytest.mark.parametrize("given_ids", [[4, 0, 2], "4,0,2", "[4, 0, 2]", np.array([4, 0, 2])])
def test_input_ids_read_the_columns_of_the_data(state, given_ids):
    x = np.random.default_rng(0).normal(0, 1, (20, 5))
    model = pykan.build(state, {"input_ids": given_ids})
    assert model.n_in == 5
    assert_close(model(x), forward(state, x[:, [4, 0, 2]]))
    wider = pykan.build(state, {"input_ids": given_ids, "n_features": "7"})
    assert_close(wider(np.pad(x, ((0, 0), (0, 2)))), model(x))
    assert not model.layers[0].active[:, [1, 3]].any()


def test_input_ids_move_symbolic_edges_and_repeated_knots():
    state = make_state(np.random.default_rng(0), WIDTH, repeat=True)
    state["symbolic_fun.0.mask"][1, 2] = 1.0
    names = [[["sin"] * 3] * 2, [["0"] * 2] * 2]
    x = np.random.default_rng(0).normal(0, 1, (20, 5))
    model = pykan.build(state, {"input_ids": [4, 0, 2], "symbolic_names": names})
    assert_close(model(x), forward(state, x[:, [4, 0, 2]], names=names))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_ids": [0, 1]}, "names 2 columns, but 'act_fun.0' takes 3"),
        ({"input_ids": [0, 0, 1]}, "input_ids must be the numbers of the columns"),
        ({"input_ids": "a,b"}, "input_ids must be the numbers of the columns"),
        ({"input_ids": [0, 1, -2]}, "input_ids must be the numbers of the columns"),
        ({"input_ids": []}, "input_ids must be the numbers of the columns"),
        ({"n_features": 4}, "n_features=4 needs input_ids"),
        ({"n_features": 2, "input_ids": [0, 1, 2]}, "n_features=2 needs input_ids"),
        ({"n_features": 0, "input_ids": [0, 1, 2]}, "n_features must be a positive integer"),
        ({"symbolic_enabled": "maybe"}, "symbolic_enabled must be true or false, not 'maybe'"),
        ({"symbolic_names": "sin"}, "symbolic_names must be lists of function names"),
        ({"mult_arity": [2]}, "mult_arity must be an integer or a list of lists"),
        ({"mult_arity": [[], [2], []]}, "2 nodes of 2 sums, but mult_arity gives it products of"),
        ({"mult_arity": [[]]}, "mult_arity has lists for 1 layers of nodes"),
        ({"layers": "head"}, "layers='head' names no network"),
        ({"base_activation": "swish"}, "Unknown base activation 'swish'"),
    ],
)
def test_wrong_options(state, options, message):
    with pytest.raises(InputError, match=message):
        pykan.build(state, options)


def test_options_of_wrong_types(state):
    with pytest.raises(TypeError, match="option layers must be a string"):
        pykan.build(state, {"layers": 3})
