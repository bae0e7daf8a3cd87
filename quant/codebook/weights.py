"""The integers that the edges of a layer become when they share shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.quant.codebook.sampling import LayerEdges, sample_edges
from kanhw.quant.codebook.shapes import FittedLayer, fit_shapes
from kanhw.quant.codebook.sums import quantize_codebook
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.tables import base_tables
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, WeightQuantizer, quantize_weights
from kanhw.quant.quantizers.rounding import round_half_up
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.record.model import QuantLayer

__all__ = ["CodebookWeights", "codebook_weights", "integer_biases"]

# What layers of one codebook have to agree on.
_SHARED_FIELDS = (
    "size",
    "clustering",
    "weighting",
    "gain",
    "bias",
    "branches",
    "shape_bits",
)


@dataclass(frozen=True, eq=False)
class CodebookWeights:
    """A layer's share of a codebook, and its base branch.

    Edge (j, i) is ``gains.scale[j] * (gains[j,i] shapes[index[j,i]] + biases[j,i] offsets[i])``,
    and what biases add to every output alike is in ``folded``.

    Parameters
    ----------
    shapes
        ``[K, A]``; layers and networks that share a codebook hold the same array.
    index
        ``[n_out, n_in]``.
    gains
        ``[n_out, n_in]`` integers, and the real units of the sums.
    biases, offsets
        ``[n_out, n_in]`` and ``[n_in, A]`` integers, or None.
    folded
        ``[n_out]`` reals, to be added to the layer's bias.
    base
        The quantized base weights, all zero where shapes contain the branch.
    base_codes, base_unit
        ``[n_in, A']`` integers and the reals of a step.
    error
        What is left of the functions of all layers of this codebook; see :class:`FittedShapes`.
    """

    shapes: IntArray
    index: IntArray
    gains: WeightQuantizer
    biases: IntArray | None
    offsets: IntArray | None
    folded: FloatArray
    base: WeightQuantizer
    base_codes: IntArray
    base_unit: float
    error: float

    def integers(
        self,
        step: SumStep,
        inputs: SumInputs,
        targets: tuple[ActivationQuantizer | None, ...],
        config: QuantConfig,
    ) -> QuantLayer:
        """The layer as :func:`kanhw.quant.codebook.sums.quantize_codebook` makes it."""
        return quantize_codebook(step, inputs, targets, config, self)


def codebook_weights(plans: Sequence[Plan]) -> list[dict[int, CodebookWeights]]:
    """Find the codebooks of some networks that share them; for every plan, by its step.

    Parameters
    ----------
    plans
        One, or several of layers of equal shapes: the steps at one place share a codebook, or, with
        ``codebook.scope="network"``, all steps do.

    Raises
    ------
    InputError
        If layers cannot share a codebook: their codes differ in width, or their configs in what
        concerns shapes.
    """
    places = [
        index
        for index, consumer in enumerate(plans[0].consumers)
        if consumer.realisation == "codebook"
    ]
    groups = [[(plan, index) for plan in plans] for index in places]
    if plans[0].config.codebook.scope == "network" and groups:
        groups = [[member for group in groups for member in group]]
    found: list[dict[int, CodebookWeights]] = [{} for _ in plans]
    by_plan = {id(plan): own for plan, own in zip(plans, found, strict=True)}
    for group in groups:
        layers = tuple(sample_edges(plan, index) for plan, index in group)
        _check_alike(layers)
        fitted = fit_shapes(layers)
        for (plan, index), edges, own in zip(group, layers, fitted.layers, strict=True):
            made = _integers(plan, index, edges, own, fitted.shapes)
            by_plan[id(plan)][index] = replace(made, error=fitted.error)
    return found


def _check_alike(layers: tuple[LayerEdges, ...]) -> None:
    first = layers[0]
    for other in layers[1:]:
        for field in _SHARED_FIELDS:
            ours, theirs = (getattr(each.config.codebook, field) for each in (first, other))
            if ours != theirs:
                raise InputError(
                    f"{first.name} and {other.name} share a codebook, so codebook.{field} must be "
                    f"the same, not {ours!r} and {theirs!r}"
                )
        depths = first.functions.shape[2], other.functions.shape[2]
        if depths[0] != depths[1]:
            bits = [depth.bit_length() - 1 for depth in depths]
            raise InputError(
                f"{first.name} and {other.name} share a codebook, but read codes of {bits[0]} and "
                f"{bits[1]} bits: choose equal input_bits and activation_bits, or "
                "codebook.scope='layer'"
            )
        if (
            first.config.codebook.clustering == "coefficients"
            and first.coefficients.shape[2] != other.coefficients.shape[2]
        ):
            raise InputError(
                f"{first.name} and {other.name} share a codebook, but have "
                f"{first.coefficients.shape[2]} and {other.coefficients.shape[2]} coefficients per "
                "edge: choose codebook.clustering='functions'"
            )


def _integers(
    plan: Plan, index: int, edges: LayerEdges, fitted: FittedLayer, shapes: IntArray
) -> CodebookWeights:
    step = plan.steps[index]
    if not isinstance(step, SumStep):  # pragma: no cover - sample_edges has refused it
        raise TypeError(f"{step.name} has no edges")
    config = edges.config
    folded = np.zeros(len(fitted.biases))
    biases: IntArray | None = None
    offsets: IntArray | None = None
    if edges.offsets is not None and edges.folds:
        folded = (fitted.biases * edges.offsets[:, 0]).sum(axis=1)
    elif edges.offsets is not None:
        biases, offsets = integer_biases(edges, fitted, shapes, config)
        if not biases.any():
            biases = offsets = None
    layer, inputs = step.layer, plan.consumers[index].sum_inputs(step)
    weights = layer.base_weights
    if config.codebook.branches == "joint":
        weights = np.zeros_like(weights)
    base = quantize_weights(weights, config.weight_bits[1], config)
    codes, unit = base_tables(layer, inputs.base, config.base_table_bits)
    if not base.codes.any():
        codes, unit = np.zeros_like(codes), 1.0
    return CodebookWeights(
        shapes, fitted.index, fitted.gains, biases, offsets, folded, base, codes, unit, 0.0
    )


def integer_biases(
    edges: LayerEdges, fitted: FittedLayer, shapes: IntArray, config: QuantConfig
) -> tuple[IntArray, IntArray]:
    """Biases ``[n_out, n_in]`` and offsets ``[n_in, A]``, in the units of gain times shape.

    The offsets are as large as the largest bias asks for, and biases are the least squares' best
    for the offsets as they were rounded.
    """
    if edges.offsets is None:
        raise TypeError(f"{edges.name} has no offsets")
    top = (1 << (config.codebook.bias_bits - 1)) - 1
    units = fitted.gains.scale[:, None]
    size = max(float(np.abs(fitted.biases / units).max()) / top, 1.0)
    offsets = round_half_up(edges.offsets * size).astype(np.int64)
    shaped = fitted.gains.codes[:, :, None] * shapes[fitted.index]
    missing = edges.functions / units[:, :, None] - shaped
    products = (missing * (edges.weights * offsets)).sum(axis=2)
    sizes = (edges.weights * np.square(offsets)).sum(axis=1)
    wanted = np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0)
    biases = round_half_up(wanted).clip(-top, top).astype(np.int64)
    return np.where(edges.active, biases, 0), offsets
