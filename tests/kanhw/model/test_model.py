"""KanLayer and KanModel: their sums, their edges, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.model import layer as layer_module
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel


def make_layer(n_in: int = 3, n_out: int = 2, seed: int = 0, **changes: Any) -> KanLayer:
    rng = np.random.default_rng(seed)
    fields: dict[str, Any] = {
        "basis": BSplineBasis(np.tile(np.arange(-5.0, 7.0), (n_in, 1)), 3),
        "coefficients": rng.standard_normal((n_out, n_in, 8)),
        "base_weights": rng.standard_normal((n_out, n_in)),
        "base_activation": Activation("silu"),
        "bias": rng.standard_normal(n_out),
        "name": f"layers.{seed}",
    }
    return KanLayer(**{**fields, **changes})


def make_model() -> KanModel:
    return KanModel((make_layer(3, 4, 0), make_layer(4, 2, 1)), "a test")


def samples(n: int = 50, n_in: int = 3) -> np.ndarray:
    return np.random.default_rng(7).uniform(-8, 8, (n, n_in))


def test_layer_is_the_sum_written_out() -> None:
    layer, x = make_layer(), samples(5)
    for n in range(len(x)):
        for j in range(layer.n_out):
            total = layer.bias[j]
            for i in range(layer.n_in):
                v = x[n, i]
                total += layer.base_weights[j, i] * v / (1 + np.exp(-v))
                total += layer.coefficients[j, i] @ layer.basis(x)[n, i]
            assert layer(x)[n, j] == pytest.approx(total, abs=1e-12)


def test_edges_sum_to_the_layer() -> None:
    layer, x = make_layer(), samples()
    edges = layer.edges(x)
    assert edges.shape == (2, 3, 50)
    np.testing.assert_allclose(edges.sum(axis=1).T + layer.bias, layer(x), atol=1e-12)


def test_model_chains_its_layers() -> None:
    model, x = make_model(), samples()
    inputs = model.layer_inputs(x)
    assert [v.shape for v in inputs] == [(50, 3), (50, 4), (50, 2)]
    np.testing.assert_array_equal(inputs[0], x)
    np.testing.assert_array_equal(inputs[2], model(x))
    np.testing.assert_array_equal(model.layers[1](inputs[1]), model(x))
    assert (model.n_in, model.n_out, model.source) == (3, 2, "a test")
    assert model(x[:0]).shape == (0, 2)
    assert model(x.astype(np.float32)).dtype == np.float64


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = make_model(), samples()
    whole = model(x)
    seen: list[int] = []
    evaluate = BSplineBasis.__call__

    def watched(self: BSplineBasis, part: np.ndarray) -> np.ndarray:
        seen.append(len(part))
        return evaluate(self, part)

    monkeypatch.setattr(BSplineBasis, "__call__", watched)
    monkeypatch.setattr(layer_module, "CHUNK_VALUES", 250)
    np.testing.assert_allclose(model(x), whole, atol=1e-12)
    assert max(seen) == 250 // (3 * 11)


def test_active_edges() -> None:
    coefficients, base = np.zeros((2, 3, 8)), np.zeros((2, 3))
    coefficients[0, 1, 7], base[1, 2] = 1e-9, -1.0
    layer = make_layer(coefficients=coefficients, base_weights=base)
    assert np.argwhere(layer.active).tolist() == [[0, 1], [1, 2]]
    assert KanModel((layer, make_layer(2, 5))).active_edges == 12


def test_arrays_are_read_only() -> None:
    layer = make_layer()
    for array in (layer.coefficients, layer.base_weights, layer.bias):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        layer.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"coefficients": np.zeros((2, 3, 7))},
            r"^layers\.0: coefficients must have shape \[2, 3, 8\] to fit .* not \[2, 3, 7\]$",
        ),
        ({"coefficients": np.zeros((2, 3))}, r"^layers\.0: coefficients must have the shape "),
        ({"base_weights": np.zeros((3, 2))}, r"^layers\.0: base_weights must have shape \[2, 3\]"),
        ({"bias": np.zeros(3)}, r"^layers\.0: bias must have shape \[2\] .* not \[3\]$"),
        ({"bias": np.array([0, np.inf])}, r"^layers\.0: bias holds inf at \[1\]"),
        ({"base_weights": np.full((2, 3), np.nan)}, r"^layers\.0: base_weights holds nan at \[0"),
    ],
)
def test_layer_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_layer(**changes)


def test_layer_refuses_wrong_types() -> None:
    with pytest.raises(TypeError, match=r"^layers\.0: basis must be a basis .*, not 3$"):
        make_layer(basis=3)
    with pytest.raises(TypeError, match=r"^layers\.0: base_activation must be an Activation"):
        make_layer(base_activation="silu")


def test_model_refuses_layers_that_do_not_fit() -> None:
    message = r"^layers\.0 has 4 outputs but layers\.1 takes 3 inputs: consecutive layers must fit$"
    with pytest.raises(InputError, match=message):
        KanModel((make_layer(3, 4, 0), make_layer(3, 2, 1)))
    with pytest.raises(InputError, match=r"^A KanModel needs at least one layer$"):
        KanModel(())
    with pytest.raises(TypeError, match=r"^A KanModel is made of KanLayers, .* not of 5$"):
        KanModel((5,))  # type: ignore[arg-type]


def with_value(value: float) -> np.ndarray:
    x = samples(4)
    x[2, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (samples(4, 5), r"^The model expects 3 inputs per sample but got 5$"),
        (
            np.zeros(3),
            (r"^The model expects shape \[N, 3\] but got \[3\]; put one sample in a batch with "
            r"x\[np\.newaxis, :\]$"),
        ),
        (np.zeros((1, 2, 3)), r"^The model expects shape \[N, 3\] but got \[1, 2, 3\]$"),
        (with_value(np.nan), r"^The model needs finite inputs but got nan in sample 2, input 1: "),
        (with_value(-np.inf), r"^The model needs finite inputs but got -inf in sample 2, input 1"),
        ([[1.0, 2.0], [3.0]], r"^The model takes real numbers in a rectangular array: "),
    ],
)
def test_model_refuses_inputs(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_model()(x)
    with pytest.raises(InputError, match=message):
        make_model().layer_inputs(x)


def test_model_refuses_what_is_not_a_number() -> None:
    with pytest.raises(TypeError, match=r"^The model takes real numbers, not complex128$"):
        make_model()(np.zeros((2, 3), np.complex128))  # type: ignore[arg-type]
