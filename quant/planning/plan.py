"""What stands between the steps of a network: its quantizers, chosen from calibration data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanModel
from kanhw.quant.config import QuantConfig, widest
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.quant.planning.input_bits import input_bits
from kanhw.quant.planning.offsets import inside_grid, without_offsets
from kanhw.quant.planning.realisation import (
    check_table_bits,
    chosen_realisation,
    with_free_bits,
)
from kanhw.quant.planning.steps import (
    PoolStep,
    ProductStep,
    Step,
    SumStep,
    finite_inside,
    steps_of,
)
from kanhw.quant.quantizers.feature_groups import feature_groups
from kanhw.quant.quantizers.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.quant.quantizers.room import widened
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.splines.spline_grid import aligned_quantizer
from kanhw.values import brief_repr

__all__ = ["Consumer", "Plan", "make_plan"]

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
# Of codes that are normalised.
_WIDEST_NORM = 14


@dataclass(frozen=True, eq=False)
class Plan:
    """A network's steps, what each wants in front of it, and the values that were seen there.

    Parameters
    ----------
    steps
        In order; constants of their functions are in the biases.
    consumers
        What every step wants.
    values
        ``[N, n]`` reals in front of every step, and the network's outputs last.
    config
        What was asked for.
    source
        Where the float model came from.
    """

    steps: tuple[Step, ...]
    consumers: tuple[Consumer, ...]
    values: tuple[FloatArray, ...]
    config: QuantConfig
    source: str

    __repr__ = brief_repr

    def targets(self, index: int) -> tuple[ActivationQuantizer | None, ...]:
        """The quantizers of what a step makes; None for the network's outputs."""
        return self.consumers[index + 1].wanted if index + 1 < len(self.steps) else (None,)


def make_plan(
    model: KanModel,
    calibration: npt.ArrayLike,
    config: QuantConfig,
) -> Plan:
    """Choose the quantizers of every value between two steps.

    Raises
    ------
    InputError
        If the calibration data are empty, of the wrong width, or not finite; if the config names a
        layer that does not exist; if the model has layers that have no integer form here; or if
        ``activation_bits`` or ``input_bits`` is a sequence that is not as long as there are values,
        or stands in front of a step whose codes share one scale.
    """
    replace(config, layers={}, input_bits=None).check_one_width(
        "the whole network: give those of a layer in layers"
    )
    value = _checked_calibration(calibration, model)
    source = model.source
    if config.norms == "frozen":
        frozen = freeze_norms(model, value)
        model = frozen.model
        source += (
            "; norms frozen to calibration statistics, which changes outputs by at most "
            f"{100 * frozen.change_of_range:.2g} % of their range on that data"
        )
    steps = steps_of(model)
    config.check_layers([step.name for step in steps])
    consumers: list[Consumer] = []
    values = [value]
    for index, step in enumerate(steps):
        # Behind a norm that passes its codes on, the base branch reads those codes: their quantizer
        # was chosen in front of the norm.
        passed = consumers[-1].streams[-1] if index and steps[index - 1].passes else None
        # Images have one scale for all positions.
        image = index > 0 and steps[index - 1].window is not None
        # The codes that a norm passes on are read by the layer behind it, whose fields hold.
        asked = config.for_layer(steps[index + step.passes].name)
        if image:
            asked = replace(asked, activation_granularity="tensor")
        if config.input_bits == "auto" and "activation_bits" in config.layers.get(step.name, {}):
            # What is said of the first layer is said of the input.
            asked = replace(asked, input_bits=None)
        wanted = _consumer(step, values[-1], asked, first=index == 0, passed=passed)
        consumers.append(_read_inside(step, wanted, values[-1]))
        values.append(step(values[-1]))
    moved = [
        without_offsets(step, consumer.sum_inputs(step)) if isinstance(step, SumStep) else step
        for step, consumer in zip(steps, consumers, strict=True)
    ]
    tabulated = [
        step.name
        for step, consumer in zip(steps, consumers, strict=True)
        if isinstance(step, SumStep) and consumer.realisation == "edge_table"
    ]
    config = with_free_bits(config, tabulated)
    return Plan(tuple(moved), tuple(consumers), tuple(values), config, source)


@dataclass(frozen=True)
class Consumer:
    """What a step wants in front of it.

    Parameters
    ----------
    streams
        The quantizers of the streams that it is given, in order.
    made
        Those of them that the step before has to make; the others are passed on by it.
    realisation
        Of a layer's edges.
    """

    streams: tuple[ActivationQuantizer, ...]
    made: int
    realisation: str = "edge_table"

    @property
    def wanted(self) -> tuple[ActivationQuantizer, ...]:
        """What the step before has to make."""
        return self.streams[: self.made]

    @property
    def split(self) -> bool:
        """Whether a norm before it has passed one of the codes on."""
        return self.made < len(self.streams)

    def sum_inputs(self, step: SumStep) -> SumInputs:
        """What a layer reads; every tap of a window with the image's one quantizer."""
        quantizers = self.streams
        if step.window is not None:
            quantizers = tuple(q.cut_to(step.window.taps) for q in quantizers)
        return SumInputs(quantizers, self.realisation)


def _checked_calibration(calibration: npt.ArrayLike, model: KanModel) -> FloatArray:
    features = np.asarray(calibration)
    if features.dtype.kind not in "fiub":
        raise TypeError(f"Calibration data must be numbers, not {features.dtype}")
    if features.ndim > 2 and features.shape[1:] == model.input_shape:
        features = features.reshape(len(features), model.n_in)
    features = features.astype(np.float64)
    if features.ndim != 2 or features.shape[1] != model.n_in:
        shape = ", ".join(map(str, model.input_shape))
        turned = features.ndim == 2 and features.shape[0] == model.n_in
        raise InputError(
            f"Calibration data must have shape [N, {shape}] for this model, not "
            f"{list(features.shape)}{': transposed? give x.T' if turned else ''}"
        )
    if features.shape[0] == 0:
        raise InputError("Calibration needs at least one sample, not 0")
    if not np.isfinite(features).all():
        row, column = np.argwhere(~np.isfinite(features))[0]
        raise InputError(
            f"Calibration data hold NaN or infinity (first in row {row}, column {column}): remove "
            "or fill those rows"
        )
    return features


def _consumer(
    step: Step,
    value: FloatArray,
    config: QuantConfig,
    *,
    first: bool,
    passed: ActivationQuantizer | None,
) -> Consumer:
    bits = input_bits(step, value, config) if first else config.activation_bits
    if not isinstance(bits, int):
        _check_values(step, bits, value.shape[1], passed)
        if isinstance(step, SumStep):
            return _sums(step, value, bits, config, first=first)
    bits = widest(bits)
    if isinstance(step, SumStep):
        if passed is not None:
            return _split_sums(step, value, passed, config)
        return _sums(step, value, bits, config, first=first)
    if isinstance(step, PoolStep):
        check_table_bits(step.name, bits)
        pooled = activation_quantizer(
            value, bits, config, activation=step.activation, per_tensor=True
        )
        return Consumer((pooled,), 1)
    if isinstance(step, ProductStep):
        wide = bits if first else config.product_bits
        factor = activation_quantizer(value, wide, config, per_tensor=True, symmetric=True)
        return Consumer((factor,), 1)
    wide = min(bits, _WIDEST_NORM) if first else config.norm_bits
    normalised = activation_quantizer(value, wide, config, per_tensor=True, symmetric=False)
    if first or not step.passes:
        return Consumer((normalised,), 1)
    return Consumer((normalised, activation_quantizer(value, bits, config)), 2)


def _check_values(
    step: Step, bits: Sequence[int], count: int, passed: ActivationQuantizer | None
) -> None:
    """Bits for every value are for layers that have a table, or a basis, for each of them."""
    windowed = isinstance(step, SumStep) and step.window is not None
    if not isinstance(step, SumStep) or windowed or passed is not None:
        raise InputError(
            f"{step.name}: the codes in front of it share one step, so their bits must be one "
            "integer, the same for all values"
        )
    if len(bits) != count:
        raise InputError(
            f"{step.name} reads {count} values, so there must be {count} numbers of bits, not "
            f"{len(bits)}"
        )


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
        symmetric = config.symmetric_activations
        wider = widened(
            shared, value, limits, symmetric=symmetric, seed=config.seed, factor=_ROOM
        )
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


def _read_inside(step: Step, consumer: Consumer, value: FloatArray) -> Consumer:
    """The consumer with a spline's outermost codes read as ends of its grid, where that helps."""
    if not isinstance(step, SumStep):
        return consumer
    # An evaluator computes from codes, and so reads what they stand for.
    tabulated = consumer.realisation != "spline_evaluator"
    spline = inside_grid(step, consumer.streams[0], value, tabulated=tabulated)
    return replace(consumer, streams=(spline, *consumer.streams[1:]))


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
