"""Trainable PyKAN networks: their float record and back, symbolic edges, grids and refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import PyKAN, PyKANLayer
from kanhw.layers.pykan import FUNCTIONS
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.model.symbolic import SYMBOLIC_FUNCTIONS, SymbolicEdge

SETTINGS = [
    {"width": [3, 2, 1]},
    {"width": [3, [2, 1], [1, 1], 2], "mult_arity": 3, "base_fun": "identity"},
    {"width": [2, [0, 2], 1], "mult_arity": [[], [2, 3], []], "grid": [2, 5], "k": [1, 4]},
    {"width": [[2, 0], [1, 0]], "base_fun": "zero", "grid_range": (-3, 2)},
]


def network(**settings):
    """A network in float64 none of whose parameters is at its first value."""
    torch.manual_seed(0)
    made = PyKAN(**settings).double()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "node" in name or name.endswith("scale_sp"):
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return made


def points(made, rows=50):
    return torch.randn(rows, made.width[0][0], dtype=torch.float64) * 1.5


def outputs(made, x):
    with torch.no_grad():
        return made(x).numpy()


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_record_computes_the_same(settings):
    made = network(**settings)
    x = points(made)
    np.testing.assert_allclose(made.to_model()(x.numpy()), outputs(made, x), atol=1e-11)


@pytest.mark.parametrize("settings", SETTINGS)
def test_back_from_the_record(settings):
    model = network(**settings).to_model()
    again = PyKAN.from_model(model)
    x = points(again, 200)
    y = model(x.numpy())
    np.testing.assert_allclose(outputs(again, x.float()), y, atol=1e-4 * np.ptp(y))


def test_every_symbolic_function_is_the_records():
    assert list(FUNCTIONS) == list(SYMBOLIC_FUNCTIONS)
    x = np.linspace(0.05, 0.95, 40)
    for name, function in FUNCTIONS.items():
        np.testing.assert_allclose(
            function(torch.tensor(x)).numpy(), SYMBOLIC_FUNCTIONS[name](x), rtol=1e-12
        )


def test_symbolic_edges():
    made = network(width=[2, [1, 1], 1])
    made.fix_symbolic(0, 1, 2, "sin", (2.0, 0.5, 3.0, -1.0))
    made.fix_symbolic(1, 0, 0, "x^3")
    x = points(made)
    model = made.to_model()
    assert [edge.function for layer in model.layers for edge in layer.symbolic] == ["sin", "x^3"]
    np.testing.assert_allclose(model(x.numpy()), outputs(made, x), atol=1e-10)
    again = PyKAN.from_model(model).double()
    np.testing.assert_allclose(outputs(again, x), outputs(made, x), atol=1e-4)
    made.symbolic_enabled = False
    np.testing.assert_allclose(made.to_model()(x.numpy()), outputs(made, x), atol=1e-11)


def test_gradients_reach_all_parameters_that_train():
    made = network(width=[2, [1, 1], 1], affine_trainable=True)
    made.fix_symbolic(0, 0, 0, "gaussian")
    with torch.no_grad():
        made.act_fun[0].grid[1, 3:6] = 0.0  # repeated knots
    made(points(made)).square().sum().backward()
    for name, parameter in made.named_parameters():
        if parameter.requires_grad and name != "symbolic_fun.1.affine":  # has no edge in use
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert not made.act_fun[0].grid.requires_grad


@given(st.integers(0, 2**32 - 1))
def test_new_grids_keep_the_function(seed):
    torch.manual_seed(seed)
    # Straight lines stay what they are on any knots.
    made = PyKAN([2, 1], grid=6, k=1, grid_range=(-8, 8)).double()
    with torch.no_grad():
        knots = made.act_fun[0].grid[:, 1:-1]
        made.act_fun[0].coef[:, 0] = 3 * knots + 1
    x = points(made)
    before = outputs(made, x)
    made.update_grid(x)
    steps = made.act_fun[0].grid.diff(dim=1)
    assert (steps > 0).all() and steps.max() > 1.5 * steps.min()
    # The largest sample lies at the open end of the last cell, in the first of the extension.
    np.testing.assert_allclose(outputs(made, x), before, atol=1e-6 * np.ptp(before))


def test_a_constant_feature_gets_no_splines():
    made = network(width=[2, 2])
    x = points(made)
    x[:, 1] = 0.25
    made.update_grid(x)
    model = made.to_model()
    assert not model.layers[0].coefficients[:, 1].any()
    np.testing.assert_allclose(model(x.numpy()), outputs(made, x), atol=1e-10)


def test_training_reduces_the_loss():
    torch.manual_seed(0)
    made = PyKAN([2, [1, 1], 1], grid=5)
    x = torch.rand(200, 2) * 2 - 1
    target = x[:, :1] * x[:, 1:]
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    losses = []
    for step in range(60):
        if step == 10:
            made.update_grid(x)
        optimizer.zero_grad()
        loss = (made(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_the_librarys_fixture_loads(shared_folder):
    folder = shared_folder / "fixtures" / "kan_libraries" / "pykan_wine"
    made = PyKAN([13, 4, 3], grid=5)
    state = torch.load(folder / "model_state", weights_only=True)
    made.load_state_dict(state, strict=True)
    assert [*made.state_dict()] == [*state]
    vectors = np.load(folder / "vectors.npz")
    for x, y in (("x", "y"), ("x_far", "y_far")):
        error = np.abs(outputs(made, torch.tensor(vectors[x])) - vectors[y]).max()
        assert error <= 1e-5 * np.ptp(vectors["y"])
    again = PyKAN.from_model(load_model(folder))
    np.testing.assert_allclose(
        outputs(again, torch.tensor(vectors["x"])), vectors["y"], atol=1e-5 * np.ptp(vectors["y"])
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": [2]}, "width must hold at least two layers"),
        ({"width": [[2, 1], 1]}, "the first without products"),
        ({"width": [2, [0, 0]]}, "width must be a count, or .sums, products."),
        ({"width": [2, [1, 1], 1], "mult_arity": 1}, "2 sums each, not 1"),
        ({"width": [2, [1, 1], 1], "mult_arity": [[], []]}, "1 products of layer 1"),
        ({"width": [2, 1], "grid": [3, 3]}, "grid must be one number, or 1 of them"),
        ({"width": [2, 1], "k": 0}, "k must be at least 1"),
        ({"width": [2, 1], "base_fun": "tanh"}, "base_fun must be one of silu, identity, zero"),
        ({"width": [2, 1], "grid_range": (1, 1)}, "grid_range must be two rising finite"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        PyKAN(**settings)


def test_wrong_inputs_and_functions():
    made = PyKAN([2, 1])
    with pytest.raises(InputError, match=r"PyKAN takes inputs \[N, 2\], not \[4, 3\]"):
        made(torch.zeros(4, 3))
    with pytest.raises(InputError, match="Unknown symbolic function 'cosh'"):
        made.fix_symbolic(0, 0, 0, "cosh")
    with pytest.raises(TypeError, match="grid must be an integer"):
        PyKANLayer(2, 1, grid=2.5)
    made.act_fun[0] = torch.nn.Identity()
    with pytest.raises(TypeError, match="Layer 0 of this network is no layer of PyKAN's"):
        made.to_model()


def plain_layer(**changes):
    fields = {
        "basis": BSplineBasis(np.arange(8.0)[None], 3),
        "coefficients": np.ones((1, 1, 4)),
        "base_weights": np.ones((1, 1)),
        "base_activation": Activation("silu"),
        "bias": np.zeros(1),
        "name": "first",
    }
    return KanLayer(**fields | changes)


@pytest.mark.parametrize(
    "layer",
    [
        plain_layer(base_activation=Activation("relu")),
        plain_layer(basis=NoBasis(1), coefficients=np.ones((1, 1, 0))),
        plain_layer(post=(Activation("silu"),)),
        plain_layer(symbolic=(SymbolicEdge(0, 0, "x", 1, 0, 1, 0),) * 2),
    ],
)
def test_records_without_an_equal(layer):
    with pytest.raises(InputError, match="first has no equal in PyKAN"):
        PyKAN.from_model(KanModel((layer,)))
