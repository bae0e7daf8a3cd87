"""The most that the integers of a network may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from kanhw.errors import InputError
from kanhw.program import Program
from kanhw.program.costs import NetworkCosts, costs_of
from kanhw.values import is_number

__all__ = ["BitBudget"]

# What each of them counts.
_COSTS = {
    "unrolled_luts": "unrolled_luts",
    "bits": "parameter_bits",
    "bit_operations": "bit_operations",
    "operation_energy_45nm_pj": "operation_energy_45nm_pj",
}


@dataclass(frozen=True, kw_only=True)
class BitBudget:
    """Budget of :func:`~kanhw.quant.allocate`: the most that a network costs, of exactly one kind.

    (What a design takes under a schedule is limited by :class:`kanhw.Budget`.)

    Parameters
    ----------
    unrolled_luts
        Six-input LUTs where every edge has its own hardware, as
        :class:`~kanhw.program.costs.NetworkCosts` estimates them.
    bits
        Bits of all parameters.
    bit_operations
        Of an inference.
    operation_energy_45nm_pj
        Picojoule of an inference, operation by operation in 45 nm; see there.
    """

    unrolled_luts: float | None = None
    bits: float | None = None
    bit_operations: float | None = None
    operation_energy_45nm_pj: float | None = None

    def __post_init__(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) != 1:
            raise InputError(
                f"A budget is exactly one of {', '.join(_COSTS)}, not {' and '.join(given) or None}"
            )
        value = getattr(self, given[0])
        if not is_number(value):
            raise TypeError(f"{given[0]} must be a number, not {value!r}")
        if not 0 < value < math.inf:
            raise InputError(f"{given[0]} must be above 0 and finite, not {value}")

    @property
    def what(self) -> str:
        """Which of them it is."""
        return next(name for name in _COSTS if getattr(self, name) is not None)

    @property
    def limit(self) -> float:
        """How much."""
        return float(getattr(self, self.what))

    @classmethod
    def of(cls, program: Program | NetworkCosts, what: str = "bits") -> BitBudget:
        """The budget that a network meets exactly, such as a uniform quantization's.

        Parameters
        ----------
        program
            The network, or what it costs.
        what
            ``unrolled_luts``, ``bits``, ``bit_operations`` or ``operation_energy_45nm_pj``.
        """
        if what not in _COSTS:
            raise InputError(f"what must be one of {', '.join(_COSTS)}, not {what!r}")
        costs = program if isinstance(program, NetworkCosts) else costs_of(program)
        return cls(**{what: getattr(costs, _COSTS[what])})

    def cost(self, costs: NetworkCosts) -> float:
        """What counts against it."""
        return float(getattr(costs, _COSTS[self.what]))

    def met_by(self, costs: NetworkCosts) -> bool:
        """Whether costs stay within it."""
        return self.cost(costs) <= self.limit * (1 + 1e-12)

    def __str__(self) -> str:
        return f"{self.limit:.6g} {self.what}"
