"""What a network may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from kanhw.errors import InputError
from kanhw.program import Program
from kanhw.quant.costs import Costs, costs_of

__all__ = ["Budget"]

# What each of them counts.
_COSTS = {
    "luts": "luts",
    "bits": "parameter_bits",
    "bit_operations": "bit_operations",
    "energy": "energy",
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a network may cost at most: exactly one of these.

    Parameters
    ----------
    luts
        Six-input LUTs, as :class:`~kanhw.quant.costs.Costs` estimates them.
    bits
        Bits of all parameters.
    bit_operations
        Of an inference.
    energy
        Picojoule of an inference.
    """

    luts: float | None = None
    bits: float | None = None
    bit_operations: float | None = None
    energy: float | None = None

    def __post_init__(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        if len(given) != 1:
            raise InputError(
                f"A budget is exactly one of {', '.join(_COSTS)}, not {' and '.join(given) or None}"
            )
        value = getattr(self, given[0])
        if not isinstance(value, int | float) or isinstance(value, bool):
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
    def of(cls, program: Program | Costs, what: str = "bits") -> Budget:
        """The budget that a network meets exactly, such as a uniform quantization's.

        Parameters
        ----------
        program
            The network, or what it costs.
        what
            ``luts``, ``bits``, ``bit_operations`` or ``energy``.
        """
        if what not in _COSTS:
            raise InputError(f"what must be one of {', '.join(_COSTS)}, not {what!r}")
        costs = program if isinstance(program, Costs) else costs_of(program)
        return cls(**{what: getattr(costs, _COSTS[what])})

    def cost(self, costs: Costs) -> float:
        """What counts against it."""
        return float(getattr(costs, _COSTS[self.what]))

    def met_by(self, costs: Costs) -> bool:
        """Whether costs stay within it."""
        return self.cost(costs) <= self.limit * (1 + 1e-12)

    def __str__(self) -> str:
        return f"{self.limit:.6g} {self.what}"
