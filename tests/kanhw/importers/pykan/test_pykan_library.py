"""Networks that the pip package pykan makes, changes and saves here and now."""

import os
import warnings
from importlib.metadata import version

import numpy as np
import pytest
import torch

import kanhw
from kanhw.errors import InputError
from kanhw.importers.pykan.network import calibration_data
from kanhw.layers import PyKAN

os.environ.setdefault("MPLBACKEND", "Agg")  # pykan imports pyplot
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own, at import
    kan = pytest.importorskip("kan", reason="pykan is not installed: pip install 'kanhw[test]'")

pytestmark = pytest.mark.filterwarnings("ignore")  # std() of single values, and the like


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """pykan writes ./model, ./figures and copy_temp_* wherever it is."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    return tmp_path


def network(width, **settings):
    return kan.KAN(width, seed=0, **{"grid": 5, "auto_save": False} | settings)


def shaken(made):
    """A network none of whose parameters is at its first value."""
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


def data(n_in, rows=200):
    x = torch.rand(rows, n_in) * 2 - 1
    y = torch.sin(3 * x[:, :1]) + x[:, 1:2] * x[:, -1:]
    return {"train_input": x, "train_label": y, "test_input": x, "test_label": y}


def points(n_in):
    return torch.cat([torch.rand(60, n_in) * 2 - 1, torch.randn(40, n_in) * 8])


def assert_level_0(made, **options):
    """The saved network is read to within 1e-5 of the range, also far outside of its grid."""
    made.saveckpt("saved")
    model = kanhw.load("saved", **options)
    x = points(model.n_in)
    with torch.no_grad():
        y = made(x).numpy()
    assert np.isfinite(y).all()
    assert np.abs(model(x.numpy()) - y).max() <= 1e-5 * np.ptp(y)
    return model


def test_version():
    assert version("pykan") == "0.2.8"


@pytest.mark.parametrize(
    ("width", "settings"),
    [
        ([3, 4, 2], {}),
        ([2, 1], {"grid": 1, "k": 1}),
        ([3, 2, 2], {"grid": [2, 7], "k": [1, 5]}),
        ([3, 3, 2], {"base_fun": "identity", "grid_range": [-3, 2]}),
        ([3, 3, 2], {"base_fun": "zero", "noise_scale": 1.0}),
        ([4, 5, 2], {"sparse_init": True}),
        ([3, [2, 2], [1, 1], 1], {"affine_trainable": True, "mult_arity": 3}),
        (
            [3, [2, 2], [0, 1], 1],
            {"affine_trainable": True, "mult_arity": [[], [2, 3], [4], []]},
        ),
    ],
)
def test_fresh_networks(width, settings):
    assert_level_0(shaken(network(width, **settings)))


@pytest.mark.wide
def test_fit_moves_the_knots():
    made = network([3, 4, 1])
    made.fit(data(3), steps=12, opt="LBFGS", update_grid=True)
    model = assert_level_0(made)
    assert not model.layers[0].basis.uniform.any()


def test_constant_and_repeated_features():
    made = network([3, 2, 1])
    x = torch.rand(100, 3)
    x[:, 1] = 0.25
    made.update_grid_from_samples(x)
    assert "all knots of input 1 are alike" in assert_level_0(made).source
    made = network([3, 2, 1], grid_eps=0.0)
    made.update_grid_from_samples(torch.randint(0, 4, (100, 3)).float())
    assert "knots repeat" in assert_level_0(made).source


@pytest.mark.parametrize("speed", [False, True])
def test_symbolic_edges(speed):
    made = network([2, 2, 1])
    made.fix_symbolic(0, 0, 0, "sin", fit_params_bool=False)
    made.fix_symbolic(0, 1, 1, "gaussian", fit_params_bool=False)
    made.fix_symbolic(1, 0, 0, "0", fit_params_bool=False)
    made.set_mode(0, 1, 0, "sn", mask_n=0.3)
    made.unfix_symbolic(0, 1, 1)
    with torch.no_grad():
        for symbolic in made.symbolic_fun:
            symbolic.affine.normal_()
    if speed:
        made.speed()
    model = assert_level_0(made)
    assert ("symbolic edges are dropped" in model.source) == speed


def test_functions_of_ones_own():
    made = network([2, 2])
    made.fix_symbolic(0, 1, 0, lambda x: x, fit_params_bool=False)
    made.saveckpt("saved")
    with pytest.raises(InputError, match=r"input 1 to sum 0 of 'symbolic_fun.0' is a function of"):
        kanhw.load("saved")


def test_pruning():
    made = network([4, 3, 1])
    x = points(4)
    made(x)
    kept = made.prune_input(active_inputs=[0, 3])
    model = assert_level_0(kept, input_ids=[0, 3])
    assert calibration_data("saved", input_ids=[0, 3]).shape == (100, model.n_in)
    made(x)
    made.remove_edge(0, 1, 1)
    made(x)
    fewer = assert_level_0(made.prune_node(threshold=0.3))
    assert not kanhw.load("saved").layers[0].active.all() or fewer.layers[0].n_out < 3


@pytest.mark.parametrize("arity", [2, [[], [2, 3], []]])
def test_pruning_of_products(arity):
    made = network([3, [3, 2], 1], mult_arity=arity)
    made(points(3))
    assert_level_0(made.prune_node(threshold=0.1))


def test_double_precision():
    made = shaken(network([3, 2, 1]).double())
    made.saveckpt("saved")
    x = points(3).double()
    expected = made(x).detach().numpy()
    np.testing.assert_allclose(kanhw.load("saved")(x.numpy()), expected, atol=1e-12)


def test_the_history_folder():
    made = network([2, 2, 1], auto_save=True)
    made(points(2))
    made.log_history("nothing")
    assert kanhw.load("model/0.0").n_in == 2
    made.saveckpt("model")  # beside the folder of the same name
    assert kanhw.load("model").source.startswith("model: ")


@pytest.mark.parametrize(
    ("width", "settings"),
    [([3, 4, 2], {"k": 2}), ([3, [2, 2], [1, 1], 1], {"mult_arity": 3, "base_fun": "identity"})],
)
def test_our_layers_take_its_parameters_and_give_theirs(width, settings):
    theirs, ours = shaken(network(list(width), **settings)), PyKAN(width, grid=5, **settings)
    x = points(3)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.fix_symbolic(0, 0, 1, "cos", fit_params_bool=False)
    ours.fix_symbolic(0, 0, 1, "cos")
    with torch.no_grad():
        y = theirs(x)
        torch.testing.assert_close(ours(x), y, rtol=0, atol=float(1e-6 * (y.max() - y.min())))
        again = PyKAN(width, grid=5, **settings)
        theirs.unfix_symbolic(0, 0, 1)
        theirs.load_state_dict(again.state_dict(), strict=True)
        y = again(x)
        torch.testing.assert_close(theirs(x), y, rtol=0, atol=float(1e-6 * (y.max() - y.min())))


def test_our_new_grids_are_its():
    theirs, ours = network([3, 2, 1], k=2), PyKAN([3, 2, 1], grid=5, k=2)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = points(3)
    theirs.update_grid_from_samples(x)
    ours.update_grid(x)
    for numeric, expected in zip(ours.act_fun, theirs.act_fun, strict=True):
        torch.testing.assert_close(numeric.grid, expected.grid, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def in_memory_and_saved(made, x, folder):
    """Outputs of the module, of its float model in memory and of its checkpoint."""
    with torch.no_grad():
        right = made(x).numpy()
    made.saveckpt(str(folder / "saved"))
    return right, kanhw.load(made)(x.numpy()), kanhw.load(folder / "saved")(x.numpy())


def test_a_network_in_memory_is_as_its_checkpoint(folder):
    made = shaken(network([2, [2, 1], 1], mult_arity=2))
    x = torch.rand(50, 2) * 2 - 1
    made(x)
    made.fix_symbolic(0, 0, 0, "sin", fit_params_bool=False, verbose=False)
    made.fix_symbolic(1, 2, 0, "x^2", fit_params_bool=False, verbose=False)
    right, memory, saved = in_memory_and_saved(made, x, folder)
    np.testing.assert_allclose(memory, right, atol=1e-5)
    np.testing.assert_array_equal(memory, saved)


def test_pruned_inputs_in_memory(folder):
    made = shaken(network([3, 2, 1], base_fun="identity"))
    x = torch.rand(50, 3) * 2 - 1
    made(x)
    pruned = made.prune_input(active_inputs=[0, 2])
    model = kanhw.load(pruned)
    assert model.n_in == 3
    with torch.no_grad():
        np.testing.assert_allclose(model(x.numpy()), pruned(x).numpy(), atol=1e-5)
