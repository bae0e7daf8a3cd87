"""The table of methods that look at data, and walking through a network with one of them."""

from __future__ import annotations

from collections.abc import Callable

from kanhw.progress import Progress
from kanhw.quant.methods.awq import awq_weights
from kanhw.quant.methods.gptq import gptq_joint_weights, gptq_weights
from kanhw.quant.methods.problem import RoundingProblem, walk_layers
from kanhw.quant.methods.scaling import LayerTask
from kanhw.quant.methods.smoothquant import smoothquant_weights
from kanhw.quant.planning.plan import Plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.realise import RoundedLayer

__all__ = ["METHODS", "round_with_data"]


def round_with_data(
    plan: Plan, progress: Progress | None = None
) -> tuple[RoundedLayer | None, ...]:
    """Round the weights of every layer by the method that the plan's config names.

    Layer by layer: what enters one are the codes that the quantized layers before it make of the
    calibration data.

    Parameters
    ----------
    plan
        The network's steps and quantizers.
    progress
        Where every layer is shown while it is rounded.
    """
    name, shown = plan.config.method, progress or Progress(quiet=True)
    method = METHODS[name]

    def choose(index: int, step: SumStep, problem: RoundingProblem) -> RoundedLayer:
        inputs = plan.consumers[index].sum_inputs(step)
        with shown.step(f"round the weights of {step.name} by {name}"):
            return method(LayerTask(problem, step, inputs, plan.config.for_layer(step.name)))

    return walk_layers(plan, plan.values[0], choose)


def _gptq(task: LayerTask) -> RoundedLayer:
    return RoundedLayer(task.problem.branches, gptq_weights(task.problem, task.config))


def _gptq_joint(task: LayerTask) -> RoundedLayer:
    return RoundedLayer(task.problem.branches, gptq_joint_weights(task.problem, task.config))


METHODS: dict[str, Callable[[LayerTask], RoundedLayer]] = {
    "awq": awq_weights,
    "gptq": _gptq,
    "gptq_joint": _gptq_joint,
    "smoothquant": smoothquant_weights,
}
