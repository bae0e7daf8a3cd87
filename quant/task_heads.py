"""Several networks of equal shape, such as the heads of several tasks, that share codebooks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.program import Program, join_heads
from kanhw.quant.codebook.weights import codebook_weights
from kanhw.quant.config import QuantConfig
from kanhw.quant.lowering import lower
from kanhw.quant.planning.plan import Plan, make_plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.record.model import QuantModel

__all__ = ["lower_heads", "quantize_heads"]


def quantize_heads(
    models: Sequence[KanModel],
    calibrations: Sequence[npt.ArrayLike],
    config: QuantConfig | None = None,
) -> list[QuantModel]:
    """Quantize networks of equal shape with the same codebooks, after training.

    Layers at the same place share a codebook, or all do (``codebook.scope="network"``). Each
    network has its own indices, gains, biases and base weights, its own activation quantizers, and
    its own Program; :func:`lower_heads` makes one of them.

    Parameters
    ----------
    models
        At least one.
    calibrations
        Real features for every model; the same array may be given several times.
    config
        With ``realisation="codebook"``; None is ``QuantConfig(realisation="codebook")``.

    Raises
    ------
    InputError
        If there are no models, not as many calibrations, the config wants no codebook, or the
        models' layers differ in what has to be equal.
    """
    config = config or QuantConfig(realisation="codebook")
    if not models or len(models) != len(calibrations):
        raise InputError(
            f"quantize_heads needs models and calibration data for each, not {len(models)} models "
            f"and {len(calibrations)} sets of data"
        )
    if config.method not in ("auto", "uniform"):
        raise InputError(f"Heads are quantized with method='uniform', not {config.method!r}")
    config.check_one_width("heads")
    plans = [
        make_plan(model, features, config)
        for model, features in zip(models, calibrations, strict=True)
    ]
    first = _shape(plans[0])
    for number, plan in enumerate(plans[1:], 1):
        if _shape(plan) != first:
            raise InputError(
                f"Heads share codebooks if their layers are of equal shapes, but head {number} has "
                f"{_shape(plan)}, and head 0 has {first}"
            )
    if not any(consumer.realisation == "codebook" for consumer in plans[0].consumers):
        raise InputError("Heads share codebooks: choose realisation='codebook'")
    # Which itself imports this package.
    from kanhw.quant.realise import realise_nearest

    codebooks = codebook_weights(plans)
    return [realise_nearest(plan, own) for plan, own in zip(plans, codebooks, strict=True)]


def lower_heads(models: Sequence[QuantModel], *, writable: bool = False) -> Program:
    """One Program of the networks that :func:`quantize_heads` made: its heads, in their order.

    Parameters
    ----------
    models
        At least one.
    writable
        Whether heads can be written at run time; see :func:`kanhw.program.join_heads`, which also
        takes formats.

    Raises
    ------
    InputError
        If there are none, or they do not share their codebooks.
    """
    return join_heads([lower(model) for model in models], writable=writable)


def _shape(plan: Plan) -> list[tuple[str, ...]]:
    """What has to be equal: kinds, realisations, numbers of inputs, outputs and functions."""
    found = []
    for step, consumer in zip(plan.steps, plan.consumers, strict=True):
        shape: tuple[str, ...] = (type(step).__name__, consumer.realisation)
        if isinstance(step, SumStep):
            layer = step.layer
            shape += (f"{layer.n_in} to {layer.n_sums}", f"{layer.basis.count} functions")
        found.append(shape)
    return found
