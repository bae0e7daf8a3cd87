"""Post-training quantization, branch-aware: from a float model and data to a QuantModel.

First every value between two steps gets the quantizers that its consumer wants; then every step
becomes integers, in units of the codes that it makes for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.model import KanModel
from kanhw.quant.config import QuantConfig
from kanhw.quant.freeze import freeze_norms
from kanhw.quant.model import QuantLayer, QuantModel
from kanhw.quant.norms import quantize_norm, quantize_pool, quantize_products
from kanhw.quant.quantizer import ActivationQuantizer, activation_quantizer
from kanhw.quant.realisation import chosen_realisation
from kanhw.quant.steps import NormStep, PoolStep, ProductStep, Step, SumStep, steps_of
from kanhw.quant.sums import SumInputs, quantize_sums

__all__ = ["quantize_model"]

FloatArray = npt.NDArray[np.float64]

# A shared code wastes this share of its steps outside the spline's support before ``auto`` gives
# the branches a code each.
_WASTE = 0.25


def quantize_model(
    model: KanModel, calibration: npt.ArrayLike, config: QuantConfig | None = None
) -> QuantModel:
    """Quantize a float model after training.

    Parameters
    ----------
    model
        The float model.
    calibration
        ``[N, *input_shape]`` real features like those it will see (training data, not test data).
    config
        Bits, ranges and realisation; None is ``QuantConfig()``: 8 bits everywhere.

    Raises
    ------
    InputError
        If the calibration data are empty, of the wrong width, or not finite, or the model has
        layers that have no integer form here.
    """
    config = config or QuantConfig()
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
    consumers: list[_Consumer] = []
    for index, step in enumerate(steps):
        # A norm that passes the raw code on leaves its consumer no choice of that code.
        passed = consumers[-1].streams[-1] if index and _passes(steps[index - 1]) else None
        image = index > 0 and _makes_images(steps[index - 1])
        asked = replace(config, activation_granularity="tensor") if image else config
        consumers.append(_consumer(step, value, asked, first=index == 0, passed=passed))
        value = step(value)
    layers: list[QuantLayer] = []
    for index, step in enumerate(steps):
        behind = consumers[index + 1] if index + 1 < len(steps) else None
        layers.append(_quantized(step, consumers[index], behind, value, config))
    return QuantModel(consumers[0].streams[0], tuple(layers), config, source)


@dataclass(frozen=True)
class _Consumer:
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


def _makes_images(step: Step) -> bool:
    """Whether a step's outputs are images, which have one scale for all positions."""
    return isinstance(step, PoolStep) or (isinstance(step, SumStep) and step.window is not None)


def _passes(step: Step) -> bool:
    return isinstance(step, NormStep) and step.passes


def _checked_calibration(calibration: npt.ArrayLike, model: KanModel) -> FloatArray:
    features = np.asarray(calibration)
    if features.dtype.kind not in "fiub":
        raise TypeError(f"Calibration data must be numbers, not {features.dtype}")
    if features.ndim > 2 and features.shape[1:] == model.input_shape:
        features = features.reshape(len(features), model.n_in)
    features = features.astype(np.float64)
    if features.ndim != 2 or features.shape[1] != model.n_in:
        shape = ", ".join(map(str, model.input_shape))
        raise InputError(
            f"Calibration data must have shape [N, {shape}] for this model, not "
            f"{list(features.shape)}"
        )
    if features.shape[0] == 0:
        raise InputError("Calibration needs at least one sample, not 0")
    if not np.isfinite(features).all():
        raise InputError("Calibration data hold NaN or infinity: remove or fill those rows")
    return features


def _consumer(
    step: Step,
    value: FloatArray,
    config: QuantConfig,
    *,
    first: bool,
    passed: ActivationQuantizer | None,
) -> _Consumer:
    bits = config.activation_bits
    if first and config.input_bits is not None:
        bits = config.input_bits
    if isinstance(step, SumStep):
        if passed is not None:
            return _split_sums(step, value, passed, config)
        return _sums(step, value, bits, config, first=first)
    if isinstance(step, PoolStep):
        pooled = activation_quantizer(
            value, bits, config, activation=step.activation, per_tensor=True
        )
        return _Consumer((pooled,), 1)
    if isinstance(step, ProductStep):
        wide = bits if first else config.product_bits
        factor = activation_quantizer(value, wide, config, per_tensor=True, symmetric=True)
        return _Consumer((factor,), 1)
    wide = bits if first else config.norm_bits
    normalised = activation_quantizer(value, wide, config, per_tensor=True, symmetric=False)
    if first or not step.passes:
        return _Consumer((normalised,), 1)
    return _Consumer((normalised, activation_quantizer(value, bits, config)), 2)


def _split_sums(
    step: SumStep, value: FloatArray, passed: ActivationQuantizer, config: QuantConfig
) -> _Consumer:
    """A layer whose basis reads the normalised value, and whose base branch the raw one."""
    bits = config.activation_bits
    normalised = step.layer.spline_input(value)
    spline = activation_quantizer(normalised, bits, config, step.layer.basis.support)
    return _Consumer((spline, passed), 1, _realisation(step, bits, config))


def _sums(
    step: SumStep, value: FloatArray, bits: int, config: QuantConfig, *, first: bool
) -> _Consumer:
    layer, activation = step.layer, step.activation
    realisation = _realisation(step, bits, config)
    in_window = True if step.window is not None else None
    # Without a base branch, nothing beyond the support is told apart.
    only_spline = not (layer.base_weights.any() or layer.symbolic) and activation is None
    support = layer.basis.support if activation is None and in_window is None else None
    limits = support if only_spline else None
    shared = activation_quantizer(
        value, bits, config, limits, activation=activation, per_tensor=in_window
    )
    one_code = first or realisation == "edge_table" or config.branch_inputs == "shared"
    if one_code or limits is not None or support is None or layer.symbolic:
        return _Consumer((shared,), 1, realisation)
    spline = activation_quantizer(value, bits, config, limits=support)
    if config.branch_inputs == "auto" and (spline.scale > (1 - _WASTE) * shared.scale).all():
        return _Consumer((shared,), 1, realisation)
    return _Consumer((spline, shared), 2, realisation)


def _realisation(step: SumStep, bits: int, config: QuantConfig) -> str:
    # One edge per output, or functions of a raw input beside a basis of the normalised one.
    if step.name == "activation" or (step.layer.symbolic and step.layer.spline_norm):
        return "edge_table"
    table_bits = config.table_bits or config.activation_bits + 3
    return chosen_realisation(step.layer, bits, table_bits, config)


def _quantized(
    step: Step,
    inputs: _Consumer,
    behind: _Consumer | None,
    outputs: FloatArray,
    config: QuantConfig,
) -> QuantLayer:
    """Integers of one step; ``outputs`` are the network's, for a norm at its end."""
    targets: tuple[ActivationQuantizer | None, ...] = behind.wanted if behind else (None,)
    if isinstance(step, SumStep):
        return quantize_sums(step, _sum_inputs(step, inputs), targets, config)
    if isinstance(step, PoolStep):
        return quantize_pool(step, inputs.streams[0], targets, config)
    if isinstance(step, ProductStep):
        return quantize_products(step, inputs.streams[0], targets, config)
    if behind is None:
        last = activation_quantizer(outputs, config.norm_bits, config, symmetric=True)
        return quantize_norm(step, inputs.streams[0], (last,), (), config)
    # The raw code that goes on: the last of the streams that came in.
    passes = (len(inputs.streams) - 1,) if step.passes else ()
    return quantize_norm(step, inputs.streams[0], behind.wanted, passes, config)


def _sum_inputs(step: SumStep, inputs: _Consumer) -> SumInputs:
    quantizers = inputs.streams
    if step.window is not None:
        # Every tap of a window reads with the image's one quantizer.
        quantizers = tuple(q.cut_to(step.window.taps) for q in quantizers)
    return SumInputs(quantizers, inputs.realisation)
