"""ZeroQ: calibration data made of nothing but what the network itself knows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.knots import KnotBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.numerics.random import standard_normal
from kanhw.quant.methods.gradients import derivative, norm_pullback, pullback
from kanhw.quant.planning.steps import NormStep, Step, SumStep, steps_of
from kanhw.records import record_of

__all__ = ["DOMAINS", "KNOWN", "SYNTHETIC_SAMPLES", "synthesize_inputs"]

_HOME = "kanhw.quant.methods.zeroq"

SYNTHETIC_SAMPLES = 128

# Adam's, and when it stops early: if so many iterations lower the loss by less than this share, or
# the loss is this small. What is left moves single inputs far away and few statistics.
_RATE, _DECAY, _SQUARE_DECAY, _TINY = 0.05, 0.9, 0.999, 1e-8
_PATIENCE, _PROGRESS, _ENOUGH = 25, 0.05, 1e-3

_TANH = Activation("tanh")
_IDENTITY = Activation("identity")


def synthesize_inputs(
    model: KanModel, count: int = SYNTHETIC_SAMPLES, seed: int = 0, iterations: int = 2000
) -> FloatArray:
    """Make inputs ``[count, n_in]`` on which a network meets the statistics that it knows.

    The literature's networks know the mean and deviation of what enters every BatchNorm. Here a
    LayerNorm's beta and gamma are the mean and deviation of what it makes, over samples and feature
    by feature. In front of other layers what is known is where their functions are: B-splines
    should see the mean and deviation of a uniform distribution over their grid, radial functions
    the same between their outermost centres, and polynomials of tanh(x) a tanh(x) that is uniform
    over -1 to 1. Layers without functions know nothing.

    Parameters
    ----------
    model
        The network.
    count
        Samples, at least 2.
    seed
        Of what they start from.
    iterations
        Of Adam, at most; it stops when 25 of them lower the loss by less than 5 %.

    Raises
    ------
    InputError
        If there are fewer than 2 samples or no iterations.
    """
    if count < 2:
        raise InputError(f"Statistics need at least 2 samples, not {count}")
    if iterations < 1:
        raise InputError(f"iterations must be at least 1, not {iterations}")
    steps = steps_of(model)
    known = [_known(step, steps[index - 1] if index else None) for index, step in enumerate(steps)]
    x = _start(known[0], count, model.n_in, np.random.default_rng(seed))
    best, found = math.inf, x
    # The loss that has to be beaten for more steps to be tried, and since when it stands.
    mark, waiting = math.inf, 0
    drift, energy = np.zeros_like(x), np.zeros_like(x)
    # What is left of the start in Adam's two means.
    bias = square_bias = 1.0
    for _ in range(iterations):
        loss, gradient = _loss(steps, known, x)
        if not math.isfinite(loss):
            break
        if loss < best:
            best, found = loss, x
        waiting = 0 if loss < mark * (1 - _PROGRESS) else waiting + 1
        if waiting == 0:
            mark = loss
        if waiting == _PATIENCE or loss < _ENOUGH:
            break
        drift = _DECAY * drift + (1 - _DECAY) * gradient
        energy = _SQUARE_DECAY * energy + (1 - _SQUARE_DECAY) * np.square(gradient)
        bias, square_bias = bias * _DECAY, square_bias * _SQUARE_DECAY
        mean = drift / (1 - bias)
        spread = np.sqrt(energy / (1 - square_bias))
        x = x - _RATE * mean / (spread + _TINY)
    return found


@dataclass(frozen=True, eq=False)
class _Known:
    """What a step knows of ``function(scale * activation(value) + shift)``, or of a norm's outputs.

    Parameters
    ----------
    mean, deviation
        Of every feature.
    norm
        Whose outputs they are of; the rest is of no use then.
    activation
        In front of the step.
    scale, shift
        Of a basis that reads its input through them.
    function
        Inside the basis: tanh, or nothing.
    """

    mean: FloatArray
    deviation: FloatArray
    norm: LayerNorm | None = None
    activation: Activation = _IDENTITY
    scale: FloatArray | float = 1.0
    shift: FloatArray | float = 0.0
    function: Activation = _IDENTITY

    def __call__(self, value: FloatArray) -> FloatArray:
        """What is known about, at values in front of the step."""
        if self.norm is not None:
            return self.norm(value)
        return self.function(self.scale * self.activation(value) + self.shift)

    def back(self, value: FloatArray, gradient: FloatArray) -> FloatArray:
        """The gradient in terms of the values."""
        if self.norm is not None:
            return norm_pullback(self.norm, value, gradient)
        inside = self.scale * self.activation(value) + self.shift
        slope = derivative(self.function, inside) * self.scale
        return gradient * slope * derivative(self.activation, value)


def _known(step: Step, before: Step | None) -> _Known | None:
    """What a step knows of its input; None where that is nothing."""
    return record_of(KNOWN, step.kind, "statistics of steps", f"{_HOME}.KNOWN")(step, before)


def _norm_known(step: NormStep, before: Step | None) -> _Known:
    return _Known(step.norm.beta, np.abs(step.norm.gamma), norm=step.norm)


def _sums_known(step: SumStep, before: Step | None) -> _Known | None:
    # What a norm makes is known better than what the layer behind it could make use of.
    if before is not None and before.kind == NormStep.kind:
        return None
    domain = _domain(step.layer.basis)
    if domain is None:
        return None
    ends = domain.ends
    if step.window is not None:
        # All positions of an image are alike.
        ends = ends.mean(axis=0, keepdims=True)
    mean, deviation = ends.mean(axis=1), (ends[:, 1] - ends[:, 0]) / math.sqrt(12)
    activation = step.activation or _IDENTITY
    return _Known(mean, deviation, None, activation, domain.scale, domain.shift, domain.function)


def _nothing_known(step: Step, before: Step | None) -> None:
    return None


# What steps of every kind know.
KNOWN: dict[str, Callable[[Any, Step | None], _Known | None]] = {
    "sums": _sums_known,
    "norm": _norm_known,
    "products": _nothing_known,
    "pooling": _nothing_known,
}


@dataclass(frozen=True, eq=False)
class _Domain:
    """Where a basis has its functions: ``function(scale * x + shift)`` within ends ``[n, 2]``."""

    ends: FloatArray
    scale: FloatArray | float = 1.0
    shift: FloatArray | float = 0.0
    function: Activation = _IDENTITY


def _domain(basis: Basis) -> _Domain | None:
    """The domain of a basis; None for one without functions."""
    return record_of(DOMAINS, type(basis), "domain of bases", f"{_HOME}.DOMAINS")(basis)


def _knots(basis: KnotBasis) -> _Domain:
    return _Domain(basis.knots[:, [basis.order, -basis.order - 1]])


def _centres(basis: RadialBasis) -> _Domain:
    return _Domain(np.array([[basis.centres.min(), basis.centres.max()]]))


def _tanh(basis: GramBasis | ChebyshevBasis) -> _Domain:
    return _Domain(np.array([[-1.0, 1.0]]), function=_TANH)


def _affine(basis: AffineBasis) -> _Domain | None:
    inner = _domain(basis.inner)
    return None if inner is None else replace(inner, scale=basis.scale, shift=basis.shift)


def _without_functions(basis: NoBasis) -> None:
    return None


# Where bases of every kind have their functions.
DOMAINS: dict[type, Callable[[Any], _Domain | None]] = {
    BSplineBasis: _knots,
    RepeatedKnotBasis: _knots,
    RadialBasis: _centres,
    GramBasis: _tanh,
    ChebyshevBasis: _tanh,
    AffineBasis: _affine,
    NoBasis: _without_functions,
}


def _start(known: _Known | None, count: int, n_in: int, rng: np.random.Generator) -> FloatArray:
    """Uniform numbers where the first layer's functions are, or normal ones."""
    plain = known is not None and known.norm is None and known.function == _IDENTITY
    if known is None or not plain or not (known.deviation > 0).all():
        return standard_normal(rng, (count, n_in))
    reach = math.sqrt(3.0) * known.deviation
    drawn = known.mean + reach * rng.uniform(-1, 1, (count, n_in))
    start: FloatArray = (drawn - known.shift) / known.scale
    return start


def _loss(steps: list[Step], known: list[_Known | None], x: FloatArray) -> tuple[float, FloatArray]:
    """How far all statistics are from those that are known, and the gradient at the inputs."""
    last = max((index for index, each in enumerate(known) if each is not None), default=-1)
    values = [x]
    for step in steps[: max(last, 0)]:
        values.append(step(values[-1]))
    total, gradient = 0.0, np.zeros_like(values[-1])
    for index in range(last, -1, -1):
        value, own = values[index], known[index]
        if own is not None:
            seen = own(value)
            loss, owed = _distance(seen, own)
            total += loss
            gradient = gradient + own.back(value, owed)
        if index:
            gradient = pullback(steps[index - 1], values[index - 1], gradient)
    return total, gradient


def _distance(seen: FloatArray, known: _Known) -> tuple[float, FloatArray]:
    """Squared distances of means and deviations, and their gradient; no unit plays a part."""
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)
    unit = (float(np.square(known.deviation).mean()) or 1.0) * seen.shape[1]
    off, wide = mean - known.mean, deviation - known.deviation
    loss = float((np.square(off) + np.square(wide)).sum()) / unit
    direction = (seen - mean) / np.where(deviation > 0, deviation, 1.0)
    return loss, 2 * (off + wide * direction) / (len(seen) * unit)
