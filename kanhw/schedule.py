"""How a Program is laid out in time and space: everything that does not change its numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kanhw.errors import InputError

__all__ = ["Schedule"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The unrolled schedule: every edge has its own hardware, one inference per clock.

    Parameters
    ----------
    adder_levels
        Two-input adder levels between two pipeline registers; 0 leaves the adder trees without
        registers inside. More levels: fewer registers and cycles, a slower clock.
    table_registers
        Whether table outputs are registered before they are added. A register there also keeps a
        synthesiser from copying table logic into carry chains.
    handshake
        True gives valid/ready streams with back-pressure. False gives the bare core, which takes
        a vector at every clock and answers it a fixed number of cycles later (for comparing
        resources, and for systems that never stall).
    """

    adder_levels: int = 1
    table_registers: bool = True
    handshake: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.adder_levels, int) or isinstance(self.adder_levels, bool):
            raise TypeError(f"adder_levels must be an integer, not {self.adder_levels!r}")
        if not 0 <= self.adder_levels <= 16:
            raise InputError(f"adder_levels must be 0 to 16, not {self.adder_levels}")
        for name in ("table_registers", "handshake"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, not {getattr(self, name)!r}")

    def to_json(self) -> dict[str, Any]:
        """The schedule as plain JSON values."""
        return {"kind": "unrolled", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Schedule:
        """The inverse of :meth:`to_json`."""
        fields = {key: value for key, value in data.items() if key != "kind"}
        if data.get("kind") != "unrolled":
            raise InputError(
                f"Unknown schedule {data.get('kind')!r}: this version knows 'unrolled'"
            )
        return cls(**fields)
