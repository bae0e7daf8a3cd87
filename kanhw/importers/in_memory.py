"""Torch modules in memory: read by their tensors, and compared with what they compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.libraries import IMPORTERS, model_of_state
from kanhw.importers.parts.checkpoint import State, strip_wrappers
from kanhw.importers.parts.settings import activation_name
from kanhw.importers.parts.torch_file import arrays_of
from kanhw.importers.sequential import TYPES
from kanhw.model.activation import ACTIVATIONS
from kanhw.model.network import KanModel

__all__ = ["model_of_module"]

_ROWS, _TOLERANCE = 64, 1e-3
# What torch's own modules are called in a list of modules, and what of them it must say.
_PLAIN: dict[type[nn.Module], tuple[str, tuple[str, ...]]] = {
    nn.Linear: ("linear", ()),
    nn.BatchNorm1d: ("batch_norm1d", ("eps",)),
    nn.LayerNorm: ("layer_norm", ("eps",)),
    nn.RMSNorm: ("rms_norm", ("eps",)),
    nn.Flatten: ("flatten", ("start_dim", "end_dim")),
    nn.Dropout: ("dropout", ()),
    nn.Identity: ("identity", ()),
    nn.SiLU: ("silu", ()),
    nn.ReLU: ("relu", ()),
    nn.Tanh: ("tanh", ()),
    nn.Sigmoid: ("sigmoid", ()),
    nn.Mish: ("mish", ()),
    nn.SELU: ("selu", ()),
    nn.Hardswish: ("hardswish", ()),
    nn.PReLU: ("prelu", ()),
    nn.Softmax: ("softmax", ()),
    nn.LogSoftmax: ("log_softmax", ()),
}
_LAYER_TYPES = {
    "EfficientKAN": "efficient_kan", "FastKAN": "fast_kan", "KAGN": "kagn", "GRAMKAN": "gramkan",
    "ChebyKAN": "chebykan", "inkan": "inkan", "kanx": "kanx",
}  # fmt: skip


def model_of_module(module: nn.Module, options: Mapping[str, Any]) -> KanModel:
    """The network of a module: KAN layers of any class whose tensors a library's layers have.

    The float record is compared with the module on random inputs, as tensors alone do not tell
    what a ``forward`` does with them.

    Parameters
    ----------
    module
        It is evaluated as in ``eval()``.
    options
        As for :func:`kanhw.load`.

    Raises
    ------
    InputError
        If its tensors are no network's, or it computes something else.
    """
    owner = type(module).__name__
    state = strip_wrappers(arrays_of(module.state_dict()))
    told = _told(module, options)
    if not {"modules", "layers"} & set(options):
        listed = _listed(module, state)
        told |= {"modules": listed} if listed else {}
    model = model_of_state(owner, state, options, told, "the module")
    model = replace(model, source=f"{owner}: {model.source}")
    # Where the user said which part is meant, the whole computes something else.
    if "layers" not in options:
        _check(module, model, owner)
    return model


def _told(module: nn.Module, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the layers say of themselves beside their tensors."""
    widths = [getattr(each, "denominator", None) for each in module.modules()]
    numbers = [width for width in widths if isinstance(width, int | float)]
    told: dict[str, Any] = {"denominator": numbers} if numbers else {}
    pykan = next((each for each in module.modules() if _is_pykan(each)), None)
    if pykan is not None:
        return {name: v for name, v in _told_by_pykan(pykan).items() if name not in options}
    layers = [each for each in module.modules() if getattr(each, "base_activation", None)]
    if not layers or "base_activation" in options:
        return told
    names = {_name(layer.base_activation) for layer in layers}
    if len(names) != 1 or not names <= set(ACTIVATIONS):
        raise InputError(
            f"The base activations of {type(layers[0]).__name__} are "
            f"{', '.join(sorted(names))}: kanhw knows one for all layers, of "
            f"{', '.join(ACTIVATIONS)}; tell it with base_activation=..."
        )
    return told if names == {"prelu"} else {**told, "base_activation": names.pop()}


def _is_pykan(module: nn.Module) -> bool:
    parts = (getattr(module, name, None) for name in ("act_fun", "symbolic_fun"))
    return all(isinstance(part, nn.ModuleList) for part in parts)


def _told_by_pykan(network: Any) -> dict[str, Any]:
    """What PyKAN's network holds beside its tensors, as ``saveckpt`` would write it."""
    names = [part.funs_name for part in network.symbolic_fun if hasattr(part, "funs_name")]
    base = getattr(network, "base_fun_name", None)
    if not isinstance(base, str | None):
        # After prune it is the function itself.
        base = _name(base) if _name(base) in ACTIVATIONS else None
    facts = {
        "symbolic_names": names if len(names) == len(network.symbolic_fun) else None,
        "mult_arity": getattr(network, "mult_arity", None),
        "symbolic_enabled": getattr(network, "symbolic_enabled", None),
        "base_activation": base,
    }
    columns = getattr(network, "input_id", None)
    if isinstance(columns, torch.Tensor) and columns.tolist() != list(range(len(columns))):
        facts["input_ids"] = columns.tolist()
    return {name: value for name, value in facts.items() if value is not None}


def _name(function: Any) -> str:
    """``silu`` for nn.SiLU, an instance of it, and torch's function."""
    named = function if hasattr(function, "__name__") else type(function)
    return str(activation_name(named.__name__))


def _listed(module: nn.Module, state: State) -> list[dict[str, Any]]:
    """The list of modules of an ``nn.Sequential`` whose parts are all known; else none."""
    if type(module) is not nn.Sequential:
        return []
    entries = [_entry(name, child, state) for name, child in module.named_children()]
    plain = all(entry is None or entry["type"] in _LAYER_TYPES.values() for entry in entries)
    known = [entry for entry in entries if entry is not None]
    # A chain of nothing but KAN layers needs no list.
    return known if len(known) == len(entries) and not plain else []


def _entry(name: str, child: nn.Module, state: State) -> dict[str, Any] | None:
    if type(child) in _PLAIN:
        kind, facts = _PLAIN[type(child)]
        return {"type": kind, "name": name} | {fact: getattr(child, fact) for fact in facts}
    start = f"{name}."
    own = {key.removeprefix(start): a for key, a in state.items() if key.startswith(start)}
    library = next((each.library for each in IMPORTERS if each.matches(own)), "")
    layer = _LAYER_TYPES.get(library)
    nested = any(part.isdecimal() for key in own for part in key.split("."))
    return None if nested or layer not in TYPES else {"type": layer, "name": name}


def _check(module: nn.Module, model: KanModel, owner: str) -> None:
    """Refuse a record that gives other outputs than the module."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (_ROWS, *model.input_shape))
    if "folded in: " in model.source:
        # Around the normalisation's own mean, where inputs are.
        x = _physical(x, model)
    expected = _evaluated(module, x)
    found = model(x)
    if expected is None or expected.shape != found.shape:
        shape = "another shape" if expected is not None else "none at all"
        raise InputError(
            f"{owner} gives outputs of {shape} for inputs {list(x.shape)}, so it does more than "
            f"its KAN layers, {list(found.shape)}: name the part to read with layers='PREFIX', or "
            "pass that part itself"
        )
    last = list(module.children())[-1] if type(module) is nn.Sequential else None
    if isinstance(last, nn.Softmax | nn.LogSoftmax):
        found = last(torch.as_tensor(found)).numpy()
    span = float(np.ptp(expected)) or 1.0
    error = float(np.abs(found - expected).max()) / span
    if not error <= _TOLERANCE:
        raise InputError(
            f"{owner} gives other outputs than its KAN layers alone, by {error:.2g} of their range "
            "on random inputs: its forward does more than its tensors tell. List its modules with "
            "modules=[...], tell normalisations with input_mean=..., or, to read the layers as "
            "they are, pass its state_dict()"
        )


def _physical(x: FloatArray, model: KanModel) -> FloatArray:
    """Random inputs moved to where the first layer's basis is."""
    layer = model.layers[0]
    support = getattr(getattr(layer, "basis", None), "support", None)
    if support is None:
        return x
    middle, half = support.mean(axis=1), np.ptp(support, axis=1) / 2
    moved: FloatArray = middle + x / 2 * half
    return moved


def _evaluated(module: nn.Module, x: FloatArray) -> FloatArray | None:
    """What the module gives, as in ``eval()``; None where it takes no such inputs."""
    tensors = [*module.parameters(), *module.buffers()]
    like = next((each for each in tensors if each.is_floating_point()), torch.zeros(()))
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        with torch.no_grad():
            y = module(torch.as_tensor(x, dtype=like.dtype, device=like.device))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return None
    finally:
        for each in training:
            each.training = True
    return np.asarray(y.double().cpu().numpy()) if isinstance(y, torch.Tensor) else None
