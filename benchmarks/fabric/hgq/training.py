"""Networks of HGQ2's QDenseT under a rising weight of their cost: the best of every band of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.common.data import Dataset, IntArray
from kanhw.formats import FloatArray
from kanhw.quant.fabric.parts import fold_parts

__all__ = ["Kept", "Recipe", "Refit", "Rows", "best_at", "network", "rows_of", "trained"]

# Bands of cost, of each of which the best network by validation is kept.
BAND = 1.1
# Before them widths are still those of the start.
FIRST_EPOCHS = 20
# Of every row, where there is noise: as many as training for the fabric makes.
COPIES = 8
_NOISE_SEED = 0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    ``betas`` are the first and last weight of EBOPs, between which it rises exponentially; Adam's
    rate falls along a cosine to a tenth of ``rate``; ``jitter`` is the deviation of the noise on
    features in units of their own. ``sizes`` are neurons, ``hidden`` those of an edge, and
    ``refit`` the epochs with all rows.
    """

    sizes: tuple[int, ...]
    epochs: int
    betas: tuple[float, float]
    rate: float
    batch: int
    batch_norm: bool
    jitter: float = 0.0
    hidden: int = 8
    refit: int = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """What one seed is trained on and chosen by: x ``[N, n_in]`` and classes ``[N]``."""

    train_x: FloatArray
    train_y: IntArray
    validation_x: FloatArray
    validation_y: IntArray

    @property
    def every_x(self) -> FloatArray:
        """Both parts."""
        return np.concatenate([self.train_x, self.validation_x])


@dataclass(frozen=True)
class Kept:
    """The best network of a band of cost, and the weight of cost that it had."""

    cost: float
    validation: float
    beta: float
    weights: list[npt.NDArray[Any]] = field(repr=False)


def rows_of(given: Dataset, folds: int | None, seeds: int) -> list[Rows]:
    """The rows of every seed: a dataset's own, or of the k-th seed the k-th fold is held out.

    The folds are those of ``kanhw.train_for_fabric``, row by row.
    """
    own = given.train_x, given.train_y, given.validation_x, given.validation_y
    if folds is None:
        return [Rows(*own)] * seeds  # type: ignore[arg-type]  # classes
    x, y = np.concatenate(own[::2]), np.concatenate(own[1::2])
    return [
        Rows(x[part.trained], y[part.trained], x[part.held_out], y[part.held_out])
        for part in fold_parts(torch.from_numpy(y), folds, seeds)
    ]


def noisy(x: FloatArray, jitter: float) -> FloatArray:
    """``[COPIES, N, n_in]``: rows with noise, which stays within the range of every feature."""
    random = np.random.default_rng(_NOISE_SEED)
    noise = random.standard_normal((COPIES, *x.shape)) * x.std(axis=0)
    clipped: FloatArray = np.clip(x + jitter * noise, x.min(axis=0), x.max(axis=0))
    return clipped


def network(recipe: Recipe) -> Any:
    """Layers of QDenseT, with what their authors start them from."""
    import keras
    from hgq.config import LayerConfigScope
    from hgq.layers import QDenseT

    with LayerConfigScope(enable_ebops=True, beta0=recipe.betas[0]):
        layers = [
            QDenseT(size, d_hl=recipe.hidden, batch_norm=recipe.batch_norm)
            for size in recipe.sizes[1:]
        ]
        return keras.Sequential([keras.layers.Input((recipe.sizes[0],)), *layers])


def trained(rows: Rows, seed: int, recipe: Recipe) -> list[Kept]:
    """The best networks by validation of one training, from cheap to dear."""
    import keras

    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    model = network(recipe)
    training = Training(model, rows, recipe)
    bands: dict[int, Kept] = {}
    for epoch, beta in enumerate(np.geomspace(*recipe.betas, recipe.epochs + 1)[:-1]):
        cost, validation = training.epoch(beta, random)
        band = int(math.log(max(cost, 1)) / math.log(BAND))
        best = bands.get(band)
        if epoch >= FIRST_EPOCHS and (best is None or validation > best.validation):
            bands[band] = Kept(cost, validation, beta, training.weights())
    return sorted(bands.values(), key=lambda kept: kept.cost)


class Refit:
    """Networks that go on with all rows, validation included, at the weight of cost they had.

    The rate begins at a tenth of what the training began with, and falls to a tenth of that.
    """

    def __init__(self, rows: Rows, recipe: Recipe) -> None:
        every = replace(
            rows,
            train_x=rows.every_x,
            train_y=np.concatenate([rows.train_y, rows.validation_y]),
        )
        own = replace(recipe, rate=recipe.rate / 10, epochs=recipe.refit)
        self._training = Training(network(recipe), every, own)
        self._epochs = recipe.refit

    def __call__(self, kept: Kept, seed: int) -> Kept:
        """The network at the end; its validation figure is that before."""
        random = np.random.default_rng(seed)
        self._training.begin(kept.weights)
        for _ in range(self._epochs):
            cost, _ = self._training.epoch(kept.beta, random)
        return replace(kept, cost=cost, weights=self._training.weights())


class Training:
    """Keras' steps of an epoch as one compiled loop of jax: ``Model.fit`` is several times slower.

    Parameters
    ----------
    model
        What is trained; its variables are read at the start.
    rows, recipe
        On what, and how.
    """

    def __init__(self, model: Any, rows: Rows, recipe: Recipe) -> None:
        import jax
        import jax.numpy as jnp
        import keras

        copies = noisy(rows.train_x, recipe.jitter) if recipe.jitter else rows.train_x[None]
        # Given to what is compiled, so that it is the same for other rows.
        self._rows = (
            *(jnp.asarray(copies, jnp.float32), jnp.asarray(rows.train_y)),
            jnp.asarray(rows.train_x, jnp.float32),
            *(jnp.asarray(rows.validation_x, jnp.float32), jnp.asarray(rows.validation_y)),
        )
        self._copies, self._count = copies.shape[:2]
        self._steps = self._count // recipe.batch
        rate = keras.optimizers.schedules.CosineDecay(
            recipe.rate, recipe.epochs * self._steps, alpha=0.1
        )
        optimiser = keras.optimizers.Adam(rate)
        optimiser.build(model.trainable_variables)
        others = model.non_trainable_variables
        layers = [layer for layer in model.layers if hasattr(layer, "_beta")]
        places = {id(own): place for place, own in enumerate(others)}
        betas = [places[id(layer._beta)] for layer in layers]
        costs = [places[id(layer._ebops)] for layer in layers]
        cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def loss(learned: Any, fixed: Any, batch: Any, labels: Any) -> Any:
            out, fixed, own = model.stateless_call(
                learned, fixed, batch, training=True, return_losses=True
            )
            return cross_entropy(labels, out) + sum(own), fixed

        @jax.jit
        def epoch(state: Any, beta: Any, order: Any, given: Any) -> Any:
            x, y, every_x, held_x, held_y = given

            def step(state: Any, chosen: Any) -> Any:
                learned, fixed, own = state
                copy, row = chosen
                slopes = jax.grad(loss, has_aux=True)
                gradients, fixed = slopes(learned, fixed, x[copy, row], y[row])
                learned, own = optimiser.stateless_apply(own, gradients, learned)
                return (learned, fixed, own), None

            learned, fixed, own = state
            fixed = [beta if n in betas else value for n, value in enumerate(fixed)]
            (learned, fixed, own), _ = jax.lax.scan(step, (learned, fixed, own), order)
            # Ranges of codes are those of the last batch, which is small: others would wrap, and
            # the cost would be too low. Here they are those of all rows.
            _, fixed = model.stateless_call(learned, fixed, every_x, training=True)
            out, _ = model.stateless_call(learned, fixed, held_x, training=False)
            right = jnp.mean(jnp.argmax(out, 1) == held_y)
            return (learned, fixed, own), sum(fixed[n] for n in costs), right

        self._epoch = epoch
        self._model = model
        self._batch = recipe.batch
        self._variables = model.trainable_variables, others, optimiser.variables
        self._state = self._values()
        self._first = self._state

    def begin(self, weights: list[npt.NDArray[Any]]) -> None:
        """Begin anew from other weights of the model."""
        self._model.set_weights(weights)
        self._state = (*self._values()[:2], self._first[2])

    def _values(self) -> tuple[list[Any], ...]:
        return tuple([own.value for own in variables] for variables in self._variables)

    def epoch(self, beta: float, random: np.random.Generator) -> tuple[float, float]:
        """Train for an epoch: EBOPs, and the share of held-out rows that are right."""
        order = random.permutation(self._count)[: self._steps * self._batch]
        copy = random.integers(self._copies, size=len(order))
        chosen = tuple(own.reshape(self._steps, self._batch) for own in (copy, order))
        self._state, cost, right = self._epoch(self._state, np.float32(beta), chosen, self._rows)
        return float(cost), float(right)

    def weights(self) -> list[npt.NDArray[Any]]:
        """What ``model.set_weights`` takes."""
        for variables, values in zip(self._variables[:2], self._state[:2], strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return list(self._model.get_weights())


def best_at(kept: Sequence[Kept], limit: float) -> Kept | None:
    """The best by validation that costs no more; the cheapest of equals."""
    cheap = [own for own in kept if own.cost <= limit]
    return max(cheap, key=lambda own: (own.validation, -own.cost), default=None)
