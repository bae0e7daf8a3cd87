"""One point of a space: how to quantize, and how to lay the Program out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kanhw.entries import Entry
from kanhw.errors import InputError
from kanhw.exploration.space.plans import check_plan
from kanhw.targets.table import MODELLED, model_of
from kanhw.values import brief, is_integer, meant

if TYPE_CHECKING:
    from kanhw.quant.config import QuantConfig

__all__ = ["HARDWARE", "Configuration", "Value", "check_field", "quantize_fields"]

Value = int | float | str | bool

# Fields of a QuantConfig that are said elsewhere, or hold no single value.
_NO_AXES = ("layers", "codebook", "evaluator")
# What no layer of a realisation reads; whether it is given makes no difference then.
_UNREAD: dict[str, tuple[str, ...]] = {
    "edge_table": ("basis_bits", "base_table_bits", "codebook.", "evaluator."),
    "basis_table": ("table_bits", "codebook.", "evaluator."),
    "codebook": ("table_bits", "evaluator."),
    "spline_evaluator": ("table_bits", "codebook."),
}
HARDWARE = ("plan", "fabric", "adder_levels", "target")
"""What is chosen beside a quantization and its training."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One point: everything that is chosen for it.

    Parameters
    ----------
    quantize
        Fields of a :class:`~kanhw.quant.config.QuantConfig` that differ from its defaults, by
        their names, those of groups by dotted ones.
    epochs
        Of training with rounding; 0 quantizes after training.
    plan
        The schedule: see :mod:`kanhw.exploration.space.plans`.
    fabric, adder_levels
        As in a :class:`~kanhw.schedule.schedule.Schedule`.
    target
        The family whose resources are modelled.
    """

    quantize: Mapping[str, Value] = field(default_factory=dict)
    epochs: int = 0
    plan: str = "unrolled"
    fabric: str = "portable"
    adder_levels: int = 1
    target: str = MODELLED

    @classmethod
    def of(cls, choices: Mapping[str, Value]) -> Configuration:
        """The point of some choices, by the names of fields; what does not matter is left out.

        Two points that differ only in what their realisation does not read are the same one.
        """
        own = {name: value for name, value in choices.items() if name in _OWN}
        given = {name: value for name, value in choices.items() if name not in _OWN}
        unread = _UNREAD.get(str(given.get("realisation")), ())
        plain = _plain_config()
        quantize = {
            name: given[name]
            for name in sorted(given)
            if not _is_unread(name, unread) and given[name] != attrgetter(name)(plain)
        }
        return cls(quantize=quantize, **own)  # type: ignore[arg-type]

    @property
    def stage(self) -> dict[str, Any]:
        """What makes the Program, as plain JSON values: points that share it share the Program."""
        return {"quantize": dict(self.quantize), "epochs": self.epochs}

    @property
    def choices(self) -> dict[str, Value]:
        """All that differs from the defaults, by name."""
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)[1:]}
        plain = Configuration()
        return {
            **self.quantize,
            **{name: value for name, value in own.items() if value != getattr(plain, name)},
        }

    def value(self, name: str) -> Value | None:
        """What is chosen for a name; None where nothing is, and the default is no single value."""
        if name in _OWN:
            own: Value = getattr(self, name)
            return own
        if name in self.quantize:
            return self.quantize[name]
        if _is_unread(name, _UNREAD.get(str(self.quantize.get("realisation")), ())):
            return None
        default = attrgetter(name)(_plain_config())
        return default if isinstance(default, Value) else None

    def config(self, base: Mapping[str, Value] | None = None) -> QuantConfig:
        """The quantization.

        Parameters
        ----------
        base
            Fields that hold where nothing else is chosen.
        """
        return _plain_config().changed({**(base or {}), **self.quantize})

    def to_json(self) -> dict[str, Any]:
        """The point as plain JSON values; the same point always as the same."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)} | {
            "quantize": dict(self.quantize)
        }

    @classmethod
    def from_json(cls, entry: Entry) -> Configuration:
        """The inverse of :meth:`to_json`.

        Raises
        ------
        InputError
            If a field is missing, unknown, or of another type.
        """
        quantize = entry.child("quantize")
        names = list(entry.get("quantize"))
        read = cls(
            quantize={name: quantize.get(name) for name in names},
            epochs=entry.integer("epochs"),
            plan=entry.text("plan"),
            fabric=entry.text("fabric"),
            adder_levels=entry.integer("adder_levels"),
            target=entry.text("target"),
        )
        entry.finish()
        return read

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.choices.items()) or "defaults"


_OWN = tuple(entry.name for entry in fields(Configuration)[1:])


def quantize_fields() -> tuple[str, ...]:
    """Names of the fields of a quantization that an axis may have."""
    from kanhw.quant.config import QuantConfig

    return tuple(name for name in QuantConfig.field_names() if name not in _NO_AXES)


def check_field(name: str, value: Any, where: str) -> None:
    """Refuse a value that a field cannot have.

    Parameters
    ----------
    name
        Of a field of a quantization, or of :class:`Configuration`.
    value
        What was given.
    where
        For the message.

    Raises
    ------
    InputError
        Saying what is allowed.
    """
    from kanhw.schedule.schedule import Schedule

    if not isinstance(value, Value):
        raise InputError(f"{where}: values are numbers, texts, true or false, not {brief(value)}")
    try:
        if name == "plan":
            check_plan(value)
        elif name == "target":
            model_of(str(value))
        elif name == "epochs":
            if not is_integer(value) or value < 0:
                raise InputError(f"epochs must be an integer of 0 or more, not {value!r}")
        elif name in _OWN:
            Schedule(**{name: value})  # type: ignore[arg-type]
        elif name in quantize_fields():
            _plain_config().changed({name: value})
        else:
            known = (*quantize_fields(), *_OWN)
            raise InputError(
                f"there is no field {name!r}{meant(name, known) or ', see docs/explore.md'}"
            )
    except (InputError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error


def _is_unread(name: str, unread: tuple[str, ...]) -> bool:
    return any(name == each or (each.endswith(".") and name.startswith(each)) for each in unread)


@cache
def _plain_config() -> QuantConfig:
    from kanhw.quant.config import QuantConfig

    return QuantConfig()
