"""The config of a call: one that is given, with single fields that differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.quant.config.config import QuantConfig
from kanhw.quant.config.grouped import refuse_flat
from kanhw.values import meant

__all__ = ["given_config"]


def given_config(
    config: QuantConfig | None, options: Mapping[str, Any], caller: str
) -> QuantConfig:
    """The config that a call of ``caller`` means.

    Parameters
    ----------
    config
        What was given; None is ``QuantConfig()``.
    options
        Fields that differ, by name.
    caller
        For messages.

    Raises
    ------
    InputError
        If a field is out of its range.
    TypeError
        If ``config`` is no QuantConfig, or there is no such field.
    """
    if config is not None and not isinstance(config, QuantConfig):
        raise TypeError(f"config must be a kanhw.QuantConfig, not {type(config).__name__}")
    refuse_flat(options)
    fields = QuantConfig.field_names()
    for name in options:
        if name not in fields:
            raise TypeError(
                f"{caller} takes no option {name!r}{meant(name, fields) or ':'} there are "
                f"{', '.join(fields)}"
            )
    return (config or QuantConfig()).changed(options)
