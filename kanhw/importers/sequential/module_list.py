"""The list of modules: read, checked against what is known, and against the tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.entries import parse_json
from kanhw.errors import InputError
from kanhw.importers import kagn_conv
from kanhw.importers.parts import networks
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.left_over import check_nothing_left
from kanhw.importers.sequential.module_types import KAN_TYPES, TYPES, SequenceModule
from kanhw.values import brief

__all__ = ["check_tensors", "inherited", "module_list", "read_modules"]

# Every entry may say these: where it is, and what training alone needs.
_ALWAYS = ("type", "name", "p", "dropout", "inplace")


def read_modules(state: State, options: Mapping[str, Any]) -> list[SequenceModule]:
    """The modules that an option lists, each with the prefix of its tensors."""
    value = module_list(options["modules"])
    parent = _parent(state, options.get("layers"))
    entries = [_checked(index, entry) for index, entry in enumerate(value)]
    entries = _overridden(entries, options)
    return [
        SequenceModule(str(entry.get("name", f"{networks.start_of(parent)}{index}")), entry)
        for index, entry in enumerate(entries)
    ]


def module_list(value: object) -> list[Any]:
    """The option ``modules``: a list, or its JSON text; what is in it is checked later."""
    if isinstance(value, str):
        value = parse_json(value, "The option modules")
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"modules must be a list of objects with a 'type', not {brief(value)}")
    return list(value)


def _checked(index: int, entry: object) -> dict[str, Any]:
    if not isinstance(entry, Mapping) or "type" not in entry:
        raise InputError(f"modules[{index}] must be an object with a 'type', not {brief(entry)}")
    kind = entry["type"]
    if not isinstance(kind, str) or kind not in TYPES:
        raise InputError(
            f"modules[{index}] has the unknown type {brief(kind)}: kanhw knows {', '.join(TYPES)}"
        )
    allowed = (*_ALWAYS, *TYPES[kind].options, *TYPES[kind].facts)
    for key in entry:
        if key not in allowed:
            raise InputError(
                f"modules[{index}] ({kind}) says {key!r}, which kanhw does not know: allowed are "
                f"{', '.join(allowed)}"
            )
    return {str(key): item for key, item in entry.items() if item is not None}


def _overridden(
    entries: list[dict[str, Any]], options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Options that are given on their own win over the entries."""
    convolutions = [i for i, entry in enumerate(entries) if entry["type"] == "kagn_conv2d"]
    chosen = kagn_conv.per_layer(options, len(convolutions)) if convolutions else []
    for index, each in zip(convolutions, chosen, strict=True):
        entries[index].update(each)
    for entry in entries:
        if entry["type"] not in KAN_TYPES:
            continue
        for name in inherited(entry["type"]):
            if options.get(name) is not None:
                entry[name] = options[name]
    return entries


def inherited(kind: str) -> tuple[str, ...]:
    """Which options an entry of this type takes from outside of the list, if it does not say."""
    if kind == "kagn_conv2d":
        return TYPES[kind].options
    # The norm is a convolution's: the linear layers have each their own.
    return tuple(name for name in TYPES[kind].options if kind in KAN_TYPES and name != "norm")


def _parent(state: State, wanted: object) -> str:
    """Under which prefix the numbers are: what the option says, or the shortest there is."""
    if wanted is not None:
        if not isinstance(wanted, str):
            raise TypeError(f"The option layers must be a string, not {wanted!r}")
        return wanted
    parents = []
    for name in state:
        parts = name.split(".")
        numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
        if numbers:
            parents.append(".".join(parts[: numbers[0]]))
    return min(parents, key=len, default="")


def check_tensors(state: State, modules: list[SequenceModule], options: Mapping[str, Any]) -> None:
    """Every module has the tensors that its type needs, and no tensor of a sequence is left out."""
    for index, module in enumerate(modules):
        found = [name for name in state if name.startswith(module.start)]
        kind = module.entry["type"]
        if found and not TYPES[kind].tensors:
            raise InputError(
                f"modules[{index}] is {kind}, but the checkpoint holds {found[0]!r} there: the "
                "list must name every module, in order"
            )
        if not found and TYPES[kind].tensors:
            raise InputError(
                f"modules[{index}] is {kind}, but the checkpoint holds no tensor under "
                f"{module.start!r}: the list must name every module, in order"
            )
    start = networks.start_of(_parent(state, options.get("layers")))
    starts = tuple(module.start for module in modules)
    for name in state:
        rest = name.removeprefix(start)
        if (
            name.startswith(start)
            and rest.partition(".")[0].isdecimal()
            and not name.startswith(starts)
        ):
            raise InputError(
                f"Tensor {name!r} belongs to none of the {len(modules)} modules: the list must "
                "name every module, in order"
            )
    # Where it was told which modules are meant, the others are nobody's business.
    told = networks.start_of(str(options.get("layers") or ""))
    check_nothing_left({name: state[name] for name in state if name.startswith(told)}, starts)
