"""HAWQ-V2's criterion, by layer and branch: mean Hessian trace times squared rounding error.

Dong et al., "HAWQ-V2: Hessian Aware trace-Weighted Quantization of Neural Networks", NeurIPS 2020.
The loss is the mean squared change of the outputs over their variance, so that its Hessian is
exactly that of Gauss and Newton, ``2 J^T J / (N variance)``, and the criterion, half a Hessian's
mean trace times a squared error, is an estimate of that very loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.quant.analysis.held_out import HeldOut
from kanhw.quant.analysis.rounding_errors import squared_error, unit_index, weight_peaks
from kanhw.quant.analysis.units import Unit, pinned, units_of, with_bits, with_rest
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.quantizers.sum_inputs import SumInputs
from kanhw.quant.training.network import QuantizedNetwork, prepare
from kanhw.quant.training.stages import SumStage
from kanhw.values import is_integer

__all__ = ["Traces", "hessian_losses", "hessian_traces"]

IntRows = npt.NDArray[np.int64]

# QuantizedNetwork has no more bits than this, which is as good as none for a trace.
_BITS = 8
_FEWEST_DRAWS = 10
# All are in memory at once, and a mean does not need more.
_MOST_SAMPLES = 512


@dataclass(frozen=True)
class Traces:
    """What :func:`hessian_traces` estimated.

    Parameters
    ----------
    mean
        Of every unit, half the mean trace: loss per squared error of a value, by which the error
        is summed over all values of a sample.
    draws
        How many random vectors it took.
    """

    mean: dict[Unit, float]
    draws: int


def hessian_traces(
    model: KanModel,
    calibration: npt.ArrayLike,
    held_out: npt.ArrayLike,
    config: QuantConfig | None = None,
    *,
    draws: int = 100,
    tolerance: float = 1e-3,
    seed: int | None = None,
) -> Traces:
    """Estimate the mean Hessian trace of every layer and branch by Hutchinson's method.

    Random vectors of -1 and 1 on the outputs, one backward pass each: the expectation of
    ``||J^T r||^2`` is the trace of ``J^T J``. What J differentiates by:

    * ``base``, ``spline``: weights, of the functions as they are tabulated;
    * ``activation``: the values whose codes the layer reads, sample by sample;
    * ``basis``: the values that are looked up, bases and base activation, sample by sample. (By
      the stored entries the trace would weigh those that no sample reads with the same mean.)
    * ``table``: the values that edges look up, sample by sample.

    Parameters
    ----------
    model
        The float model.
    calibration
        Training features.
    held_out
        Other features to average over; the first 512 are.
    config
        As for :func:`kanhw.quant.sensitivity`; the network has 8 bits everywhere.
    draws
        At most so many random vectors, and at least 10.
    tolerance
        Stop when no unit's running mean changes by more, relatively.
    seed
        Of the random vectors; None is the config's.

    Raises
    ------
    InputError
        If the data do not fit the model, or draws or tolerance are out of range.
    """
    if not is_integer(draws):
        raise TypeError(f"draws must be an integer, not {draws!r}")
    if draws < 1:
        raise InputError(f"draws must be at least 1, not {draws}")
    if not tolerance >= 0:
        raise InputError(f"tolerance must be at least 0, not {tolerance}")
    data = HeldOut.of(model, np.asarray(held_out)[:_MOST_SAMPLES], None)
    (config or QuantConfig()).check_one_width("traces of Hessians")
    config = with_rest(config or QuantConfig(), _BITS)
    config = pinned(config, make_plan(model, calibration, config))
    network = prepare(model, calibration, replace(config, quantizer="lsq"))
    units = units_of(network.plan)
    generator = torch.Generator().manual_seed(config.seed if seed is None else seed)
    totals, running, count = dict.fromkeys(units, 0.0), dict.fromkeys(units, 0.0), 0
    scale = 1.0 / (data.variance * data.outputs.size)
    with _watched(network) as watched:
        outputs = network(torch.tensor(data.x, dtype=torch.get_default_dtype()))
        for count in range(1, draws + 1):
            signs = torch.randint(0, 2, outputs.shape, generator=generator) * 2 - 1
            network.zero_grad()
            watched.forget()
            (outputs * signs).sum().backward(retain_graph=True)
            for unit in units:
                totals[unit] += _mean_square(network, watched, unit)
            before, running = running, {unit: total / count for unit, total in totals.items()}
            if count >= _FEWEST_DRAWS and _settled(before, running, tolerance):
                break
    return Traces({unit: value * scale for unit, value in running.items()}, count)


def _settled(before: dict[Unit, float], after: dict[Unit, float], tolerance: float) -> bool:
    return all(abs(after[unit] - before[unit]) <= tolerance * after[unit] for unit in after)


class _Watched:
    """The values of a forward pass whose gradients are wanted."""

    def __init__(self) -> None:
        # By the identity of a rule or stage.
        self.values: dict[int, Tensor] = {}

    def keep(self, module: torch.nn.Module, value: Tensor) -> None:
        if value.requires_grad:
            value.retain_grad()
        self.values[id(module)] = value

    def forget(self) -> None:
        for value in self.values.values():
            value.grad = None

    def gradient(self, module: torch.nn.Module) -> Tensor:
        value = self.values[id(module)]
        return torch.zeros_like(value) if value.grad is None else value.grad


@contextmanager
def _watched(network: QuantizedNetwork) -> Iterator[_Watched]:
    watched, hooks = _Watched(), []

    def after_rule(module: torch.nn.Module, _: Any, made: tuple[Tensor, Tensor]) -> None:
        watched.keep(module, made[1])

    def after_stage(module: torch.nn.Module, _: Any, made: Tensor) -> None:
        watched.keep(module, made)

    for index, consumer in enumerate(network.plan.consumers):
        hooks.append(network.stage(index).register_forward_hook(after_stage))
        for number in range(consumer.made):
            hooks.append(network.rule(index, number).register_forward_hook(after_rule))
    try:
        yield watched
    finally:
        for hook in hooks:
            hook.remove()


def _mean_square(network: QuantizedNetwork, watched: _Watched, unit: Unit) -> float:
    """``||J^T r||^2`` of one draw over the number of values of a sample.

    Random vectors are independent from sample to sample, so that gradients of weights, which add
    up over samples, have the samples' traces added up as their expectation.
    """
    index = unit_index(network.plan, unit)
    stage = network.stage(index)
    if unit.branch == "activation":
        # Where branches have a code each, the values of both are one vector.
        gradients = [watched.gradient(rule) for rule in _rules(network, index)]
        every = torch.cat([gradient.double() for gradient in gradients], dim=1)
        return float(every.square().sum()) / every.shape[1]
    if not isinstance(stage, SumStage):
        raise TypeError(f"{unit.layer} has no weights")
    inputs = network.plan.consumers[index].sum_inputs(stage.original)
    if unit.branch in ("base", "spline"):
        return _of_weights(stage, inputs, unit.branch)
    gradient = _by_position(stage, watched.gradient(stage)).double()
    if unit.branch == "table":
        # All edges of an output share its gradient; windows have edges at every position.
        positions = stage.original.window.positions if stage.original.window else 1
        return float(gradient.square().sum()) / (gradient.shape[1] * positions)
    with torch.no_grad():
        coefficients = stage.coefficients.double() * torch.tensor(
            weight_peaks(stage.original, inputs)
        )
        weights = stage.base_weights.double()
        functions = torch.cat([coefficients.flatten(1), weights], dim=1)
        per_value = gradient @ functions
        positions = stage.original.window.positions if stage.original.window else 1
        return float(per_value.square().sum()) / (functions.shape[1] * positions)


def _of_weights(stage: SumStage, inputs: SumInputs, branch: str) -> float:
    weights = stage.base_weights if branch == "base" else stage.coefficients
    edges = int(stage.active.sum())
    if weights.grad is None or not edges:
        return 0.0
    gradient = weights.grad.double()
    per_edge = 1
    if branch == "spline":
        gradient = gradient / torch.tensor(weight_peaks(stage.original, inputs))
        per_edge = weights.shape[2]
    return float(gradient.square().sum()) / max(edges * per_edge, 1)


def _by_position(stage: SumStage, gradient: Tensor) -> Tensor:
    """Gradients of sums ``[N, n_out]``; of an image's positions as samples of their own."""
    window = stage.original.window
    if window is None:
        return gradient
    channels = stage.original.layer.n_sums
    return gradient.reshape(len(gradient), channels, -1).transpose(1, 2).reshape(-1, channels)


def _rules(network: QuantizedNetwork, index: int) -> list[torch.nn.Module]:
    """The quantizers in front of a layer, that of a code which a norm passes on included."""
    consumer = network.plan.consumers[index]
    rules: list[torch.nn.Module] = [network.rule(index, k) for k in range(consumer.made)]
    if consumer.made < len(consumer.streams):
        rules.append(network.rule(index - 1, network.plan.consumers[index - 1].made - 1))
    return rules


def hessian_losses(
    model: KanModel,
    calibration: npt.ArrayLike,
    held_out: npt.ArrayLike,
    bits: dict[str, tuple[int, ...]],
    config: QuantConfig | None = None,
    traces: Traces | None = None,
) -> dict[tuple[Unit, int], float]:
    """HAWQ-V2's criterion for every unit and number of bits: the loss that it is expected to add.

    Parameters
    ----------
    model, calibration, held_out, config
        As for :func:`hessian_traces`.
    bits
        What to try, by branch.
    traces
        Those of the same network; None estimates them.
    """
    traces = traces or hessian_traces(model, calibration, held_out, config)
    data = HeldOut.of(model, held_out, None)
    (config or QuantConfig()).check_one_width("traces of Hessians")
    config = with_rest(config or QuantConfig(), _BITS)
    config = pinned(config, make_plan(model, calibration, config))
    reference = make_plan(model, calibration, config)
    losses = {}
    for unit, mean in traces.mean.items():
        for count in bits.get(unit.branch, ()):
            changed = with_bits(config, {unit: count})
            plan = replace(reference, config=changed)
            if unit.branch == "activation":
                plan = make_plan(model, calibration, changed)
            losses[unit, count] = mean * squared_error(plan, unit, data)
    return losses
