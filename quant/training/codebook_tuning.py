"""Fine-tuning a codebook: its indices stay, all that they name and are multiplied with trains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.model.network import KanModel
from kanhw.quant.config import QuantConfig
from kanhw.quant.record.model import QuantModel

__all__ = ["fine_tune"]


def fine_tune(
    model: KanModel,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    config: QuantConfig | None = None,
    *,
    epochs: int = 20,
    **training: Any,
) -> QuantModel:
    """Cluster a float model's edges, then train shapes, gains, biases and base weights.

    The same as :func:`kanhw.quant.prepare`, :func:`kanhw.quant.train` and
    :func:`kanhw.quant.convert` in a row, with activation quantizers that start where calibration
    left them (``quantizer="lsq+"``), so that training starts from what
    :func:`kanhw.quant.quantize_model` gives.

    Parameters
    ----------
    model
        The float model.
    x
        ``[N, *input_shape]`` training features, which also calibrate.
    y
        ``[N]`` class indices, or ``[N, n_out]`` reals.
    config
        With ``realisation="codebook"``; None is ``QuantConfig(realisation="codebook")``.
    epochs, **training
        As :func:`kanhw.quant.train` takes them.

    Raises
    ------
    InputError
        If the config wants no codebook, or as those three say.
    TrainingDiverged
        If the loss is lost.
    """
    from kanhw.quant.training import convert, prepare, train

    config = config or QuantConfig(realisation="codebook")
    own = [config.realisation, *(change.get("realisation") for change in config.layers.values())]
    if "codebook" not in own:
        raise InputError(
            f"fine_tune trains codebooks: choose realisation='codebook', not {config.realisation!r}"
        )
    network = prepare(model, x, replace(config, quantizer="lsq+"))
    train(network, x, y, epochs=epochs, **training)
    return convert(network)
