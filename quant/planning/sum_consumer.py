"""What a layer of sums wants in front of it: its realisation, and a code or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.quant.config import QuantConfig, widest
from kanhw.quant.planning.consumer import Consumer, ReadValue
from kanhw.quant.planning.offsets import inside_grid
from kanhw.quant.planning.realisation import check_table_bits, chosen_realisation
from kanhw.quant.planning.steps import SumStep, finite_inside
from kanhw.quant.quantizers.feature_groups import feature_groups
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.quant.quantizers.room import widened
from kanhw.quant.splines.spline_grid import aligned_quantizer

__all__ = ["sum_consumer", "sums_read_inside"]

# A shared code wastes this share of its steps outside the spline's support before ``auto`` gives
# the branches a code each.
_WASTE = 0.25
# Of ranges that are each value's own where nobody asked for it: finer codes than an eighth of what
# the others have would coarsen the tables of all.
_NARROWEST = 0.125
# With fewer bits ranges are cut, and codes of few steps gain nothing by ranges of their own.
_WIDE_ENOUGH = 6
# Times what one half of the samples goes beyond the other: room for the next sample.
_ROOM = 1.0


def sum_consumer(step: SumStep, read: ReadValue) -> Consumer:
    """The quantizers in front of a layer, one or one for each branch, and its realisation.

    Raises
    ------
    InputError
        If the bits, or the realisation, cannot be those of such a layer.
    """
    if not isinstance(read.bits, int) and (step.window is not None or read.passed is not None):
        read.one_width(step)
    if read.passed is not None:
        return _split_sums(step, read.value, read.passed, read.config)
    count = read.value.shape[1]
    if not isinstance(read.bits, int) and len(read.bits) != count:
        raise InputError(
            f"{step.name} reads {count} values, so there must be {count} numbers of bits, not "
            f"{len(read.bits)}"
        )
    return _sums(step, read.value, read.bits, read.config, first=read.first)


def sums_read_inside(step: SumStep, consumer: Consumer, value: FloatArray) -> Consumer:
    """The consumer with a spline's outermost codes read as ends of its grid, where that helps."""
    # An evaluator computes from codes, and so reads what they stand for.
    tabulated = consumer.realisation != "spline_evaluator"
    spline = inside_grid(step, consumer.streams[0], value, tabulated=tabulated)
    return replace(consumer, streams=(spline, *consumer.streams[1:]))


def _split_sums(
    step: SumStep, value: FloatArray, passed: ActivationQuantizer, config: QuantConfig
) -> Consumer:
    """A layer whose basis reads the normalised value, and whose base branch the raw one."""
    bits = config.widest_activation
    realisation = _realisation(step, bits, config)
    normalised = step.layer.spline_input(value)
    spline = activation_quantizer(normalised, bits, config, step.layer.basis.support)
    if realisation == "codebook" and config.codebook.branches == "joint":
        raise InputError(
            f"{step.name}: its basis reads a normalised value and its base branch the raw one, so "
            "no shape can contain both: choose codebook.branches='separate' or norms='frozen'"
        )
    return Consumer((_fitted(spline, step, realisation, config), passed), 1, realisation)


def _sums(
    step: SumStep,
    value: FloatArray,
    bits: int | Sequence[int],
    config: QuantConfig,
    *,
    first: bool,
) -> Consumer:
    layer, activation = step.layer, step.activation
    realisation = _realisation(step, widest(bits), config)
    if realisation == "spline_evaluator" and not isinstance(bits, int):
        raise InputError(
            f"{step.name}: spline evaluators take codes of equal bits: choose another realisation, "
            "or one number of bits for all values"
        )
    in_window = True if step.window is not None else None
    # Without a base branch, nothing beyond the support is told apart.
    only_spline = not (layer.base_weights.any() or layer.symbolic) and activation is None
    support = layer.basis.support if activation is None and in_window is None else None
    limits = support if only_spline else None
    groups = None
    if first and step.window is None:
        groups = _input_groups(value, config)
    # Edge tables are in units of the codes that they become, whatever these are.
    own_scales = realisation == "edge_table" and config.activation_granularity == "auto"
    own_scales = own_scales and not in_window and not first and widest(bits) >= _WIDE_ENOUGH
    shared = activation_quantizer(
        value,
        bits,
        config,
        limits,
        activation=activation,
        per_tensor=False if own_scales else in_window,
        shared=groups,
        narrowest=_NARROWEST if own_scales else 0.0,
    )
    if own_scales:
        # The range of a single value ends where samples that were not seen go on.
        wider = widened(shared, value, limits, seed=config.seed, factor=_ROOM)
        shared = wider if finite_inside(step, wider) else shared
    one_code = first or realisation == "edge_table" or config.branch_inputs == "shared"
    one_code = one_code or config.shared_quantizers
    # Shapes that contain the base branch are functions of one code.
    one_code = one_code or (realisation == "codebook" and config.codebook.branches == "joint")
    if one_code or limits is not None or support is None or layer.symbolic:
        return Consumer((_fitted(shared, step, realisation, config),), 1, realisation)
    spline = activation_quantizer(value, bits, config, limits=support)
    if config.branch_inputs == "auto" and (spline.scale > (1 - _WASTE) * shared.scale).all():
        return Consumer((_fitted(shared, step, realisation, config),), 1, realisation)
    return Consumer((_fitted(spline, step, realisation, config), shared), 2, realisation)


def _input_groups(value: FloatArray, config: QuantConfig) -> IntArray:
    """Which of the network's features share a scale."""
    granularity = config.input_granularity
    if granularity == "auto":
        # Ranges of single features are left by the first row that was not seen: what is alike
        # shares one, as values between layers do.
        granularity = "channel" if config.activation_granularity == "channel" else "group"
    if granularity == "tensor":
        return np.zeros(value.shape[1], np.int64)
    return feature_groups(value, alone=granularity == "channel")


def _fitted(
    quantizer: ActivationQuantizer, step: SumStep, realisation: str, config: QuantConfig
) -> ActivationQuantizer:
    """The quantizer in front of a spline, with power-of-two cells where that saves arithmetic."""
    basis = step.layer.basis
    if realisation != "spline_evaluator" or not config.evaluator.alignment:
        return quantizer
    return aligned_quantizer(quantizer, basis) if isinstance(basis, BSplineBasis) else quantizer


def _realisation(step: SumStep, bits: int, config: QuantConfig) -> str:
    # One edge per output, or functions of a raw input beside a basis of the normalised one.
    if step.name == "activation" or (step.layer.symbolic and step.layer.spline_norm):
        check_table_bits(step.name, bits)
        return "edge_table"
    if config.realisation == "codebook":
        check_table_bits(step.name, bits)
        # A symbolic edge shares its shape with nobody, and without a basis there is none to share.
        if step.layer.symbolic:
            return "edge_table"
        return "codebook" if step.layer.basis.count else "basis_table"
    table_bits = config.table_bits or config.widest_activation + 3
    return chosen_realisation(step.layer, bits, table_bits, config)
