"""What a ``config.json`` beside a checkpoint says of what the checkpoint does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kanhw.entries import read_json_object
from kanhw.errors import InputError
from kanhw.importers.sequential import TYPES, inherited, module_list
from kanhw.values import brief

__all__ = ["merge_config", "read_config"]

_NUMBER, _SIZES = (int, float), (int, list)
_NUMBERS = ((int, float, str, list), "a number, a list of them, or the name of a tensor")

# What each may be, and how messages call that. Anything else in the file is for other readers.
_KEYS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "base_activation": (str, "a name"),
    "basis_activation": (str, "a name"),
    "norm": (str, "a name"),
    "layernorm": (bool, "true or false"),
    "denominator": ((int, float, list), "a number, or a list of them"),
    "grid_min": (_NUMBER, "a number"),
    "grid_max": (_NUMBER, "a number"),
    "eps": (_NUMBER, "a number"),
    "degree": (int, "an integer"),
    "spline_order": (int, "an integer"),
    "stride": (_SIZES, "an integer, or a list of them"),
    "padding": (_SIZES, "an integer, or a list of them"),
    "dilation": (_SIZES, "an integer, or a list of them"),
    "input_shape": (list, "a list of integers"),
    "modules": (list, "a list of objects"),
    "mult_arity": (_SIZES, "an integer, or a list of lists"),
    "symbolic_enabled": (bool, "true or false"),
    "symbolic_names": (list, "a list of lists"),
    "input_ids": (list, "a list of integers"),
    "n_features": (int, "an integer"),
    "ignore": ((str, list), "a pattern, or a list of them"),
    "input_mean": _NUMBERS,
    "input_std": _NUMBERS,
    "output_mean": _NUMBERS,
    "output_std": _NUMBERS,
}


def read_config(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Read the hyper-parameters of a ``config.json``, except for those that were given already.

    Raises
    ------
    InputError
        If the file is there but damaged, or a hyper-parameter is of a wrong type.
    """
    if not path.is_file():
        return {}
    content = read_json_object(path)
    found = {}
    for name, (kind, expected) in _KEYS.items():
        value = content.get(name)
        if value is None or name in options:
            continue
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InputError(f"{path}: {name!r} must be {expected}, not {brief(value)}")
        found[name] = value
    return found


def merge_config(config: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that were given, over those of the file; in the file, a module's over the file's own.

    Parameters
    ----------
    config
        From :func:`read_config`.
    options
        What the user gave.
    """
    merged = {**config, **options}
    if "modules" not in merged:
        return merged
    shared = {name: value for name, value in config.items() if name == "input_shape"}
    modules = [_with_defaults(entry, config) for entry in module_list(merged["modules"])]
    return {**shared, **options, "modules": modules}


def _with_defaults(entry: Any, config: Mapping[str, Any]) -> Any:
    if not isinstance(entry, dict) or entry.get("type") not in TYPES:
        return entry
    known = inherited(str(entry["type"]))
    return {**{name: config[name] for name in known if name in config}, **entry}
