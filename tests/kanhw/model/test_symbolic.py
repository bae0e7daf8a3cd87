"""Symbolic edges: values, poles and domains."""

import math

import numpy as np
import pytest
from float_models import b_splines, layer
from hypothesis import given
from hypothesis import strategies as st

import kanhw
from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.model.symbolic import SYMBOLIC_FUNCTIONS, SymbolicEdge, check_symbolic_edges

ONE = (1.0, 0.0, 1.0, 0.0)
PLAIN = {
    "0": lambda x: 0.0,
    "x": lambda x: x,
    **{f"x^{n}": lambda x, n=n: x**n for n in range(2, 6)},
    "1/x": lambda x: 1 / x,
    **{f"1/x^{n}": lambda x, n=n: x**-n for n in range(2, 6)},
    "sqrt": math.sqrt,
    "x^0.5": math.sqrt,
    "x^1.5": lambda x: x**1.5,
    "1/sqrt(x)": lambda x: x**-0.5,
    "1/x^0.5": lambda x: x**-0.5,
    "exp": math.exp,
    "log": math.log,
    "abs": abs,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "tanh": math.tanh,
    "sgn": lambda x: float((x > 0) - (x < 0)),
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "arctanh": math.atanh,
    "gaussian": lambda x: math.exp(-x * x),
}


@given(st.sampled_from(list(PLAIN)), st.floats(0.01, 0.99))
def test_functions(name, x):
    a, b, c, d = 0.5, 0.25, -3.0, 0.75
    edge = SymbolicEdge(0, 0, name, a, b, c, d)
    expected = c * PLAIN[name](a * x + b) + d
    assert edge(np.array([x]))[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_all_functions_are_tested():
    assert set(PLAIN) == set(SYMBOLIC_FUNCTIONS)


@pytest.mark.parametrize(
    ("function", "low", "high", "what"),
    [
        ("1/x", -1, 1, "a pole at x = 0"),
        ("1/x^2", 0, 1, "a pole at x = 0"),
        ("1/x^5", -1, 0, "a pole at x = 0"),
        ("log", 0, 1, "a pole at x = 0"),
        ("log", -3, -2, "no value at x = -2"),
        ("1/sqrt(x)", -1, 1, "a pole at x = 0"),
        ("sqrt", -0.5, 1, "no value at x = -0.5"),
        ("x^1.5", -0.5, 1, "no value at x = -0.5"),
        ("arcsin", -2, 0, "no value at x = -2"),
        ("arccos", 0, 1.5, "no value at x = 1.5"),
        ("arctanh", -1, 0, "a pole at x = -1"),
        ("arctanh", 0, 4, "a pole at x = 1"),
        ("tan", 1, 2, "a pole at x = 1.5708"),
        ("tan", -2, 0, "a pole at x = -1.5708"),
        ("tan", 7, 8, "a pole at x = 7.85398"),
        ("exp", 0, 1000, "no finite value at x = 1000"),
        ("x^5", -1e80, 0, "no finite value at x = -1e.80"),
    ],
)
def test_poles_and_domains_are_named(function, low, high, what):
    edges = (SymbolicEdge(0, 0, "sin", *ONE), SymbolicEdge(3, 1, function, *ONE))
    lows, highs = np.array([0.0, low]), np.array([1.0, high])
    message = rf"act_fun.0: the symbolic edge from input 1 to sum 3 .*{what}, inside its"
    with pytest.raises(InputError, match=message):
        check_symbolic_edges(edges, lows, highs, "act_fun.0")


def test_the_place_is_that_of_the_input():
    edge = SymbolicEdge(0, 0, "1/x", -2.0, 1.0, 1.0, 0.0)
    assert edge.failure(0.0, 1.0) == "a pole at x = 0.5"
    assert edge.failure(0.6, 1.0) is None
    assert SymbolicEdge(0, 0, "log", 0.0, -1.0, 1.0, 0.0).failure(0.0, 1.0) == "no value at x = 0"


@given(
    st.sampled_from(list(SYMBOLIC_FUNCTIONS)),
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.floats(-3, 3),
    st.floats(0.01, 4),
)
def test_what_passes_is_finite_everywhere(function, a, b, low, span):
    edge = SymbolicEdge(0, 0, function, a, b, 1.0, 0.0)
    if edge.failure(low, low + span) is None:
        values = edge(np.linspace(low, low + span, 1001))
        assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [("tan", -1.5, 1.5), ("tan", 1.6, 4.7), ("log", 1e-6, 1), ("arcsin", -1, 1), ("1/x", 0.1, 2)],
)
def test_no_false_alarm(function, low, high):
    assert SymbolicEdge(0, 0, function, *ONE).failure(low, high) is None


def test_refusals():
    with pytest.raises(InputError, match="Edge 1 -> 2: unknown symbolic function 'cosh'"):
        SymbolicEdge(2, 1, "cosh", *ONE)
    with pytest.raises(InputError, match="Edge 1 -> 2: its affine values must be finite"):
        SymbolicEdge(2, 1, "sin", 1.0, math.nan, 1.0, 0.0)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("1/x", "a pole at x = 0"),
        ("log", "a pole at x = 0"),
        ("sqrt", "no value at x = -2"),
        ("x^0.5", "no value at x = -2"),
        ("x^1.5", "no value at x = -2"),
        ("1/sqrt(x)", "a pole at x = 0"),
        ("arcsin", "no value at x = 2"),
        ("arccos", "no value at x = 2"),
        ("arctanh", "a pole at x = 1"),
    ],
)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
def test_data_outside_of_a_domain_name_the_edge(function, what, realisation):
    rng = np.random.default_rng(0)
    edge = SymbolicEdge(1, 0, function, *ONE)
    first = layer(rng, b_splines(2), 2, "act_fun.0", symbolic=(edge,))
    model = KanModel((first, layer(rng, b_splines(2), 1, "act_fun.1")))
    x = np.append(rng.uniform(-2, 2, (50, 2)), [[-2, 0], [2, 0], [0, 0]], axis=0)
    message = rf"act_fun.0: the symbolic edge from input 0 to sum 1 .*{what}, .* range \[-2, 2\]"
    with pytest.raises(InputError, match=message):
        kanhw.quantize(model, x, realisation=realisation)
