"""What stands between the steps of a network: its quantizers, chosen from calibration data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.consumer import Consumer
from kanhw.quant.planning.freeze import freeze_norms
from kanhw.quant.planning.realisation import with_free_bits
from kanhw.quant.planning.step_plans import consumer_of, step_plan
from kanhw.quant.planning.steps import Step, steps_of
from kanhw.quant.quantizers.calibration import check_reach
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.values import brief_repr

__all__ = ["Plan", "make_plan"]


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
        check_reach(values[-1], f"{step.name}: its inputs")
        consumers.append(consumer_of(step, values[-1], asked, first=index == 0, passed=passed))
        values.append(step(values[-1]))
    moved = [
        step_plan(step).without_offsets(step, consumer)
        for step, consumer in zip(steps, consumers, strict=True)
    ]
    tabulated = [
        step.name
        for step, consumer in zip(steps, consumers, strict=True)
        if consumer.realisation == "edge_table"
    ]
    config = with_free_bits(config, tabulated)
    return Plan(tuple(moved), tuple(consumers), tuple(values), config, source)


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
