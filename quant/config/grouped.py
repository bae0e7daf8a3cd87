"""Fields of groups, by dotted names such as ``codebook.size``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from kanhw.errors import InputError
from kanhw.quant.config.codebook import CodebookConfig
from kanhw.quant.config.evaluator import EvaluatorConfig

__all__ = ["GROUPS", "dotted_names", "flat_names", "refuse_flat", "with_groups"]

# The fields of a QuantConfig that hold fields of their own.
GROUPS: dict[str, type[CodebookConfig] | type[EvaluatorConfig]] = {
    "codebook": CodebookConfig,
    "evaluator": EvaluatorConfig,
}


def dotted_names(group: str) -> list[str]:
    """The fields of a group as ``layers`` names them."""
    return [f"{group}.{field.name}" for field in fields(GROUPS[group])]


def flat_names() -> dict[str, str]:
    """One word for every field of a group, as the command line's flags have it, by dotted name."""
    # Bits say what they are of already.
    return {
        name: name.rpartition(".")[2] if name.endswith("_bits") else name.replace(".", "_")
        for group in GROUPS
        for name in dotted_names(group)
    }


def refuse_flat(names: Iterable[str], *, dotted: bool = False) -> None:
    """Refuse a field of a group that is given without its group.

    Parameters
    ----------
    names
        What was given.
    dotted
        Whether dotted names are allowed where it was given.

    Raises
    ------
    TypeError
        Naming the new spelling.
    """
    renamed = _dotted_by_flat_name()
    for name in names:
        if name in renamed:
            group, _, field = renamed[name].partition(".")
            spelled = f"{GROUPS[group].__name__}({field}=...)"
            raise TypeError(
                f"{name} is {renamed[name]} now: give "
                + (f"{renamed[name]!r}" if dotted else f"{group}={spelled}")
            )


@cache
def _dotted_by_flat_name() -> Mapping[str, str]:
    # Every config asks for it, and some searches make thousands of them.
    return {flat: name for name, flat in flat_names().items()}


def with_groups(config: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of a config as its own fields: dotted names go into their groups.

    Raises
    ------
    InputError
        If a group is given as a whole and in parts.
    """
    plain = {name: value for name, value in changes.items() if "." not in name}
    for group in GROUPS:
        parts = {
            name.partition(".")[2]: value
            for name, value in changes.items()
            if name.startswith(f"{group}.")
        }
        if parts and group in plain:
            raise InputError(f"{group} is given as a whole, and {group}.{next(iter(parts))} too")
        if parts:
            plain[group] = replace(getattr(config, group), **parts)
    return plain
