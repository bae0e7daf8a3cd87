"""Post-training quantization, branch-aware: from a float model and data to a QuantModel.

First every value between two steps gets the quantizers that its consumer wants; then every step
becomes integers, in units of the codes that it makes for the next one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.progress import Progress
from kanhw.quant.codebook import codebook_weights
from kanhw.quant.config import QuantConfig
from kanhw.quant.methods import METHODS, round_with_data
from kanhw.quant.methods.choice import chosen_method
from kanhw.quant.methods.zeroq import SYNTHETIC_SAMPLES, synthesize_inputs
from kanhw.quant.planning.plan import Plan, make_plan
from kanhw.quant.realise import realise, realise_nearest
from kanhw.quant.record.model import QuantModel

__all__ = ["quantize_model"]

# Methods that take the functions of an evaluator as they are.
_EVALUATED = ("auto", "uniform", "gptq", "gptq_joint", "zeroq")
# Methods that leave the codes in front of a layer as they are, whatever bits each has.
_BY_VALUE = ("auto", "uniform", "gptq", "gptq_joint")


def quantize_model(
    model: KanModel,
    calibration: npt.ArrayLike | None,
    config: QuantConfig | None = None,
    *,
    progress: Progress | None = None,
) -> QuantModel:
    """Quantize a float model after training.

    Parameters
    ----------
    model
        The float model.
    calibration
        ``[N, *input_shape]`` real features like those it will see (training data, not test data);
        None with the method ``zeroq``, which makes its own.
    config
        Bits, ranges, method and realisation; None is ``QuantConfig()``: 8 bits everywhere.
    progress
        Where what takes long is shown.

    Raises
    ------
    InputError
        If the calibration data are missing, empty, of the wrong width, or not finite, or the model
        has layers that have no integer form here.
    """
    config = config or QuantConfig()
    if config.widths == "learned":
        raise InputError(
            "Widths are learned in training only: prepare(model, x, config), train, convert"
        )
    if config.method not in _BY_VALUE:
        config.check_one_width(f"method={config.method!r}")
    if config.method == "zeroq":
        model, calibration = _without_data(model, calibration, config)
    if calibration is None:
        raise InputError(
            "There are no calibration data: give real features like those that the network will "
            "see, or choose method='zeroq', which makes its own"
        )
    plan = _settled(make_plan(model, np.asarray(calibration), config))
    config = plan.config
    clustered = any(consumer.realisation == "codebook" for consumer in plan.consumers)
    if clustered and config.method not in ("uniform", "zeroq"):
        raise InputError(
            f"method={config.method!r} chooses how weights are rounded, but edges of a codebook "
            "are clustered: choose method='uniform', or another realisation"
        )
    if config.method not in _EVALUATED and any(
        consumer.realisation == "spline_evaluator" for consumer in plan.consumers
    ):
        raise InputError(
            f"method={config.method!r} does not know evaluated splines: choose one of "
            f"{', '.join(_EVALUATED)}, or another realisation"
        )
    if config.method in ("adaround", "brecq"):
        from kanhw.quant.training.reconstruction import reconstruct

        return reconstruct(plan, model.input_shape)
    if config.method in METHODS:
        return realise(plan, round_with_data(plan, progress))
    return realise_nearest(plan, codebook_weights((plan,))[0])


def _settled(plan: Plan) -> Plan:
    """The plan with a method in place of ``auto``, and a word about it in the source."""
    if plan.config.method != "auto":
        return plan
    method, reason = chosen_method(plan)
    source = f"{plan.source}; weights rounded by {method}: {reason}"
    return replace(plan, config=replace(plan.config, method=method), source=source)


def _without_data(
    model: KanModel, calibration: npt.ArrayLike | None, config: QuantConfig
) -> tuple[KanModel, FloatArray]:
    """The model, whose source says so, and data made up for it."""
    if calibration is not None:
        raise InputError(
            "method='zeroq' makes its own calibration data: pass None (no --calibration), or "
            "choose another method, such as 'uniform', for the data that there are"
        )
    made = synthesize_inputs(model, SYNTHETIC_SAMPLES, config.seed, config.iterations)
    source = f"{model.source}; calibrated with {len(made)} synthesised samples (zeroq)"
    return replace(model, source=source), made
