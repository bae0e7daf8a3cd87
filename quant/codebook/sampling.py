"""What a codebook has to stand for: a layer's edges at the codes that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.sum_inputs import SumInputs

__all__ = ["LayerEdges", "sample_edges"]

# What all codes of an input share evenly when errors are weighted by data: a code that calibration
# never met may come all the same.
_UNSEEN = 0.05
# Offsets that differ by a smaller share are the same.
_CONSTANT = 1e-9


@dataclass(frozen=True, eq=False)
class LayerEdges:
    """A layer's edges, sampled.

    Parameters
    ----------
    name
        Of the layer.
    config
        What holds for this layer.
    functions
        ``[n_out, n_in, A]`` reals: what shapes have to stand for.
    coefficients
        ``[n_out, n_in, D]``: the weights that the functions are linear in.
    means
        ``[n_out, n_in]``: the means of the spline's coefficients.
    active
        ``[n_out, n_in]``: whether an edge has a function at all.
    offsets
        ``[n_in, A]``: what a bias is multiplied by; None where the config wants no biases.
    folds
        Whether offsets are constant, and inputs always present, so that a bias is a constant of its
        output and costs nothing.
    weights
        ``[n_in, A]``: how much an error at a code counts; 1 for every input.
    """

    name: str
    config: QuantConfig
    functions: FloatArray
    coefficients: FloatArray
    means: FloatArray
    active: npt.NDArray[np.bool_]
    offsets: FloatArray | None
    folds: bool
    weights: FloatArray


def sample_edges(plan: Plan, index: int) -> LayerEdges:
    """Sample the edges of one layer of a plan.

    With ``codebook.clustering="coefficients"`` a bias is the mean of a spline's coefficients, and
    multiplies the sum of all bases. With ``"functions"`` it multiplies 1.
    """
    step = plan.steps[index]
    if not isinstance(step, SumStep):
        raise TypeError(f"{step.name} has no edges")
    inputs = plan.consumers[index].sum_inputs(step)
    config = plan.config.for_layer(step.name)
    layer = replace(step.layer, spline_norm=None)
    grid = inputs.spline.grid()
    functions, coefficients = layer.spline_edges(grid), layer.coefficients
    active = (coefficients != 0).any(axis=2)
    if config.codebook.branches == "joint":
        functions = functions + layer.base_edges(grid)
        coefficients = np.concatenate([coefficients, layer.base_weights[:, :, None]], axis=2)
        active = active | (layer.base_weights != 0)
    offsets: FloatArray | None = None
    folds = False
    if config.codebook.bias:
        offsets = np.ones(functions.shape[1:])
        if config.codebook.clustering == "coefficients":
            offsets = layer.basis(grid).sum(axis=2).T
            # Only the product with a bias matters: peaks of 1 make the biases reals of the edge.
            offsets = offsets / (float(np.abs(offsets).max()) or 1.0)
        padded = step.window is not None and bool((step.window.index < 0).any())
        steady = float(np.ptp(offsets, axis=1).max()) <= _CONSTANT
        folds = steady and not padded
    return LayerEdges(
        step.name,
        config,
        functions,
        coefficients,
        layer.coefficients.mean(axis=2),
        active,
        offsets,
        folds,
        _weights(plan.values[index], step, inputs, config),
    )


def _weights(
    values: FloatArray, step: SumStep, inputs: SumInputs, config: QuantConfig
) -> FloatArray:
    """How often data hit each code of each input, or the same for all."""
    depth, n_in = inputs.spline.format.count, step.layer.n_in
    even = np.full((n_in, depth), 1.0 / depth)
    if config.codebook.weighting == "uniform":
        return even
    read = step.layer.spline_input(values)
    present: npt.NDArray[np.bool_] = np.ones(read.shape, np.bool_)
    if step.window is not None:
        read, inside = step.window.gather(read, 0.0)
        present = np.broadcast_to(inside, read.shape).reshape(-1, n_in)
        read = read.reshape(-1, n_in)
    addresses = (inputs.spline.quantize(read) - inputs.spline.format.lo).astype(np.int64)
    counts = np.stack(
        [np.bincount(addresses[present[:, i], i], minlength=depth) for i in range(n_in)]
    )
    seen: FloatArray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return (1 - _UNSEEN) * seen + _UNSEEN * even
