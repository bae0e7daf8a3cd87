"""The budget of a design: the most resources and clocks that it may take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.estimation.resource_model import Resources

__all__ = ["Budget"]

UNITS = {"lut": "LUT", "bram": "block RAM", "dsp": "DSP", "clocks": "clocks"}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that a design may take; None sets no limit.

    Parameters
    ----------
    lut, bram, dsp
        LUTs, block RAMs and multiplier blocks of the target that is modelled: UltraScale+, whose
        block RAMs count as 18 Kbit each.
    clocks
        Clocks between two inferences.
    """

    lut: int | None = None
    bram: int | None = None
    dsp: int | None = None
    clocks: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.limits.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} of a budget must be an integer, not {value!r}")
            least = 1 if name in ("lut", "clocks") else 0
            if value < least:
                raise InputError(f"{name} of a budget must be at least {least}, not {value}")
        if not self.limits:
            raise InputError(
                f"A budget needs at least one limit of {', '.join(f.name for f in fields(self))}"
            )

    @property
    def limits(self) -> dict[str, int]:
        """The limits that there are, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return ",".join(f"{name}={limit}" for name, limit in self.limits.items())

    def allows(self, resources: Resources, names: tuple[str, ...] = ("lut", "bram", "dsp")) -> bool:
        """True where resources, or those that are named, are within the limits."""
        limits = self.limits
        return all(getattr(resources, name) <= limits[name] for name in names if name in limits)

    def exceeded(self, resources: Resources, clocks: int) -> str:
        """The limits that are exceeded and by how much, in words; empty if none is."""
        taken = {name: getattr(resources, name) for name in ("lut", "bram", "dsp")}
        taken["clocks"] = clocks
        return ", ".join(
            f"{UNITS[name]} missed by {taken[name] - limit} ({taken[name]} of {limit})"
            for name, limit in self.limits.items()
            if taken[name] > limit
        )

    @classmethod
    def from_text(cls, text: str) -> Budget:
        """A budget written as ``lut=3546,bram=147,dsp=32,clocks=1700``, in any order.

        Raises
        ------
        InputError
            If a name is unknown or there twice, or a number is none.
        """
        known = [field.name for field in fields(cls)]
        limits: dict[str, int] = {}
        for part in text.split(","):
            name, _, number = part.partition("=")
            name = name.strip()
            if name not in known or name in limits or not number.strip().isdecimal():
                raise InputError(
                    f"A budget is written as lut=3546,bram=147,dsp=32,clocks=1700, any of them "
                    f"once, not {text!r}"
                )
            limits[name] = int(number)
        return cls(**limits)
