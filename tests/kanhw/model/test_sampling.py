"""from_callable: sampled layers, what lies beyond their ranges, and what cannot be sampled."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import kanhw
from kanhw.errors import InputError
from kanhw.layers import KANLinear

RANGE = (-2.0, 3.0)


def waves(x):
    """Two outputs of three inputs, a sum of functions of one input each."""
    first = np.sin(x[:, 0]) + x[:, 1] ** 2 - 0.5
    return np.stack([first, np.abs(x[:, 2]) - 3 * x[:, 0]], axis=1)


@given(st.integers(0, 2**32 - 1), st.integers(2, 400))
def test_samples_are_met_exactly(seed, samples):
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.normal(0, 2, (3, 2)), axis=1)
    model = kanhw.from_callable(waves, 3, 2, ranges=ends, samples=samples, tolerance=1e9)
    points = np.linspace(ends[:, 0], ends[:, 1], samples, axis=1)
    x = points[np.arange(3), rng.integers(0, samples, (50, 3))]
    np.testing.assert_allclose(model(x), waves(x), atol=1e-11)


def test_between_samples():
    model = kanhw.from_callable(waves, 3, 2, ranges=RANGE)
    x = np.random.default_rng(0).uniform(*RANGE, (1000, 3))
    # h^2 / 8 of the second derivatives, and half a step at the kink of abs.
    assert np.abs(model(x) - waves(x)).max() < 2e-2
    assert model.layers[0].basis.order == 1
    assert model.source == "sampled from layer"


@pytest.mark.parametrize("widths", [0.1, 1, 10])
def test_edges_are_held_beyond_their_range(widths):
    model = kanhw.from_callable(waves, 3, 2, ranges=RANGE)
    low, high = np.full((1, 3), RANGE[0]), np.full((1, 3), RANGE[1])
    far = widths * 5.0
    scale = np.abs(model.layers[0].coefficients).sum(axis=(1, 2)).max()
    np.testing.assert_allclose(model(low - far), model(low), atol=widths * 1e-6 * scale)
    np.testing.assert_allclose(model(high + far), model(high), atol=widths * 1e-6 * scale)


def test_a_torch_module():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Dropout(), KANLinear(3, 2))
    module[0].running_mean.normal_()
    module[1].eval()
    model = kanhw.from_callable(module, 3, 2, ranges=(-1, 1), name="spline")
    assert [each.training for each in module] == [True, False, True]
    x = torch.rand(100, 3) * 2 - 1
    with torch.no_grad():
        y = module.eval()(x).numpy()
    np.testing.assert_allclose(model(x.numpy()), y, atol=1e-3 * np.ptp(y))


def test_a_module_without_parameters_and_a_double_one():
    model = kanhw.from_callable(torch.nn.Tanh(), 2, 2, ranges=(-3, 3), tolerance=1e-2)
    assert model.layers[0].active_edges == 2  # each input reaches its own output only
    linear = torch.nn.Linear(2, 1).double()
    exact = kanhw.from_callable(linear, 2, 1, ranges=(-3, 3), samples=3, tolerance=1e-12)
    x = torch.rand(9, 2).double() * 6 - 3
    np.testing.assert_allclose(exact(x.numpy()), linear(x).detach().numpy(), atol=1e-12)


def test_layers_join_to_a_network():
    first = kanhw.from_callable(waves, 3, 2, ranges=RANGE, name="a")
    second = kanhw.from_callable(lambda x: x[:, :1] + x[:, 1:], 2, 1, ranges=(-30, 30), name="b")
    both = kanhw.KanModel(first.layers + second.layers)
    x = np.random.default_rng(0).uniform(*RANGE, (50, 3))
    np.testing.assert_allclose(both(x), waves(x).sum(axis=1, keepdims=True), atol=0.05)


def test_a_constant_layer():
    model = kanhw.from_callable(lambda x: np.full((len(x), 1), 4.0), 2, 1, ranges=RANGE)
    assert model(np.zeros((1, 2))) == 4.0
    assert model.active_edges == 0


@pytest.mark.parametrize(
    "function",
    [
        torch.nn.LayerNorm(3),
        torch.nn.Softmax(dim=1),
        lambda x: x[:, :1] * x[:, 1:2] + np.zeros((1, 3)),
        lambda x: x / np.sqrt(1e-5 + x.var(axis=1, keepdims=True)),
    ],
)
def test_what_is_no_sum_of_edges_is_refused(function):
    with pytest.raises(InputError, match=r"mixer is no sum of functions .* normalisation across"):
        kanhw.from_callable(function, 3, 3, ranges=RANGE, name="mixer")


def test_statistics_of_the_batch_are_refused():
    def normalised(x):
        return (x - x.mean()) / (x.std() + 1e-3)

    with pytest.raises(InputError, match="depends on the other samples of the batch"):
        kanhw.from_callable(normalised, 2, 2, ranges=RANGE)


def test_too_few_samples_are_told_apart():
    with pytest.raises(
        InputError, match=r"straight lines between 5 samples miss it by .* more sam"
    ):
        kanhw.from_callable(lambda x: np.sin(9 * x), 1, 1, ranges=RANGE, samples=5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1 / np.maximum(x, 0), r"layer: output 0 is inf at the input \[-2.*finite"),
        (lambda x: x[:, 0], r"real numbers \[N, 2\] of \[N, 2\], but made float64 \[1\]"),
        (lambda x: x[:, :1], r"but made float64 \[1, 1\] of \[1, 2\]"),
        (lambda x: x.astype(complex), "but made complex128"),
        (lambda x: None, "but made object"),
    ],
)
def test_wrong_answers(function, message):
    with np.errstate(all="ignore"), pytest.raises(InputError, match=message):
        kanhw.from_callable(function, 2, 2, ranges=RANGE)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"function": 3}, TypeError, "needs a module or a function"),
        ({"n_in": 0}, InputError, "n_in must be at least 1"),
        ({"n_out": 2.0}, TypeError, "n_out must be an integer"),
        ({"samples": 1}, InputError, "samples must be at least 2"),
        ({"tolerance": 0}, InputError, "tolerance must be positive"),
        ({"ranges": [[0, 1]]}, InputError, r"ranges must be \[3, 2\].*not \[1, 2\]"),
        ({"ranges": [[0, 1, 2]] * 3}, InputError, r"ranges must be \[3, 2\]"),
        ({"ranges": [[0, 1], [2, 2], [0, 1]]}, InputError, "range of input 1 must rise"),
        ({"ranges": (0, np.inf)}, InputError, "ranges holds inf"),
    ],
)
def test_wrong_arguments(changes, error, message):
    arguments = {"function": waves, "n_in": 3, "n_out": 2, "ranges": RANGE} | changes
    with pytest.raises(error, match=message):
        kanhw.from_callable(**arguments)
