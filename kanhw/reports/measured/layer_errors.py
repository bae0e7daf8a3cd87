"""How the error against the float model grows from layer to layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import FloatArray
from kanhw.model.network import KanModel
from kanhw.program import Program
from kanhw.quant.planning.steps import steps_of

__all__ = ["LayerError", "layer_errors"]


@dataclass(frozen=True)
class LayerError:
    """The values behind a layer, as codes, against those of the float model.

    Parameters
    ----------
    name
        Of the layer.
    rms
        Root of the mean square difference over all of its values.
    share
        The same over the standard deviation of the float model's.
    """

    name: str
    rms: float
    share: float


def layer_errors(program: Program, model: KanModel, x: FloatArray) -> tuple[LayerError, ...]:
    """Errors behind every layer that makes new values, on features ``[N, n_in]``.

    Empty where the layers are not those of the model, as after norms were frozen.
    """
    steps = steps_of(model)
    sizes = [(step.n_in, step.n_out) for step in steps]
    if sizes != [(layer.n_in, layer.n_out) for layer in program.layers]:
        return ()
    found, value = [], x
    streams = program.activations(program.input.encode(x))
    for step, layer, codes in zip(steps, program.layers, streams, strict=True):
        value = step(value)
        # A norm makes no values of its own: what goes on is the value in front of it. Of several
        # streams the last has the widest range: that of the base branch.
        maker = layer.requantizers[-1]
        if step.kind == "norm" or maker.scale is None:
            continue
        error = maker.decode(codes[len(layer.requantizers) - 1]) - value
        rms, deviation = float(np.sqrt(np.square(error).mean())), float(value.std())
        found.append(LayerError(layer.name, rms, rms / deviation if deviation else 0.0))
    return tuple(found)
