"""The neutral file: a float network as one npz, which any framework can write; see docs/.

``docs/neutral-format.md`` describes it. An array ``kanhw`` holds JSON text, the others the numbers
of the layers; the float record (:mod:`kanhw.model.network`) is stored as it is, field by field.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.convolution import ConvLayer
from kanhw.model.layer import KanLayer, Post
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.neutral_reader import (
    AFFINE_FIELDS,
    FORMAT,
    HEADER,
    VERSION,
    WINDOW_FIELDS,
    load_neutral,
)
from kanhw.model.norm import LayerNorm
from kanhw.places import write_whole

__all__ = ["VERSION", "load_neutral", "save_model"]

Arrays = dict[str, npt.NDArray[Any]]
Json = dict[str, Any]


def save_model(model: KanModel, path: str | Path) -> Path:
    """Write a float model as a neutral file.

    Parameters
    ----------
    model
        Any.
    path
        Must end in .npz.

    Raises
    ------
    InputError
        If the path has another suffix or cannot be written.
    TypeError
        If ``model`` is no KanModel.
    """
    if not isinstance(model, KanModel):
        raise TypeError(f"save_model needs a KanModel, not {type(model).__name__}")
    path = Path(path)
    if path.suffix != ".npz":
        raise InputError(f"{path} must end in .npz, by which kanhw.load knows a neutral file")
    arrays: Arrays = {}
    layers = [
        _layer_entry(layer, f"layers.{index}", arrays) for index, layer in enumerate(model.layers)
    ]
    header = {
        "format": FORMAT,
        "version": VERSION,
        "source": model.source,
        "shape": model.shape and list(model.shape),
        "layers": layers,
    }
    buffer = io.BytesIO()
    contents: dict[str, Any] = {HEADER: np.array(json.dumps(header)), **arrays}
    np.savez_compressed(buffer, **contents)
    return write_whole(path, buffer.getvalue())


def _layer_entry(layer: ModelLayer, prefix: str, arrays: Arrays) -> Json:
    if isinstance(layer, KanLayer):
        return {"type": "kan", **_kan_entry(layer, prefix, arrays)}
    window = {field: list(getattr(layer.window, field)) for field in WINDOW_FIELDS}
    if isinstance(layer, ConvLayer):
        return {"type": "conv", "window": window, **_kan_entry(layer.taps, prefix, arrays)}
    return {"type": "pool", "name": layer.name, "kind": layer.kind, "window": window}


def _kan_entry(layer: KanLayer, prefix: str, arrays: Arrays) -> Json:
    for field in ("coefficients", "base_weights", "bias"):
        arrays[f"{prefix}.{field}"] = getattr(layer, field)
    entry: Json = {
        "name": layer.name,
        "basis": _basis_entry(layer.basis, prefix, arrays),
        "base_activation": _activation_entry(layer.base_activation),
    }
    if layer.spline_norm is not None:
        entry["spline_norm"] = _norm_entry(layer.spline_norm, f"{prefix}.spline_norm", arrays)
    if layer.symbolic:
        entry["symbolic"] = [
            {"i": edge.i, "j": edge.j, "function": edge.function}
            | {field: getattr(edge, field) for field in AFFINE_FIELDS}
            for edge in layer.symbolic
        ]
    if layer.post:
        entry["post"] = [
            _post_entry(step, f"{prefix}.post.{place}", arrays)
            for place, step in enumerate(layer.post)
        ]
    return entry


def _basis_entry(basis: Basis, prefix: str, arrays: Arrays) -> Json:
    if isinstance(basis, BSplineBasis | RepeatedKnotBasis):
        arrays[f"{prefix}.knots"] = basis.knots
        plain = isinstance(basis, BSplineBasis)
        return {"kind": "bspline" if plain else "bspline_repeated_knots"}
    if isinstance(basis, RadialBasis):
        arrays[f"{prefix}.centres"] = basis.centres
        return {"kind": "radial", "denominator": basis.denominator}
    if isinstance(basis, GramBasis):
        arrays[f"{prefix}.beta"] = basis.beta
        act = basis.activation
        return {
            "kind": "gram",
            "activation": None if act is None else _activation_entry(act),
            "constant": basis.constant,
        }
    if isinstance(basis, AffineBasis):
        arrays[f"{prefix}.basis_scale"], arrays[f"{prefix}.basis_shift"] = basis.scale, basis.shift
        return {"kind": "affine", "inner": _basis_entry(basis.inner, prefix, arrays)}
    kinds = {ChebyshevBasis: "chebyshev", NoBasis: "none"}
    if type(basis) not in kinds:
        raise TypeError(f"{prefix}: there is no neutral form of {type(basis).__name__}")
    return {"kind": kinds[type(basis)]}


def _activation_entry(activation: Activation) -> Json:
    entry: Json = {"name": activation.name}
    if activation.slope:
        entry["slope"] = activation.slope
    if activation.scale:
        entry |= {"scale": list(activation.scale), "shift": list(activation.shift)}
    return entry


def _norm_entry(norm: LayerNorm, prefix: str, arrays: Arrays) -> Json:
    arrays[f"{prefix}.gamma"], arrays[f"{prefix}.beta"] = norm.gamma, norm.beta
    return {"epsilon": norm.epsilon}


def _post_entry(step: Post, prefix: str, arrays: Arrays) -> Json:
    if isinstance(step, LayerNorm):
        return {"type": "layer_norm", **_norm_entry(step, prefix, arrays)}
    if isinstance(step, Activation):
        return {"type": "activation", **_activation_entry(step)}
    arrays[f"{prefix}.scale"], arrays[f"{prefix}.bias"] = step.scale, step.bias
    return {"type": "products", "sum_count": step.sum_count, "arities": list(step.arities)}
