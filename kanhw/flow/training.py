"""The verbs of training with quantization: from a float model over training to a Program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError, ToolNotFound
from kanhw.flow.fitting.held_out import split_off
from kanhw.frames import column_names, in_order
from kanhw.model.network import KanModel
from kanhw.program import Labels, Program

if TYPE_CHECKING:
    from torch import nn

    from kanhw.quant import QuantConfig, QuantizedNetwork, Training
    from kanhw.quant.config import QuantOptions
    from kanhw.quant.fabric.front import Front
    from kanhw.quant.fabric.prepared import LearnedWidths

__all__ = ["convert", "prepare", "train"]

# Of the data that points of learned widths are chosen by, where none are given.
_HELD_OUT, _SPLIT_SEED = 0.2, 0


def prepare(
    model: KanModel | nn.Module,
    x: npt.ArrayLike,
    config: QuantConfig | None = None,
    **options: Unpack[QuantOptions],
) -> QuantizedNetwork | LearnedWidths:
    """Make the network that training with quantization trains: a PyTorch module.

    Parameters
    ----------
    model
        A float model (:func:`kanhw.load`), or a network of :mod:`kanhw.layers`.
    x
        ``[N, *input_shape]`` training features: where quantizers start.
    config
        A :class:`kanhw.QuantConfig`; its ``quantizer`` is the rule that learns, and bits are 1
        to 8. None is 8 bits everywhere.
    **options
        Fields of the config that differ, such as ``activation_bits=4``.

    Returns
    -------
    QuantizedNetwork or LearnedWidths
        ``[N, *input_shape]`` reals to ``[N, n_out]`` reals, with the rounding that is deployed. The
        latter with ``widths="learned"``, which :func:`train` learns under the cost of the fabric.

    Raises
    ------
    InputError
        If a field is out of its range, or the data are empty, of another width, or not finite.
    TypeError
        If ``model`` is something else, ``config`` is no QuantConfig, or an option does not exist.
    ToolNotFound
        If PyTorch is not installed.
    """
    from kanhw.quant.config.given import given_config

    chosen = given_config(config, options, "prepare")
    network: QuantizedNetwork | LearnedWidths
    if chosen.widths == "learned":
        network = _learned_widths(model, chosen)
        network.model.flat(np.asarray(in_order(x, None)))
    else:
        network = _training().prepare(model, in_order(x, None), chosen)
    network.feature_names = column_names(x)
    return network


def train(
    network: QuantizedNetwork | LearnedWidths | nn.Module,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    **options: Any,
) -> Training | Front:
    """Train a network of :func:`prepare`; see :func:`kanhw.quant.train` for what it takes.

    A network with ``widths="learned"`` takes ``validation=(x, y)``, without which a fifth of the
    data is split off, and the fields of :class:`kanhw.quant.fabric.settings.FabricSettings`, such
    as ``seeds`` and ``epochs``; it gives the front.

    Raises
    ------
    InputError
        If data and network do not fit, or a number is out of its range.
    TypeError
        If ``network`` is no module, or an option does not exist.
    TrainingDiverged
        If the loss is lost.
    """
    if not hasattr(network, "fit"):
        result: Training = _training().train(network, x, y, **options)
        return result
    learned: Any = network
    given = learned.model.flat(np.asarray(in_order(x, None))), np.asarray(y)
    held_out = options.pop("validation", None)
    if held_out is None:
        own, rest = split_off({"x": given[0], "y": given[1]}, _HELD_OUT, _SPLIT_SEED)
        given, held_out = (own["x"], own["y"]), (rest["x"], rest["y"])
    elif not isinstance(held_out, tuple) or len(held_out) != 2:
        raise InputError("validation must be two arrays, features and targets: (x, y)")
    else:
        held_out = learned.model.flat(np.asarray(held_out[0])), np.asarray(held_out[1])
    front: Front = learned.fit(*given, held_out, **options)
    return front


def convert(network: QuantizedNetwork | LearnedWidths) -> Program:
    """Freeze a trained network to the integers of a Program.

    Parameters
    ----------
    network
        From :func:`prepare`, trained by :func:`kanhw.train` or by any loop.

    Raises
    ------
    InputError
        If training has diverged.
    TypeError
        If ``network`` is anything else.
    """
    from kanhw.quant import lower

    learned: Any = getattr(network, "program", None)
    program = lower(_training().convert(network)) if learned is None else learned()
    return replace(program, labels=Labels(inputs=network.feature_names))


def _learned_widths(model: KanModel | nn.Module, config: QuantConfig) -> LearnedWidths:
    """The network that learns widths."""
    try:
        from kanhw.quant.fabric.prepared import LearnedWidths
    except ModuleNotFoundError as error:
        raise ToolNotFound("Training needs PyTorch: pip install 'kanhw[torch]'") from error
    from kanhw.estimation.told import TELLERS
    from kanhw.quant.training.network import float_model

    return LearnedWidths(float_model(model), config, TELLERS)


def _training() -> Any:
    """The room that needs PyTorch."""
    try:
        from kanhw.quant import training
    except ModuleNotFoundError as error:
        raise ToolNotFound("Training needs PyTorch: pip install 'kanhw[torch]'") from error
    return training
