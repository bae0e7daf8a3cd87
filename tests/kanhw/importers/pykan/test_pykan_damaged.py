"""PyKAN: damaged state_dicts, networks inside others, the layout of v0.0.x."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pykan_states import (
    SILU,
    WIDTH,
    assert_close,
    base,
    extended,
    forward,
    inputs,
    make_state,
    splines,
)

from kanhw.errors import InputError
from kanhw.importers.pykan import network as pykan


@pytest.fixture
def state():
    return make_state(np.random.default_rng(0), WIDTH)


# Damaged state_dicts -----------------------------------------------------------------------------


def broken(name, change):
    def apply(state):
        state[name] = change(state[name])

    return apply


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda s: s.pop("act_fun.0.mask"), "'act_fun.0.mask' is missing"),
        (lambda s: s.pop("node_bias_1"), "'node_bias_1' is missing"),
        (lambda s: s.pop("act_fun.0.coef"), "do not count from 0"),
        (lambda s: s.update({"base_fun.weight": np.ones(1)}), "parameters of its own"),
        (lambda s: s.update({"extra": np.ones(1)}), "'extra' is none of PyKAN's"),
        (broken("act_fun.0.coef", lambda a: a * np.nan), "'act_fun.0.coef' holds NaN"),
        (broken("act_fun.0.mask", lambda a: a.T), "'act_fun.0.mask' must have shape .3, 2."),
        (broken("act_fun.0.grid", lambda a: a[:, :6]), "'act_fun.0.grid' has 6 knots"),
        (broken("act_fun.0.grid", lambda a: a[:, ::-1]), "'act_fun.0.grid': .*decreasing"),
        (broken("symbolic_fun.1.affine", lambda a: a[..., :3]), "'symbolic_fun.1.affine' must"),
        (broken("subnode_scale_0", lambda a: a[:1]), "'subnode_scale_0' must have shape"),
    ],
)
def test_damaged_tensors_are_named(state, harm, message):
    harm(state)
    with pytest.raises(InputError, match=message):
        pykan.build(state, {})


def test_layers_that_do_not_fit(state):
    other = make_state(np.random.default_rng(0), [[3, 0], [3, 0]])
    state |= other
    with pytest.raises(InputError, match=r"'act_fun.0' has 3 nodes but 'act_fun.1' takes 2"):
        pykan.build(state, {})


def test_products_that_the_arity_cannot_make():
    state = make_state(np.random.default_rng(0), [[2, 0], [1, 1]], 2)
    with pytest.raises(InputError, match=r"2 nodes of 3 sums, which products of 3 .*mult_arity"):
        pykan.build(state, {"mult_arity": 3})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "input 2 to sum 1 of 'symbolic_fun.0' is in use, but .*saveckpt"),
        ([[["anonymous"] * 3] * 2], "input 2 to sum 1 of 'symbolic_fun.0' is a function of your"),
        ([[["bessel"] * 3] * 2], "input 2 to sum 1 of 'symbolic_fun.0' is the function 'bessel'"),
        ([[["sin"] * 2] * 2], "symbolic names of layer 0 must be 2 lists .* of 3 names"),
    ],
)
def test_symbolic_edges_that_cannot_be_read(state, names, message):
    state["symbolic_fun.0.mask"][1, 2] = 1.0
    with pytest.raises(InputError, match=message):
        pykan.build(state, {"symbolic_names": names})


def test_a_network_inside_another_module(state):
    inside = {f"head.kan.{name}": value for name, value in state.items()}
    x = inputs(np.random.default_rng(0), state)
    stem = {"stem.weight": np.ones((2, 2))}
    with pytest.raises(InputError, match=r"1 tensor \(stem\.weight\) .*layers='head\.kan'"):
        pykan.build(inside | stem, {})
    model = pykan.build(inside | stem, {"layers": "head.kan"})
    assert_close(model(x), forward(state, x))
    assert "not loaded, as told: 1 tensor (stem.weight)" in model.source
    both = inside | {f"other.{name}": value for name, value in state.items()}
    with pytest.raises(InputError, match=r"several networks: 'head.kan' .2 layers., 'other'"):
        pykan.build(both, {})
    assert_close(pykan.build(both, {"layers": "other"})(x), forward(state, x))


# The layout of v0.0.x ----------------------------------------------------------------------------


def old_state(rng, width, cells=4, order=3):
    state = {}
    for layer, (n_in, n_out) in enumerate(pairwise(width)):
        inner = np.sort(rng.normal(0, 1, (n_in, cells + 1)), axis=1)
        edges = n_in * n_out
        state |= {
            f"act_fun.{layer}.grid": np.tile(inner, (n_out, 1)),
            f"act_fun.{layer}.coef": rng.normal(0, 1, (edges, cells + order)),
            f"act_fun.{layer}.mask": rng.choice([0.0, 1.0], edges),
            f"act_fun.{layer}.scale_base": rng.normal(0, 1, edges),
            f"act_fun.{layer}.scale_sp": rng.normal(0, 1, edges),
            f"symbolic_fun.{layer}.mask": np.zeros((n_out, n_in)),
            f"symbolic_fun.{layer}.affine": np.zeros((n_out, n_in, 4)),
            f"biases.{layer}.weight": rng.normal(0, 1, (1, n_out)),
        }
    return state


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4))
def test_old_layout(seed, cells, order):
    rng = np.random.default_rng(seed)
    width = [2, 3, 1]
    state = old_state(rng, width, cells, order)
    x = rng.normal(0, 2, (30, 2))
    expected = x
    for layer, (n_in, n_out) in enumerate(pairwise(width)):
        act = {key: state[f"act_fun.{layer}.{key}"] for key in ("grid", "coef", "mask")}
        a, s = state[f"act_fun.{layer}.scale_base"], state[f"act_fun.{layer}.scale_sp"]
        y = np.repeat(state[f"biases.{layer}.weight"], len(x), axis=0)
        for j in range(n_out):
            for i in range(n_in):
                r = j * n_in + i
                knots = extended(act["grid"][r : r + 1], order)
                curve = splines(expected[:, i : i + 1], knots, order)[:, 0] @ act["coef"][r]
                edge = a[r] * base(SILU, expected[:, i]) + s[r] * curve
                y[:, j] += act["mask"][r] * edge
        expected = y
    model = pykan.build(state, {})
    assert_close(model(x), expected)
    assert "v0.0.x" in model.source


def test_old_layout_refuses():
    state = old_state(np.random.default_rng(0), [2, 3])
    state["act_fun.0.grid"][0, 1] += 0.01
    with pytest.raises(InputError, match="other knots for other outputs of input 0"):
        pykan.build(state, {})
    state["act_fun.0.grid"][...] = 1.0
    with pytest.raises(InputError, match=r"'act_fun.0.grid': Input 0 has the knot 1 twice"):
        pykan.build(state, {})
    state["act_fun.0.coef"] = state["act_fun.0.coef"][:, :4]
    with pytest.raises(InputError, match="5 and 4 columns"):
        pykan.build(state, {})
