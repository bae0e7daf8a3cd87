"""The float functions that the tables of a Program's layers stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.numerics import matmul
from kanhw.program import Program, ProgramLayer
from kanhw.quant.planning.steps import Step, SumStep, steps_of

__all__ = ["FloatEdges", "float_edges"]


@dataclass(frozen=True, eq=False)
class FloatEdges:
    """The edges of a layer as functions of the value whose codes address its tables.

    Parameters
    ----------
    layer
        The float layer.
    activation
        What stands between that value and the layer; the tables contain it.
    unknown
        Branches that are no function of one value alone: they are left out.
    """

    layer: KanLayer
    activation: Activation | None = None
    unknown: frozenset[str] = frozenset()

    def __call__(self, branch: str, j: int, i: int, value: FloatArray) -> FloatArray | None:
        """Edge i to j, or its ``spline`` or ``base`` branch, at values ``[A]``."""
        if branch in self.unknown:
            return None
        x = value if self.activation is None else self.activation(value)
        # KanLayer.edges would evaluate all edges.
        y = np.zeros(len(x))
        layer = self.layer
        if branch != "base":
            y += matmul(layer.basis.evaluate_input(i, x), layer.coefficients[j, i])
        if branch != "spline":
            y += layer.base_weights[j, i] * layer.base_activation.of_input(i)(x)
            for edge in layer.symbolic:
                if (edge.j, edge.i) == (j, i):
                    y += edge(x)
        return y


def float_edges(program: Program, model: KanModel) -> list[FloatEdges | None]:
    """The float edges of every layer of a Program; None for layers without edges.

    Raises
    ------
    InputError
        If the model's layers are not those that the program was made from.
    """
    layers = program.layers
    # A program with frozen norms has none, though its model may.
    frozen = not any(layer.kind == "layer_norm" for layer in layers)
    steps = steps_of(_without_norms(model) if frozen else model)
    _check_layers(layers, steps)
    originals = iter(layer.taps for layer in model.layers if layer.taps is not None)
    edges: list[FloatEdges | None] = []
    for step in steps:
        if not isinstance(step, SumStep):
            edges.append(None)
            continue
        # An activation at the end is a step that no layer of the model stands for.
        original = next(originals, step.layer)
        edges.append(FloatEdges(step.layer, step.activation, _unknown(original, frozen)))
    return edges


def _without_norms(model: KanModel) -> KanModel:
    def bare(layer: KanLayer) -> KanLayer:
        post = tuple(step for step in layer.post if not isinstance(step, LayerNorm))
        return replace(layer, spline_norm=None, post=post)

    layers = tuple(layer.with_taps(bare) for layer in model.layers)
    return KanModel(layers, model.source, model.shape)


def _unknown(original: KanLayer, frozen: bool) -> frozenset[str]:
    """Branches whose float function is not that of the tables."""
    if frozen and any(isinstance(step, LayerNorm) for step in original.post):
        # Calibration statistics, which nobody kept, scale the tables.
        return frozenset(("edge", "spline", "base"))
    if original.spline_norm is None:
        return frozenset()
    return frozenset(("edge", "spline")) if frozen else frozenset(("edge",))


def _check_layers(layers: tuple[ProgramLayer, ...], steps: list[Step]) -> None:
    ours = [(layer.n_in, layer.n_out) for layer in layers]
    theirs = [(step.n_in, step.n_out) for step in steps]
    if ours != theirs:
        raise InputError(
            f"The model has layers {theirs} (inputs, outputs) but the program {ours}: pass the "
            "model that the program was made from"
        )
    for layer, step in zip(layers, steps, strict=True):
        if step.window != layer.window:
            raise InputError(
                f"Layer {layer.name!r}: the model has {step.window or 'no windows'} but the "
                f"program {layer.window or 'none'}: pass the model that the program was made from"
            )
