"""Options of importers, which may come as text from the command line or as values of JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kanhw.entries import parse_json
from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.model.activation import ACTIVATIONS, Activation
from kanhw.model.layer import KanLayer
from kanhw.values import brief, is_integer

__all__ = [
    "DEFAULT_EPSILON",
    "activation_name",
    "check_degree",
    "default_notes",
    "epsilon",
    "expect_shape",
    "flag",
    "integers",
    "listed",
    "missing",
    "norm_kind",
    "pairs",
    "read_activation",
    "real",
]

DEFAULT_EPSILON = 1e-5  # of every norm in PyTorch

Pair = tuple[int, int]

_ALIASES = {"leakyrelu": "leaky_relu", "swish": "silu"}

_SLOPE = "base_activation.weight"  # the one parameter of torch.nn.PReLU


def missing(names: Sequence[str]) -> str:
    """What to say when the checkpoint cannot tell these options and nothing is a default."""
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    passed = ", ".join(f"{name}=..." for name in names)
    flags = " ".join(f"--option {name}=..." for name in names)
    is_it = ("is", "it") if len(names) == 1 else ("are", "them")
    return (
        f"{text} {is_it[0]} not in the checkpoint: pass {passed} (load) or {flags}, or put "
        f"{is_it[1]} into config.json"
    )


def flag(name: str, value: object) -> bool:
    """True or False, or the text of either."""
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in ("true", "false"):
        raise InputError(f"The option {name} is true or false, not {value!r}")
    return text == "true"


def real(name: str, value: object) -> float:
    """A finite number, or its text."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"The option {name} must be a number, not {brief(value)}") from error
    if not math.isfinite(number):
        raise InputError(f"The option {name} must be finite, not {value!r}")
    return number


def epsilon(options: Mapping[str, Any]) -> float:
    """The option ``eps``: what a norm adds to the variance; PyTorch's 1e-5 if it is not given."""
    value = real("eps", options.get("eps", DEFAULT_EPSILON))
    if value <= 0:
        raise InputError(f"The option eps must be positive, not {value}")
    return value


def listed(value: object) -> list[Any]:
    """The values of an option that may be one or several: a list, or a text with commas."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            return listed(parse_json(text, brief(value)))
        return [part.strip() for part in text.strip("()").split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def integers(name: str, value: object) -> tuple[int, ...]:
    """Integers, as a list or in a text with commas."""
    return tuple(_integer(name, item) for item in listed(value))


def pairs(name: str, value: object) -> list[Pair]:
    """Rows and columns, of one layer or several: ``1``, ``"1,2"``, ``"2x1"``, ``[[2, 1], 1]``."""
    return [_pair(name, item) for item in listed(value)]


def _pair(name: str, value: object) -> Pair:
    parts: Sequence[object] = (
        value if isinstance(value, list | tuple)
        else value.lower().split("x") if isinstance(value, str)
        else [value]
    )  # fmt: skip
    numbers = [_integer(name, part) for part in parts]
    if len(numbers) not in (1, 2):
        raise InputError(f"The option {name} is one number, or rows and columns, not {value!r}")
    return numbers[0], numbers[-1]


def _integer(name: str, value: object) -> int:
    # Python reads no number of thousands of digits, and no option is one.
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 100:
        return int(value)
    if is_integer(value):
        return value
    raise InputError(f"The option {name} must be made of integers, not {brief(value)}")


def norm_kind(value: object) -> str:
    """``batch`` for ``batch``, ``BatchNorm2d``, ``nn.BatchNorm2d``; and so on for other norms."""
    if value is None:
        return "none"
    if not isinstance(value, str):
        raise TypeError(f"The option norm must be a name, not {value!r}")
    name = value.rpartition(".")[2].lower().replace("_", "")
    name = name.removesuffix("1d").removesuffix("2d").removesuffix("3d").removesuffix("norm")
    return "none" if name in ("none", "identity") else name


def activation_name(wanted: object) -> str | None:
    """The option ``base_activation``: ``silu`` for ``silu``, ``torch.nn.SiLU`` and ``swish``."""
    if wanted is not None and not isinstance(wanted, str):
        raise TypeError(f"The option base_activation must be a string, not {wanted!r}")
    name = None if wanted is None else wanted.rpartition(".")[2].lower()
    return _ALIASES.get(name, name) if name else name


def read_activation(state: State, start: str, wanted: object) -> Activation:
    """The base activation of a layer: silu unless it is told, or a PReLU whose slope is saved."""
    name = activation_name(wanted)
    if f"{start}{_SLOPE}" not in state:
        if name == "prelu":
            raise InputError(
                f"base_activation='prelu' needs its slope, but there is no tensor "
                f"'{start}{_SLOPE}'"
            )
        return Activation(name or "silu")
    if name not in (None, "prelu"):
        raise InputError(
            f"base_activation={wanted!r} contradicts tensor '{start}{_SLOPE}', which makes it "
            f"prelu (of {', '.join(ACTIVATIONS)}): leave the option out"
        )
    slopes = np.unique(parameter(state, f"{start}{_SLOPE}", 1))
    if len(slopes) != 1:
        raise InputError(
            f"Tensor '{start}{_SLOPE}' holds {len(slopes)} different slopes: kanhw reads one "
            f"PReLU slope per layer"
        )
    return Activation("prelu", float(slopes[0]))


def default_notes(layers: Iterable[KanLayer], options: Mapping[str, Any]) -> list[str]:
    """What the source is to say of a base activation that nobody told."""
    silu = any(layer.base_activation.name == "silu" for layer in layers)
    told = options.get("base_activation") is not None
    return ["base_activation silu (the library's default)"] if silu and not told else []


def check_degree(degree: int, options: Mapping[str, Any], tensor: str) -> None:
    """Refuse an option ``degree`` that contradicts the tensors, which tell the degree anyway."""
    given = options.get("degree")
    if given is not None and integers("degree", given) != (degree,):
        raise InputError(f"degree={given!r} contradicts tensor {tensor!r}, which is of {degree}")


def expect_shape(
    name: str, array: FloatArray, shape: tuple[int | None, ...], reference: str
) -> None:
    """Refuse a tensor whose shape does not fit another one's; None is any size."""
    if any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(
            f"Tensor {name!r} must have shape [{expected}] to fit {reference!r}, not "
            f"{list(array.shape)}"
        )
