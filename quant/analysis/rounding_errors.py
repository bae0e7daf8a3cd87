"""Squared errors of rounding what has bits of its own, at what held-out data look up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.quant.analysis.held_out import HeldOut
from kanhw.quant.analysis.units import Unit
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.branches import Branches, branches_of
from kanhw.quant.integers.sums import table_unit
from kanhw.quant.integers.tables import finite_base_edges
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, quantize_weights
from kanhw.quant.quantizers.sum_inputs import SumInputs

__all__ = ["squared_error", "unit_index", "weight_peaks"]

IntRows = npt.NDArray[np.int64]


def squared_error(plan: Plan, unit: Unit, data: HeldOut) -> float:
    """The squared error of rounding, over the values of a sample, or over weights times samples.

    The traces are those of all samples added up; errors of values are too, and those of weights
    are the same for all samples.
    """
    index = unit_index(plan, unit)
    values = _values(plan, data)
    if unit.branch == "activation":
        return _activation_error(plan, index, values)
    step = plan.steps[index]
    if not isinstance(step, SumStep):
        raise TypeError(f"{unit.layer} has no weights")
    own, inputs = plan.config.for_layer(step.name), plan.consumers[index].sum_inputs(step)
    branches = branches_of(step.layer, inputs, own)
    if unit.branch in ("base", "spline"):
        spline_bits, base_bits = own.weight_bits
        weights, count = branches.coefficients, spline_bits
        if unit.branch == "base":
            weights, count = branches.base_weights, base_bits
        rounded = quantize_weights(weights, count, own)
        return float(np.square(rounded.dequantize() - weights).sum())
    rows = _rows(step, plan, index, values)
    if unit.branch == "table":
        return _edge_error(step, plan, index, rows)
    return _basis_error(step, inputs, branches, rows)


def _values(plan: Plan, data: HeldOut) -> list[FloatArray]:
    values = [data.x]
    for step in plan.steps:
        values.append(step(values[-1]))
    return values


def _activation_error(plan: Plan, index: int, values: list[FloatArray]) -> float:
    consumer, step, total = plan.consumers[index], plan.steps[index], 0.0
    value = values[index]
    for number, quantizer in enumerate(consumer.streams):
        # Behind a norm that passes codes on, the basis reads the normalised value.
        seen = step.read(value, split=consumer.split and number == 0)
        error = np.square(quantizer.dequantize(quantizer.quantize(seen)) - seen)
        support = step.support
        if len(consumer.streams) > 1 and number == 0 and support is not None:
            # Beyond its support a spline does not tell values apart.
            error = np.where((seen < support[:, 0]) | (seen > support[:, 1]), 0.0, error)
        total += float(error.mean(axis=0).sum())
    return total


def _rows(step: SumStep, plan: Plan, index: int, values: list[FloatArray]) -> list[IntRows]:
    """Table addresses of every stream, a window as a sample of its own."""
    rows = []
    for number, quantizer in enumerate(plan.consumers[index].streams):
        split = plan.consumers[index].split and number == 0
        seen = step.read(values[index], split=split)
        address = (quantizer.quantize(seen) - quantizer.format.lo).astype(np.int64)
        if step.window is not None:
            gathered, _ = step.window.gather(address, 0)
            address = gathered.reshape(-1, step.window.taps)
        rows.append(address)
    return rows


def _basis_error(
    step: SumStep, inputs: SumInputs, branches: Branches, rows: list[IntRows]
) -> float:
    """Of the tables, at what is looked up."""
    exact = branches_of(
        replace(step.layer, symbolic=()),
        SumInputs(inputs.quantizers, "edge_table"),
        QuantConfig(),
    )
    features = np.arange(step.layer.n_in)
    count = step.layer.basis.count
    total = 0.0
    if count:
        peaks = weight_peaks(step, inputs)[0, :, None]
        error = branches.spline[:, :, :count] - exact.spline / peaks
        total += float(np.square(error[features, rows[0]]).mean(axis=0).sum())
    base = np.square((branches.base - exact.base)[features, rows[-1]])
    positions = step.window.positions if step.window else 1
    return (total + float(base.mean(axis=0).sum())) * positions


def _edge_error(step: SumStep, plan: Plan, index: int, rows: list[IntRows]) -> float:
    """Of edge tables, at what is looked up: uniform within a step."""
    own, inputs = plan.config.for_layer(step.name), plan.consumers[index].sum_inputs(step)
    layer = replace(step.layer, spline_norm=None)
    edges = [
        layer.spline_edges(inputs.spline.grid()),
        finite_base_edges(layer, inputs.base.grid()),
    ]
    if len(inputs.quantizers) == 1:
        edges = [edges[0] + edges[1]]
    target: ActivationQuantizer | None = None
    if index + 1 < len(plan.steps):
        target = plan.consumers[index + 1].wanted[0]
        target = target.cut_to(layer.n_sums) if step.window else target
    unit, _ = table_unit(layer, edges, target, own)
    features, total = np.arange(layer.n_in), 0.0
    for edge, address in zip(edges, rows, strict=True):
        rounded = np.floor(edge / unit[:, None, None] + 0.5) * unit[:, None, None]
        error = np.square(rounded - edge)
        total += float(error[:, features, address].mean(axis=1).sum())
    positions = step.window.positions if step.window else 1
    return total * positions


def weight_peaks(step: SumStep, inputs: SumInputs) -> FloatArray:
    """``[n_out, n_in, K]``: what coefficients are multiplied with before they are rounded."""
    ones = replace(step.layer, coefficients=np.ones_like(step.layer.coefficients))
    peaks: FloatArray = branches_of(ones, inputs, QuantConfig()).coefficients
    return peaks[..., : step.layer.basis.count]


def unit_index(plan: Plan, unit: Unit) -> int:
    """Which step of a plan a unit is of."""
    return next(i for i, step in enumerate(plan.steps) if step.name == unit.layer)
