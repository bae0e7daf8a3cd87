"""A float model as a flat list of steps, each of which becomes one layer of integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import check_symbolic_edges
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.records import record_of
from kanhw.windows import Window

__all__ = [
    "LAYER_STEPS",
    "POST_STEPS",
    "STEP_KINDS",
    "NormStep",
    "PoolStep",
    "ProductStep",
    "Step",
    "SumStep",
    "finite_inside",
    "steps_of",
]

_HOME = "kanhw.quant.planning.steps"


class _Plain:
    """What holds for steps in front of which codes have the bits of activations."""

    # Whether these codes have bits of their own.
    wide: ClassVar[bool] = False

    @property
    def support(self) -> FloatArray | None:
        """``[n, 2]``: where the first of several codes is told apart; None for everywhere."""
        return None

    def read(self, value: FloatArray, *, split: bool) -> FloatArray:
        """What the first codes of a step stand for; ``split`` where a norm passes others on."""
        return value


@dataclass(frozen=True, eq=False)
class SumStep(_Plain):
    """The sums of a KAN layer, on a vector or on every window of an image.

    Parameters
    ----------
    layer
        Its ``post`` is empty. With a ``spline_norm``, a :class:`NormStep` in front of it hands out
        the normalised codes and passes the raw ones on.
    activation
        What stands between the value whose codes come in and the layer's x; None is nothing.
        Tables are made for the activated value, so it costs nothing.
    window
        The windows of a convolution.
    """

    layer: KanLayer
    activation: Activation | None = None
    window: Window | None = None

    kind: ClassVar[str] = "sums"
    passes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """For messages and reports."""
        return self.layer.name

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.layer.n_in if self.window is None else self.window.n_in

    @property
    def n_out(self) -> int:
        """Number of sums."""
        positions = 1 if self.window is None else self.window.positions
        return self.layer.n_out * positions

    @property
    def support(self) -> FloatArray | None:
        """``[n, 2]``: where the spline branch tells values apart; None for everywhere."""
        return self.layer.basis.support

    def read(self, value: FloatArray, *, split: bool) -> FloatArray:
        """What its first codes stand for: the spline's own input where a norm has split them."""
        return self.layer.spline_input(value) if split else value

    def __call__(self, value: FloatArray) -> FloatArray:
        """The sums of values ``[N, n]``."""
        x = value if self.activation is None else self.activation(value)
        if self.window is None:
            return self.layer.sums(x)
        return ConvLayer(self.layer, self.window)(x)


@dataclass(frozen=True, eq=False)
class NormStep(_Plain):
    """A layer normalisation.

    Parameters
    ----------
    norm
        The normalisation.
    name
        For messages and reports.
    passes
        Whether the raw codes go on beside the normalised ones; the value that goes on is then the
        raw one, and the layer behind normalises its spline's input itself.
    """

    norm: LayerNorm
    name: str
    passes: bool

    kind: ClassVar[str] = "norm"
    window: ClassVar[Window | None] = None
    # Normalised codes have bits of their own.
    wide: ClassVar[bool] = True

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.norm.n

    @property
    def n_out(self) -> int:
        """Number of normalised values."""
        return self.norm.n

    def __call__(self, value: FloatArray) -> FloatArray:
        """The value that the next step is given."""
        return value if self.passes else self.norm(value)


@dataclass(frozen=True, eq=False)
class ProductStep(_Plain):
    """Products of sums."""

    products: Products
    name: str

    kind: ClassVar[str] = "products"
    window: ClassVar[Window | None] = None
    passes: ClassVar[bool] = False
    # Factors have bits of their own.
    wide: ClassVar[bool] = True

    @property
    def n_in(self) -> int:
        """Number of sums."""
        return self.products.n_in

    @property
    def n_out(self) -> int:
        """Number of nodes."""
        return self.products.n_out

    def __call__(self, value: FloatArray) -> FloatArray:
        """The nodes of sums ``[N, n]``."""
        return self.products(value)


@dataclass(frozen=True, eq=False)
class PoolStep(_Plain):
    """Pooling, of the activated value."""

    layer: PoolLayer
    activation: Activation | None = None

    kind: ClassVar[str] = "pooling"
    passes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """For messages and reports."""
        return self.layer.name

    @property
    def window(self) -> Window:
        """The windows that are pooled."""
        return self.layer.window

    @property
    def n_in(self) -> int:
        """Values of an image."""
        return self.layer.n_in

    @property
    def n_out(self) -> int:
        """Values of a pooled image."""
        return self.layer.n_out

    def __call__(self, value: FloatArray) -> FloatArray:
        """The pooled images of values ``[N, n]``."""
        return self.layer(value if self.activation is None else self.activation(value))


Step = SumStep | NormStep | ProductStep | PoolStep
# A kind a step; what rooms hold for each of them is keyed by these.
STEP_KINDS = tuple(step.kind for step in (SumStep, NormStep, ProductStep, PoolStep))


def steps_of(model: KanModel) -> list[Step]:
    """Flatten a model: norms and products become steps, activations move into the next tables.

    Raises
    ------
    InputError
        If an activation stands in front of a normalisation or products.
    """
    chain = _Chain()
    for layer in model.layers:
        record_of(LAYER_STEPS, type(layer), "steps of layers", f"{_HOME}.LAYER_STEPS")(chain, layer)
    if chain.pending is not None:
        chain.steps.append(SumStep(_elementwise(chain.pending, model.n_out)))
    return chain.steps


class _Chain:
    """The steps so far, and an activation that waits for the tables that contain it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.pending: Activation | None = None

    def taken(self) -> Activation | None:
        """The activation that waits, for the tables of the next step."""
        taken, self.pending = self.pending, None
        return taken

    def refuse(self, where: str) -> None:
        """Refuse an activation in front of what has no tables."""
        if self.pending is not None:
            raise InputError(
                f"{where}, there is the activation {self.pending.name}: such a network has no "
                "integer form here; the activation must stand directly in front of a KAN layer or "
                "pooling"
            )


def _add_pooling(chain: _Chain, layer: PoolLayer) -> None:
    chain.steps.append(PoolStep(layer, chain.taken()))


def _add_sums(chain: _Chain, layer: KanLayer | ConvLayer) -> None:
    taps, window = layer.taps, layer.window
    if taps.spline_norm is not None:
        chain.refuse(f"{taps.name}, in front of its normalisation")
        chain.steps.append(NormStep(taps.spline_norm, f"{taps.name}.norm", passes=True))
    chain.steps.append(SumStep(replace(taps, post=()), chain.taken(), window))
    for post in taps.post:
        add = record_of(POST_STEPS, type(post), "steps of functions", f"{_HOME}.POST_STEPS")
        add(chain, taps.name, post)


def _add_activation(chain: _Chain, name: str, post: Activation) -> None:
    chain.refuse(f"{name}, in front of another one")
    chain.pending = None if post.name == "identity" else post


def _add_norm(chain: _Chain, name: str, post: LayerNorm) -> None:
    chain.refuse(f"{name}, in front of a LayerNorm")
    chain.steps.append(NormStep(post, f"{name}.norm", passes=False))


def _add_products(chain: _Chain, name: str, post: Products) -> None:
    chain.refuse(f"{name}, in front of a Products")
    chain.steps.append(ProductStep(post, f"{name}.products"))


# What layers of every kind become, and what may follow their sums.
LAYER_STEPS: dict[type, Callable[[_Chain, Any], None]] = {
    KanLayer: _add_sums,
    ConvLayer: _add_sums,
    PoolLayer: _add_pooling,
}
POST_STEPS: dict[type, Callable[[_Chain, str, Any], None]] = {
    Activation: _add_activation,
    LayerNorm: _add_norm,
    Products: _add_products,
}


def _elementwise(activation: Activation, count: int) -> KanLayer:
    """An activation at the end of a network, as a layer with one edge per output."""
    return KanLayer(
        NoBasis(count),
        np.empty((count, count, 0)),
        np.eye(count),
        activation,
        np.zeros(count),
        "activation",
    )


def finite_inside(step: SumStep, quantizer: ActivationQuantizer) -> bool:
    """Whether symbolic edges are finite over the whole range."""
    if not step.layer.symbolic or step.window is not None:
        return True
    grid = quantizer.grid()
    try:
        check_symbolic_edges(step.layer.symbolic, grid.min(axis=0), grid.max(axis=0), step.name)
    except InputError:
        return False
    return True
