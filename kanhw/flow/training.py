"""The verbs of training with quantization: from a float model over training to a Program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy.typing as npt

from kanhw.errors import ToolNotFound
from kanhw.frames import column_names, in_order
from kanhw.model.network import KanModel
from kanhw.program import Labels, Program

if TYPE_CHECKING:
    from torch import nn

    from kanhw.quant import QuantConfig, QuantizedNetwork
    from kanhw.quant.config import QuantOptions

__all__ = ["convert", "prepare"]


def prepare(
    model: KanModel | nn.Module,
    x: npt.ArrayLike,
    config: QuantConfig | None = None,
    **options: Unpack[QuantOptions],
) -> QuantizedNetwork:
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
    QuantizedNetwork
        ``[N, *input_shape]`` reals to ``[N, n_out]`` reals, with the rounding that is deployed.

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
    network: QuantizedNetwork = _training().prepare(model, in_order(x, None), chosen)
    network.feature_names = column_names(x)
    return network


def convert(network: QuantizedNetwork) -> Program:
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

    program = lower(_training().convert(network))
    return replace(program, labels=Labels(inputs=network.feature_names))


def _training() -> Any:
    """The room that needs PyTorch."""
    try:
        from kanhw.quant import training
    except ModuleNotFoundError as error:
        raise ToolNotFound("Training needs PyTorch: pip install 'kanhw[torch]'") from error
    return training
