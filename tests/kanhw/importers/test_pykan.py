"""PyKAN checkpoints against a plain evaluation of the library's formulas, and every refusal."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanhw
from kanhw.errors import InputError
from kanhw.importers.pykan import network as pykan
from kanhw.importers.pykan.network import calibration_data
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.products import Products

torch = pytest.importorskip("torch")

SILU = "silu"
FUNCTIONS = {
    "x^2": lambda x: x * x,
    "sin": np.sin,
    "gaussian": lambda x: np.exp(-x * x),
    "0": lambda x: 0 * x,
    "abs": np.abs,
}


# An independent evaluation -----------------------------------------------------------------------


def splines(x, knots, order):
    """pykan's B_batch, line by line: nan_to_num of the sum at every degree."""
    x, t = x[:, :, None], knots[None]
    value = ((x >= t[..., :-1]) & (x < t[..., 1:])).astype(float)
    with np.errstate(all="ignore"):
        for k in range(1, order + 1):
            left = (x - t[..., : -(k + 1)]) / (t[..., k:-1] - t[..., : -(k + 1)])
            right = (t[..., k + 1 :] - x) / (t[..., k + 1 :] - t[..., 1:-k])
            value = np.nan_to_num(left * value[..., :-1] + right * value[..., 1:])
    return value


def base(name, x):
    with np.errstate(over="ignore"):
        return {"silu": x / (1 + np.exp(-x)), "identity": x, "zero": 0 * x}[name]


def forward(state, x, *, activation=SILU, arities=2, names=None, enabled=True):
    for layer in range(sum(key.endswith(".coef") for key in state)):
        act = {key: state[f"act_fun.{layer}.{key}"] for key in ("grid", "coef", "mask")}
        a, s = state[f"act_fun.{layer}.scale_base"], state[f"act_fun.{layer}.scale_sp"]
        order = act["grid"].shape[1] - act["coef"].shape[2] - 1
        curve = np.einsum("nik,iok->nio", splines(x, act["grid"], order), act["coef"])
        u = (act["mask"] * (a * base(activation, x)[:, :, None] + s * curve)).sum(1)
        if enabled and names is not None:
            mask, affine = (state[f"symbolic_fun.{layer}.{key}"] for key in ("mask", "affine"))
            for j, i in np.argwhere(mask != 0):
                b = affine[j, i]
                inner = FUNCTIONS[names[layer][j][i]](b[0] * x[:, i] + b[1])
                u[:, j] += mask[j, i] * (b[2] * inner + b[3])
        u = state[f"subnode_scale_{layer}"] * u + state[f"subnode_bias_{layer}"]
        nodes = len(state[f"node_bias_{layer}"])
        groups = arities[layer + 1] if isinstance(arities, list) else None
        if groups is None:
            groups = [arities] * ((u.shape[1] - nodes) // (arities - 1))
        start = nodes - len(groups)
        v = [u[:, n] for n in range(start)]
        for arity in groups:
            v.append(np.prod(u[:, start : start + arity], axis=1))
            start += arity
        x = state[f"node_scale_{layer}"] * np.stack(v, 1) + state[f"node_bias_{layer}"]
    return x


def extended(inner, order):
    h = (inner[:, -1:] - inner[:, :1]) / (inner.shape[1] - 1)
    for _ in range(order):
        inner = np.concatenate([inner[:, :1] - h, inner, inner[:, -1:] + h], axis=1)
    return inner


def make_state(rng, width, arities=2, cells=3, order=3, *, repeat=False):
    """A random state_dict; width as pykan's, with [sums, products]."""
    state = {}
    for layer, (before, after) in enumerate(pairwise(width)):
        n_in, nodes = sum(before), sum(after)
        groups = arities[layer + 1] if isinstance(arities, list) else [arities] * after[1]
        sums = after[0] + sum(groups)
        inner = np.sort(rng.normal(0, 1, (n_in, cells + 1)), axis=1)
        if repeat:
            inner[:, 1] = inner[:, 2]
        knots = extended(inner, order)
        act = {
            "grid": knots,
            "coef": rng.normal(0, 1, (n_in, sums, cells + order)),
            "mask": rng.choice([0.0, 1.0, 0.3], (n_in, sums)),
            "scale_base": rng.normal(0, 1, (n_in, sums)),
            "scale_sp": rng.normal(0, 1, (n_in, sums)),
        }
        state |= {f"act_fun.{layer}.{name}": value for name, value in act.items()}
        state[f"symbolic_fun.{layer}.mask"] = np.zeros((sums, n_in))
        state[f"symbolic_fun.{layer}.affine"] = rng.normal(0, 1, (sums, n_in, 4))
        for name, size in (("node", nodes), ("subnode", sums)):
            state[f"{name}_scale_{layer}"] = rng.normal(1, 0.3, size)
            state[f"{name}_bias_{layer}"] = rng.normal(0, 0.3, size)
    return state


def inputs(rng, state, rows=40):
    """Inside, far outside, and exactly on knots."""
    knots = state["act_fun.0.grid"]
    x = rng.normal(0, 1.5, (rows, len(knots)))
    x[:5] *= 20
    hits = rng.integers(0, knots.shape[1], (8, len(knots)))
    return np.concatenate([x, knots[np.arange(len(knots)), hits]])


def assert_close(actual, expected):
    scale = max(float(np.ptp(expected)), 1e-3)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-10 * scale + 1e-12)


WIDTH = [[3, 0], [2, 0], [2, 0]]


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
    model = pykan.build(inside | {"stem.weight": np.ones((2, 2))}, {})
    assert_close(model(x), forward(state, x))
    assert "not loaded: 1 tensors outside of 'head.kan'" in model.source
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


# Files -------------------------------------------------------------------------------------------

CONFIG = """\
affine_trainable: false
base_fun_name: {base}
ckpt_path: ./model
grid: 3
mult_arity: 2
symbolic.funs_name.0:
- - sin
  - '0'
  - '0'
- - '0'
  - '0'
  - 1/x
symbolic.funs_name.1:
- - '0'
  - '0'
- - '0'
  - '0'
symbolic_enabled: {enabled}
width:
- - 3
  - 0
- - 2
  - 0
- - 2
  - 0
"""
MODULE = """!!python/object:torch.nn.modules.activation.SiLU
  _buffers: {}
  _forward_hooks: !!python/object/apply:collections.OrderedDict
  - []
  inplace: false"""


def save(prefix, state, *, base="silu", enabled="true", batch=None):
    Path(f"{prefix}_config.yml").write_text(CONFIG.format(base=base, enabled=enabled))
    torch.save({name: torch.tensor(value) for name, value in state.items()}, f"{prefix}_state")
    torch.save(None if batch is None else torch.tensor(batch), f"{prefix}_cache_data")


def test_the_config_tells_names(tmp_path, state):
    state["symbolic_fun.0.mask"][0, 0] = 0.5
    save(tmp_path / "0.1", state)
    model = kanhw.load(tmp_path / "0.1")
    assert [edge.function for edge in model.layers[0].symbolic] == ["sin"]
    assert model.source == "0.1: PyKAN, 2 layers; base_activation silu (its config)"
    np.testing.assert_array_equal(kanhw.load(tmp_path)(np.ones((1, 3))), model(np.ones((1, 3))))


def test_speed_mode_drops_symbolic_edges(tmp_path, state):
    state["symbolic_fun.0.mask"][0, 0] = 1.0
    save(tmp_path / "model", state, enabled="false")
    model = kanhw.load(tmp_path)
    x = np.random.default_rng(0).normal(0, 1, (9, 3))
    assert_close(model(x), forward(state, x))
    assert "WARNING: symbolic_fun.0: 1 symbolic edges are dropped" in model.source


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (MODULE, "silu"),
        ("!!python/object:torch.nn.modules.linear.Identity", "identity"),
        ("!!python/object:torch.nn.modules.activation.Tanh", "tanh"),
        ("!!python/name:kan.MultKAN.%3Clambda%3E ''", "zero"),
        ("!!python/name:torch.tanh ''", "tanh"),
    ],
)
def test_base_functions_that_prune_input_leaves(tmp_path, state, tag, name):
    save(tmp_path / "model", state, base=tag)
    model = kanhw.load(tmp_path)
    assert model.layers[0].base_activation.name == name
    assert "looks like prune_input's" in model.source
    assert "prune_input" not in kanhw.load(tmp_path, input_ids=[0, 1, 4]).source


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/name:torch.sin ''",
        "!!python/name:__main__.silu ''",
        "!!python/object:torch.nn.modules.activation.GELU\n  approximate: tanh",
    ],
)
def test_base_functions_without_an_equal(tmp_path, state, tag):
    save(tmp_path / "model", state, base=tag)
    with pytest.raises(InputError, match=r"base_fun_name is the Python object .!!py.* no equal"):
        kanhw.load(tmp_path)
    model = kanhw.load(tmp_path, base_activation="relu")
    assert "base_activation relu (as told)" in model.source


def test_options_must_not_contradict_the_config(tmp_path, state):
    save(tmp_path / "model", state)
    with pytest.raises(InputError, match="base_activation='identity' contradicts the config"):
        kanhw.load(tmp_path, base_activation="identity")
    with pytest.raises(InputError, match="symbolic_enabled=False contradicts the config"):
        kanhw.load(tmp_path, symbolic_enabled="false")
    with pytest.raises(InputError, match="PyKAN takes no option 'stride'"):
        kanhw.load(tmp_path, stride=1)


def test_the_config_beside_it_may_hold_input_ids(tmp_path, state):
    save(tmp_path / "model", state)
    (tmp_path / "config.json").write_text('{"library": "pykan", "input_ids": [3, 0, 1]}')
    assert kanhw.load(tmp_path).n_in == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mult_arity: much\n", "The config's mult_arity must be an integer"),
        ("symbolic_enabled: maybe\n", "The config's symbolic_enabled must be true or false"),
        ("symbolic.funs_name.0: none\n", "symbolic.funs_name.. must be lists of function names"),
    ],
)
def test_damaged_configs(tmp_path, state, text, message):
    save(tmp_path / "model", state)
    (tmp_path / "model_config.yml").write_text(text)
    with pytest.raises(InputError, match=message):
        kanhw.load(tmp_path)


def test_a_config_that_is_no_text(tmp_path, state):
    save(tmp_path / "model", state)
    (tmp_path / "model_config.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"model_config.yml cannot be read"):
        kanhw.load(tmp_path)


def test_files_that_belong_together(tmp_path, state):
    save(tmp_path / "model", state)
    save(tmp_path / "0.0", state)
    with pytest.raises(InputError, match=r"several PyKAN networks \(0.0, model\): name one"):
        kanhw.load(tmp_path)
    (tmp_path / "model").mkdir()  # pykan's history lies in a folder of this name
    assert kanhw.load(tmp_path / "model").n_in == 3
    (tmp_path / "model").rmdir()
    (tmp_path / "model_state").unlink()
    with pytest.raises(InputError, match="model_state is missing"):
        kanhw.load(tmp_path / "model")
    (tmp_path / "1.0_state").write_bytes((tmp_path / "0.0_state").read_bytes())
    with pytest.raises(InputError, match=r"1.0_config.yml is missing: .*suffix .pt"):
        kanhw.load(tmp_path / "1.0_state")
    (tmp_path / "0.0_state").write_bytes(b"")
    with pytest.raises(InputError, match=r"0.0_state is empty"):
        kanhw.load(tmp_path / "0.0")


def test_a_plain_state_dict(tmp_path, state):
    path = tmp_path / "kan.pt"
    torch.save({name: torch.tensor(value) for name, value in state.items()}, path)
    x = np.random.default_rng(0).normal(0, 1, (9, 3))
    assert_close(kanhw.load(path)(x), forward(state, x))
    assert calibration_data(path) is None


# Calibration data --------------------------------------------------------------------------------


def test_the_cached_batch(tmp_path, state):
    batch = np.random.default_rng(0).normal(0, 1, (7, 3))
    save(tmp_path / "model", state, batch=batch)
    np.testing.assert_array_equal(calibration_data(tmp_path / "model_state"), batch)
    columns = calibration_data(tmp_path, input_ids="4,0,2", layers=None)
    np.testing.assert_array_equal(columns[:, [4, 0, 2]], batch)
    assert columns.shape == (7, 5)
    save(tmp_path / "model", state)
    assert calibration_data(tmp_path) is None
    (tmp_path / "model_cache_data").unlink()
    assert calibration_data(tmp_path) is None


def test_the_batch_from_before_prune_input(tmp_path, state):
    batch = np.random.default_rng(0).normal(0, 1, (7, 6))
    save(tmp_path / "model", state, batch=batch)
    found = calibration_data(tmp_path, input_ids=[0, 2, 3])
    np.testing.assert_array_equal(found, batch[:, :4])
    with pytest.raises(InputError, match="samples of 6 features, but the network takes 3"):
        calibration_data(tmp_path)


def test_batches_that_are_none(tmp_path, state):
    save(tmp_path / "model", state, batch=np.ones(3))
    with pytest.raises(InputError, match="must hold a batch"):
        calibration_data(tmp_path)
    (tmp_path / "model_cache_data").write_bytes(b"nothing")
    with pytest.raises(InputError, match="model_cache_data is damaged"):
        calibration_data(tmp_path)
