"""Random float models, and the EfficientKAN fixtures with their training data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import kanhw
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.network import KanLayer, KanModel
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.windows import Window

_ACTIVATIONS = ("silu", "identity", "zero", "gelu", "relu", "tanh", "prelu")


def _activation(name: str) -> Activation:
    return Activation(name, 0.25 if name == "prelu" else 0.0)


def _make_layer(
    rng: np.random.Generator,
    n_in: int,
    n_out: int,
    *,
    order: int = 3,
    cells: int = 4,
    activation: str = "silu",
    uniform: bool = True,
    name: str = "layers.0",
) -> KanLayer:
    """A layer with weights and a bias, and knots of its own for every input if not ``uniform``."""
    count = cells + 2 * order + 1
    if uniform:
        knots = np.tile(np.arange(count) - (count - 1) / 2, (n_in, 1)) * 2 / cells
    else:
        knots = np.cumsum(rng.uniform(0.1, 1.0, (n_in, count)), axis=1)
        knots -= knots.mean(axis=1, keepdims=True)
    return KanLayer(
        BSplineBasis(knots, order),
        rng.normal(size=(n_out, n_in, cells + order)),
        rng.normal(size=(n_out, n_in)),
        _activation(activation),
        rng.normal(size=n_out),
        name,
    )


def _random_model(rng: np.random.Generator) -> KanModel:
    """1 to 3 layers of 1 to 4 nodes that mix everything a layer of B-splines may hold."""
    sizes = rng.integers(1, 5, int(rng.integers(2, 5))).tolist()
    layers = []
    for index, (n_in, n_out) in enumerate(pairwise(sizes)):
        layer = _make_layer(
            rng,
            n_in,
            n_out,
            order=int(rng.integers(1, 4)),
            cells=int(rng.integers(1, 6)),
            activation=str(rng.choice(_ACTIVATIONS)),
            uniform=bool(rng.integers(2)),
            name=f"layers.{index}",
        )
        kept = rng.random((n_out, n_in)) < rng.choice([0.0, 0.5, 1.0], p=[0.1, 0.4, 0.5])
        layers.append(
            KanLayer(
                layer.basis,
                layer.coefficients * kept[:, :, None] * 10.0 ** rng.integers(-3, 2),
                layer.base_weights * kept * rng.choice([0.0, 1.0, 30.0], p=[0.2, 0.6, 0.2]),
                layer.base_activation,
                layer.bias * rng.choice([0.0, 1.0, 100.0]),
                layer.name,
            )
        )
    return KanModel(tuple(layers), "random")


@pytest.fixture(scope="session")
def make_layer() -> Callable[..., KanLayer]:
    return _make_layer


@pytest.fixture(scope="session")
def random_model() -> Callable[[np.random.Generator], KanModel]:
    return _random_model


def _with_basis(rng: np.random.Generator, basis: Basis, n_out: int, name: str, **extra) -> KanLayer:
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        _activation(extra.pop("activation", "silu")),
        rng.normal(size=n_out),
        name,
        **extra,
    )


def _norm(rng: np.random.Generator, n: int) -> LayerNorm:
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def _fast_kan(rng: np.random.Generator) -> KanModel:
    grid = np.linspace(-2, 2, 5)
    first = _with_basis(rng, RadialBasis(grid, 1.0, 4), 5, "0", spline_norm=_norm(rng, 4))
    second = _with_basis(rng, RadialBasis(grid, 1.0, 5), 3, "1", spline_norm=_norm(rng, 5))
    return KanModel((first, second))


def _kagn(rng: np.random.Generator) -> KanModel:
    silu = Activation("silu")
    basis = GramBasis(rng.normal(size=4) * 0.05, 4, silu, constant=False)
    return KanModel((_with_basis(rng, basis, 3, "0", post=(_norm(rng, 3), silu)),))


def _convolution(rng: np.random.Generator) -> KanModel:
    silu, window = Activation("silu"), Window((1, 4, 4), (3, 3), padding=(1, 1))
    basis = GramBasis(rng.normal(size=3) * 0.05, 9, silu, constant=True)
    taps = _with_basis(rng, basis, 2, "0", post=(silu,))
    pool = PoolLayer("average", Window((2, 4, 4), (4, 4)), "1")
    head = _with_basis(rng, NoBasis(2), 3, "2", activation="identity")
    return KanModel((ConvLayer(taps, window), pool, head), shape=(1, 4, 4))


def _pykan(rng: np.random.Generator) -> KanModel:
    knots = np.tile(np.linspace(-3, 3, 12), (4, 1))
    products = Products(2, (2, 2), rng.normal(size=4) / [3, 3, 9, 9], rng.normal(size=4))
    symbolic = (SymbolicEdge(0, 1, "sin", 1.5, 0.2, 0.7, 0.1),)
    first = _with_basis(rng, BSplineBasis(knots, 3), 6, "0", symbolic=symbolic, post=(products,))
    return KanModel((first, _with_basis(rng, BSplineBasis(knots, 3), 2, "1")))


def _b_splines(rng: np.random.Generator) -> KanModel:
    return KanModel((_make_layer(rng, 4, 3, name="0"), _make_layer(rng, 3, 2, name="1")))


_VARIANTS = {
    "b_splines": _b_splines,
    "fast_kan": _fast_kan,
    "kagn": _kagn,
    "convolution": _convolution,
    "pykan": _pykan,
}


@pytest.fixture(params=_VARIANTS)
def variant(request: pytest.FixtureRequest) -> tuple[KanModel, FloatArray]:
    """A small random model of every kind of layer, and samples for it."""
    rng = np.random.default_rng(5)
    model = _VARIANTS[request.param](rng)
    return model, rng.normal(size=(120, *model.input_shape))


@dataclass(frozen=True)
class Trained:
    """A trained model, real features to calibrate with, and test vectors."""

    model: KanModel
    calibration: FloatArray
    x: FloatArray
    labels: npt.NDArray[np.int64]
    x_far: FloatArray

    def accuracy(self, outputs: npt.NDArray[np.generic]) -> float:
        """Share of the labels that the largest output hits, in percent."""
        return 100 * float((outputs.argmax(axis=1) == self.labels).mean())


def _trained(folder: Path, name: str) -> Trained:
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import train_test_split

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    train, _ = train_test_split(x, test_size=0.25, random_state=0, stratify=y)
    offset, scale = (0, 16) if name == "digits" else (train.mean(axis=0), train.std(axis=0))
    network = folder / "fixtures" / "kan_libraries" / f"efficient_kan_{name}"
    model = kanhw.load(network)
    assert isinstance(model, KanModel)
    with np.load(network / "vectors.npz") as arrays:
        data = {key: arrays[key] for key in arrays.files}
    far = data["x_far"].astype(np.float64)
    return Trained(
        model, (train - offset) / scale, data["x"].astype(np.float64), data["labels"], far
    )


@pytest.fixture(scope="session", params=["digits", "wine"])
def trained(request: pytest.FixtureRequest, shared_folder: Path) -> Trained:
    """Each network that EfficientKAN's own library trained and saved."""
    return _trained(shared_folder, request.param)
