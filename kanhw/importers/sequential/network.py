"""Networks of several kinds of modules, from their list and their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.errors import InputError
from kanhw.importers import kagn, kagn_conv
from kanhw.importers.parts import networks
from kanhw.importers.parts.chain import Chain
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.settings import default_notes, integers, missing
from kanhw.importers.sequential.module_list import check_tensors, read_modules
from kanhw.importers.sequential.module_types import (
    IMAGE_TYPES,
    KAN_TYPES,
    ON_THE_HOST,
    RMS_EPSILON,
    TYPES,
    SequenceModule,
)
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel

__all__ = ["OPTIONS", "build", "matches"]

_KAN_OPTIONS = [name for kind in KAN_TYPES.values() for name in kind.options]
OPTIONS = tuple(
    dict.fromkeys(("modules", "input_shape", "layers", *kagn_conv.LAYER_OPTIONS, *_KAN_OPTIONS))
)


def matches(state: State) -> bool:
    """Any checkpoint will do: it is the list of modules that tells."""
    return bool(state)


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a list of modules describes.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``modules``: the list, or its JSON text. ``input_shape``: of the images, where there are
        any. ``layers``: the prefix under which the numbered modules are. The options of the
        modules' own importers win over what the list says: one for all of them or, for
        convolutions, one each.

    Raises
    ------
    InputError
        If the list is wrong or does not fit the tensors.
    """
    state = kagn.without_wrappers(state)
    modules = read_modules(state, options)
    check_tensors(state, modules, options)
    shape = options.get("input_shape")
    chain = Chain(None if shape is None else _shape(shape))
    notes = []
    for module in modules:
        kind = module.entry["type"]
        image = kind in IMAGE_TYPES
        if image and chain.shape is None and not chain.layers:
            raise InputError(missing(["input_shape"]))
        TYPES[kind].add(chain, state, module)
        notes += _notes(chain, module)
    early = [m.prefix for m in modules[:-1] if m.entry["type"] in ON_THE_HOST]
    if early:
        raise InputError(
            f"Module {early[0]!r} is a softmax, which is left to the host, so it must be the last "
            "one: what is behind it cannot be read"
        )
    names = tuple(module.prefix for module in modules if TYPES[module.entry["type"]].tensors)
    source = networks.describe("nn.Sequential", state, names)
    return chain.model("; ".join([source, *dict.fromkeys(notes)]))


def _shape(value: object) -> tuple[int, ...]:
    numbers = integers("input_shape", value)
    return numbers if len(numbers) == 1 else kagn_conv.input_shape(value)


def _notes(chain: Chain, module: SequenceModule) -> list[str]:
    kind = module.entry["type"]
    if kind == "kagn_conv2d" and "dilation" not in module.entry:
        return ["dilation 1 (the library's default)"]
    if kind == "rms_norm" and "eps" not in module.entry:
        return [f"RMSNorm's eps {RMS_EPSILON:g} (torch's default)"]
    if kind in ON_THE_HOST:
        return [f"{kind} at the end is left to the host: outputs are what goes into it"]
    last = chain.layers[-1] if chain.layers else None
    if "base_activation" in TYPES[kind].options and isinstance(last, KanLayer):
        return default_notes([last], module.entry)
    return []
