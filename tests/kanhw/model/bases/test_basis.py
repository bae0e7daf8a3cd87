"""BSplineBasis and Activation against definitions written out again, from the textbook."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.model.activation import ACTIVATIONS, Activation
from kanhw.model.bases.bspline import BSplineBasis


def textbook(t: list[float], m: int, p: int, x: float) -> float:
    """Cox-de Boor as the textbook has it: recursive, one number."""
    if p == 0:
        return 1.0 if t[m] <= x < t[m + 1] else 0.0
    left = (x - t[m]) / (t[m + p] - t[m]) * textbook(t, m, p - 1, x)
    right = (t[m + p + 1] - x) / (t[m + p + 1] - t[m + 1]) * textbook(t, m + 1, p - 1, x)
    return left + right


def uniform_knots(n_in: int, cells: int, order: int) -> np.ndarray:
    return np.tile(-1 + 2 / cells * np.arange(-order, cells + order + 1), (n_in, 1))


@st.composite
def bases(draw: st.DrawFn) -> BSplineBasis:
    order = draw(st.integers(1, 4))
    n_in, cells = draw(st.integers(1, 3)), draw(st.integers(1, 6))
    shape = (n_in, cells + 2 * order + 1)
    steps = st.floats(0.01, 3.0)
    size = shape[0] * shape[1]
    widths = np.array(draw(st.lists(steps, min_size=size, max_size=size))).reshape(shape)
    return BSplineBasis(draw(st.floats(-5, 0)) + np.cumsum(widths, axis=1), order)


@given(bases(), st.data())
def test_equals_the_textbook(basis: BSplineBasis, data: st.DataObject) -> None:
    low, high = basis.support.min() - 2, basis.support.max() + 2
    drawn = data.draw(st.lists(st.floats(low, high), min_size=4, max_size=4))
    rows = []
    for i in range(basis.n_in):
        ends = basis.knots[i]
        below = np.nextafter(ends[:2], -np.inf), np.nextafter(ends[-2:], -np.inf)
        rows.append(np.concatenate([drawn, ends, *below, [1e300, -1e300]]))
    x = np.stack(rows, axis=1)
    values = basis(x)
    assert values.shape == (len(x), basis.n_in, basis.count)
    for i in range(basis.n_in):
        knots = basis.knots[i].tolist()
        wanted = [
            [textbook(knots, m, basis.order, float(v)) for m in range(basis.count)]
            if abs(v) < 1e300
            else [0.0] * basis.count
            for v in x[:, i]
        ]
        np.testing.assert_allclose(values[:, i], wanted, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(basis.evaluate_input(i, x[:, i]), values[:, i])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_sums_to_one_on_the_core_grid_and_fades_beyond(order: int) -> None:
    basis = BSplineBasis(uniform_knots(1, 5, order), order)
    x = np.linspace(-1, 1, 101, endpoint=False)[:, np.newaxis]
    np.testing.assert_allclose(basis(x).sum(axis=2), 1.0, atol=1e-12)
    outside = np.array([[basis.support[0, 0] - 1e-9], [basis.support[0, 1]], [50.0]])
    assert not basis(outside).any()


def test_fades_as_the_reference_measured() -> None:
    basis = BSplineBasis(uniform_knots(1, 5, 3), 3)
    sums = basis(np.array([[1.4], [1.8]])).sum(axis=(1, 2))
    np.testing.assert_allclose(sums, [0.8333, 0.1667], atol=1e-4)
    np.testing.assert_allclose(basis.support, [[-2.2, 2.2]])


def test_a_knot_belongs_to_the_cell_on_its_right() -> None:
    basis = BSplineBasis(np.array([[0.0, 1.0, 2.0, 3.0]]), 1)
    x = np.array([[0.0], [1.0], [2.0], [3.0], [-0.25], [1.5]])
    expected = [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0], [0.5, 0.5]]
    np.testing.assert_array_equal(basis(x)[:, 0], expected)


def test_huge_and_tiny_knots_stay_finite() -> None:
    plain = BSplineBasis(uniform_knots(1, 4, 3), 3)
    x = np.linspace(-2.6, 2.6, 40)[:, np.newaxis]
    for exponent in (-600, 500):
        scale = 2.0**exponent
        scaled = BSplineBasis(scale * plain.knots, 3)
        np.testing.assert_allclose(scaled(scale * x), plain(x), atol=1e-12)
    assert not BSplineBasis(1e-9 * plain.knots, 3)(np.array([[1e308], [-1e308]])).any()


def test_uniform_tolerates_float32_knots_only() -> None:
    knots = np.vstack([uniform_knots(1, 50, 3).astype(np.float32), uniform_knots(1, 50, 3)])
    assert BSplineBasis(knots, 3).uniform.tolist() == [True, True]
    knots[1, 7] += 0.001
    assert BSplineBasis(knots, 3).uniform.tolist() == [True, False]


def test_knots_are_a_read_only_copy() -> None:
    knots = uniform_knots(2, 5, 3)
    basis = BSplineBasis(knots, 3)
    knots[0, 0] = -9
    assert basis.knots[0, 0] != -9
    with pytest.raises(ValueError, match="read-only"):
        basis.knots[0, 0] = 0


def with_knot(place: int, value: float) -> np.ndarray:
    knots = uniform_knots(3, 5, 3)
    knots[1, place] = value
    return knots


@pytest.mark.parametrize(
    ("knots", "order", "message"),
    [
        (np.arange(12.0), 3, r"^knots must have the shape \[n_in, G \+ 2 p \+ 1\].*not \[12\]$"),
        (np.zeros((0, 12)), 3, r"^knots must have the shape .*none of them 0, not \[0, 12\]$"),
        (uniform_knots(1, 5, 3)[:, :7], 3, r"^A spline of order 3 needs at least 8 knots .*not 7$"),
        (with_knot(4, np.nan), 3, r"^knots holds nan at \[1, 4\]: it must be finite$"),
        (with_knot(0, -np.inf), 3, r"^knots holds -inf at \[1, 0\]"),
        (
            with_knot(4, uniform_knots(1, 5, 3)[0, 3]),
            3,
            (r"^Input 1 has the knot -1 twice \(positions 3 and 4\): Cox-de Boor divides 0 by 0 "
            r"there; spread the knots .*"),
        ),
        (with_knot(4, -3.0), 3, r"^Input 1 has decreasing knots: position 3 holds -1 and .*"),
        (uniform_knots(1, 5, 3), 0, r"^The spline order must be at least 1, not 0$"),
    ],
)
def test_refuses_bad_knots(knots: np.ndarray, order: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BSplineBasis(knots, order)


def test_refuses_wrong_types() -> None:
    with pytest.raises(TypeError, match=r"^The spline order must be an integer, not 3\.0$"):
        BSplineBasis(uniform_knots(1, 5, 3), 3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^knots must hold real numbers, not <U1$"):
        BSplineBasis(np.array([["a"]]), 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^knots must hold real numbers in a rectangular array"):
        BSplineBasis([[0.0, 1.0], [2.0]], 1)  # type: ignore[arg-type]


def test_refuses_an_input_that_does_not_exist() -> None:
    basis = BSplineBasis(uniform_knots(2, 5, 3), 3)
    with pytest.raises(InputError, match=r"^Input 2 does not exist: the basis has inputs 0 to 1$"):
        basis.evaluate_input(2, np.zeros(3))


TORCH = {
    "silu": torch.nn.SiLU(),
    "identity": torch.nn.Identity(),
    "gelu": torch.nn.GELU(),
    "relu": torch.nn.ReLU(),
    "tanh": torch.nn.Tanh(),
    "prelu": torch.nn.PReLU(init=0.125),
    "leaky_relu": torch.nn.LeakyReLU(),
    "elu": torch.nn.ELU(),
    "sigmoid": torch.nn.Sigmoid(),
    "softplus": torch.nn.Softplus(),
    "mish": torch.nn.Mish(),
    "selu": torch.nn.SELU(),
    "hardswish": torch.nn.Hardswish(),
}


@pytest.mark.parametrize("name", sorted(TORCH))
def test_activation_equals_torch(name: str) -> None:
    x = np.concatenate([np.linspace(-40, 40, 401), [-1e4, 1e4, 0.0, -0.0]]).reshape(5, 81)
    activation = Activation(name, 0.125 if name == "prelu" else 0.0)
    wanted = TORCH[name].double()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(activation(x), wanted, rtol=1e-12, atol=1e-15)


def test_zero_and_the_far_ends() -> None:
    assert set(ACTIVATIONS) == {*TORCH, "zero"}
    x = np.array([-1e308, -800.0, 800.0, 1e308])
    np.testing.assert_array_equal(Activation("zero")(x), np.zeros(4))
    np.testing.assert_array_equal(Activation("silu")(x), [0, 0, 800.0, 1e308])


def test_activation_refuses() -> None:
    with pytest.raises(InputError, match=r"^Unknown base activation 'swish': choose one of silu"):
        Activation("swish")
    with pytest.raises(InputError, match=r"^The slope of an activation must be finite, not nan$"):
        Activation("prelu", math.nan)
    message = r"^Only prelu and leaky_relu have a slope, but relu was given 0\.5$"
    with pytest.raises(InputError, match=message):
        Activation("relu", 0.5)
    with pytest.raises(TypeError, match=r"^An activation is chosen by its name, not by 3$"):
        Activation(3)  # type: ignore[arg-type]
