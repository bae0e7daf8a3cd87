"""What a PyKAN state_dict does not hold: told by the user, by saveckpt's config, or by default."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from kanhw.errors import InputError
from kanhw.importers.pykan.config_yaml import PythonObject
from kanhw.values import is_integer

__all__ = ["PykanOptions"]

Arities = int | tuple[tuple[int, ...], ...]
NameRows = tuple[tuple[str, ...], ...]
Names = tuple[NameRows, ...]

_DEFAULT_ARITY = 2
_TORCH_FUNCTIONS = ("silu", "identity", "relu", "tanh", "gelu")
_FUNS_NAME = "symbolic.funs_name."


@dataclass(frozen=True)
class PykanOptions:
    """Settings of one network; None is not told.

    Parameters
    ----------
    base_activation
        The name of b; silu is the library's default.
    layers
        The prefix of the network, where a checkpoint holds several.
    mult_arity
        How many sums a multiplication node takes: one number for all (2 is the library's default),
        or a list for each layer of nodes, the inputs' first.
    symbolic_enabled
        Whether symbolic edges take part, as they do by default.
    symbolic_names
        Functions of the symbolic edges, [layer][sum][input].
    input_ids
        Columns of the data that the network's inputs are, after ``prune_input``: no checkpoint
        holds them.
    n_features
        Columns of the data where ``input_ids`` is given; the highest of them + 1 by default.
    """

    base_activation: str | None = None
    layers: str | None = None
    mult_arity: Arities | None = None
    symbolic_enabled: bool | None = None
    symbolic_names: Names | None = None
    input_ids: tuple[int, ...] | None = None
    n_features: int | None = None
    notes: tuple[str, ...] = ()

    NAMES: ClassVar[tuple[str, ...]] = (
        "base_activation",
        "layers",
        "mult_arity",
        "symbolic_enabled",
        "symbolic_names",
        "input_ids",
        "n_features",
    )

    @staticmethod
    def of(options: Mapping[str, Any]) -> PykanOptions:
        """Read options as a user gives them: Python values, or text from a command line.

        Raises
        ------
        InputError
            If a value is not what the option takes.
        """
        given = {name: value for name, value in options.items() if value is not None}
        readers: dict[str, Callable[[str, Any], Any]] = {
            "base_activation": _text,
            "layers": _text,
            "mult_arity": _arities,
            "symbolic_enabled": _flag,
            "symbolic_names": _names,
            "input_ids": _ids,
            "n_features": _count,
        }
        values: dict[str, Any] = {name: readers[name](name, given[name]) for name in given}
        result = PykanOptions(**values)
        ids, total = result.input_ids, result.n_features
        if total is not None and (ids is None or total <= max(ids)):
            raise InputError(
                f"n_features={total} needs input_ids, the columns that are read, all below it"
            )
        return result

    def with_config(self, config: Mapping[str, Any]) -> PykanOptions:
        """Take over what saveckpt's config tells.

        Raises
        ------
        InputError
            If an option contradicts it, or it is not what saveckpt writes.
        """
        told = PykanOptions(
            base_activation=self._config_activation(config),
            mult_arity=_optional(_arities, config, "mult_arity"),
            symbolic_enabled=_optional(_flag, config, "symbolic_enabled"),
            symbolic_names=_config_names(config),
        )
        for field in fields(PykanOptions):
            ours, theirs = getattr(self, field.name), getattr(told, field.name)
            if ours not in (None, ()) and theirs not in (None, ()) and ours != theirs:
                raise InputError(
                    f"The option {field.name}={ours!r} contradicts the config, which says "
                    f"{theirs!r}: leave it out"
                )
        notes = []
        if told.base_activation is not None:
            notes.append(f"base_activation {told.base_activation} (its config)")
        if isinstance(config.get("base_fun_name"), PythonObject) and self.input_ids is None:
            notes.append(
                "WARNING: the config looks like prune_input's, which keeps the columns that it "
                "left nowhere: the model takes those columns only; input_ids names them"
            )
        known = {
            field.name: getattr(told, field.name)
            for field in fields(PykanOptions)
            if getattr(told, field.name) not in (None, ())
        }
        return replace(self, **known, notes=(*self.notes, *notes))

    def _config_activation(self, config: Mapping[str, Any]) -> str | None:
        value = config.get("base_fun_name")
        if not isinstance(value, PythonObject):
            return None if value is None else _text("base_fun_name", value)
        name = _activation_of_tag(value)
        if name is None and self.base_activation is None:
            raise InputError(
                f"The config's base_fun_name is the Python object {value.splitlines()[0]!r}, for "
                f"which kanhw has no equal: name one with base_activation if it has one"
            )
        return name

    @property
    def activation(self) -> str:
        """The name of b."""
        return self.base_activation or "silu"

    def describe_activation(self) -> tuple[str, ...]:
        """What to say about b, if the config has not said it: one note or none."""
        if any(note.startswith("base_activation") for note in self.notes):
            return ()
        origin = "the library's default" if self.base_activation is None else "as told"
        return (f"base_activation {self.activation} ({origin})",)

    def arity_of_layer(self, index: int) -> int | tuple[int, ...]:
        """Sums per product in layer ``index``: one number, or one for each product."""
        if self.mult_arity is None or isinstance(self.mult_arity, int):
            return self.mult_arity or _DEFAULT_ARITY
        if index + 1 >= len(self.mult_arity):
            raise InputError(
                f"mult_arity has lists for {len(self.mult_arity)} layers of nodes, but there are "
                f"more: it needs one for each, the inputs' first"
            )
        return self.mult_arity[index + 1]

    def names_of_layer(self, index: int, sums: int, inputs: int) -> NameRows | None:
        """Names [sum][input] of layer ``index``, checked; None where none are told."""
        if self.symbolic_names is None:
            return None
        names = self.symbolic_names[index] if index < len(self.symbolic_names) else ()
        if len(names) != sums or any(len(row) != inputs for row in names):
            raise InputError(
                f"The symbolic names of layer {index} must be {sums} lists (one for each sum) of "
                f"{inputs} names (one for each input)"
            )
        return names


def _optional(read: Any, config: Mapping[str, Any], name: str) -> Any:
    return None if config.get(name) is None else read(f"The config's {name}", config[name])


def _config_names(config: Mapping[str, Any]) -> Names | None:
    layers = [key for key in config if key.startswith(_FUNS_NAME)]
    if not layers:
        return None
    listed = [config.get(f"{_FUNS_NAME}{index}") for index in range(len(layers))]
    return _names(f"The config's {_FUNS_NAME}*", listed)


def _activation_of_tag(value: PythonObject) -> str | None:
    tag, _, body = value.partition("\n")
    path = tag.removeprefix("!!python/name:").removeprefix("!!python/object:").split(" ")[0]
    # The library's own lambda is its 'zero'.
    if path in ("kan.MultKAN.%3Clambda%3E", "kan.MultKAN.<lambda>"):
        return "zero"
    name = path.rpartition(".")[2].lower()
    if not path.startswith("torch.") or name not in _TORCH_FUNCTIONS:
        return None
    return None if name == "gelu" and "approximate: tanh" in body else name


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"The option {name} must be a string, not {value!r}")
    return value.rpartition(".")[2].lower() if name == "base_activation" else value


def _flag(name: str, value: Any) -> bool:
    value = _parsed(value)
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, not {value!r}")
    return value


def _arities(name: str, value: Any) -> Arities:
    value = _parsed(value)
    if _is_integer(value):
        return int(value)
    if _is_list(value) and all(_is_list(row) and all(map(_is_integer, row)) for row in value):
        return tuple(tuple(int(arity) for arity in row) for row in value)
    raise InputError(
        f"{name} must be an integer or a list of lists of integers, one for each layer of nodes, "
        f"not {value!r}"
    )


def _names(name: str, value: Any) -> Names:
    value = _parsed(value)
    nested = _is_list(value) and all(_is_list(rows) and all(map(_is_list, rows)) for rows in value)
    if not nested:
        raise InputError(
            f"{name} must be lists of function names, [layer][sum][input], not {value!r}"
        )
    return tuple(tuple(tuple(str(entry) for entry in row) for row in rows) for rows in value)


def _ids(name: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, str) and not value.startswith("["):
        value = f"[{value}]"
    value = _parsed(value.tolist() if hasattr(value, "tolist") else value)
    ids = [int(each) for each in value] if _is_list(value) and all(map(_is_integer, value)) else []
    if not ids or min(ids) < 0 or len(set(ids)) != len(ids):
        raise InputError(
            f"{name} must be the numbers of the columns that were kept, each once, such as 0,2; "
            f"not {value!r}"
        )
    return tuple(ids)


def _count(name: str, value: Any) -> int:
    value = _parsed(value)
    if not _is_integer(value) or value < 1:
        raise InputError(f"{name} must be a positive integer, not {value!r}")
    return int(value)


def _parsed(value: Any) -> Any:
    """Read text, which is what a command line gives, as JSON where it is that."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_integer(value: Any) -> bool:
    # The config of a network made with numpy's integers holds them as Python objects.
    return is_integer(value)
