"""What unrolled edge tables cost in LUTs by their structure, on a target and a fabric.

An estimate from sizes alone, made of smooth pieces, so that training can follow its gradient; what
synthesis makes of tables differs from it (``benchmarks/fabric/cost_fit.py`` fits the numbers and
prints the errors on designs that they were not fitted to).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kanhw.errors import InputError
from kanhw.values import meant

__all__ = ["TABLE_COSTS", "TableCosts", "table_costs"]


@dataclass(frozen=True, kw_only=True)
class TableCosts:
    """LUTs of the parts of an unrolled layer of edge tables.

    A table whose entries have a span ``s`` (largest less smallest, in units of its last place) has
    ``b = log2(s + 1)`` output bits, a real number; a table without a span is no hardware.

    Parameters
    ----------
    table
        LUTs of an output bit of a table of 1, 2, ... 8 address bits.
    adder, adder_offset
        A table of b output bits takes ``adder * (b + adder_offset)`` LUTs in the adders of its
        output.
    saturator
        LUTs of a bit of a code that is made of a sum.
    encoder
        LUTs of a bit of a code that is made on chip of what an ADC gives.
    """

    table: tuple[float, ...]
    adder: float
    adder_offset: float
    saturator: float
    encoder: float


# Of the first try that /docs name; the fit replaces them.
_FIRST = TableCosts(
    table=(0.05, 0.3, 0.38, 0.45, 0.55, 1.0, 2.0, 4.0),
    adder=0.75,
    adder_offset=0.7,
    saturator=0.6,
    encoder=2.0,
)

TABLE_COSTS: Mapping[tuple[str, str], TableCosts] = {
    ("xcup", "portable"): _FIRST,
    ("xcup", "ultrascale+"): _FIRST,
    ("ecp5", "portable"): _FIRST,
    ("ice40", "portable"): _FIRST,
}
"""By target and fabric."""


def table_costs(target: str, fabric: str) -> TableCosts:
    """The costs on a target and a fabric.

    Raises
    ------
    InputError
        If they were not fitted for the two.
    """
    found = TABLE_COSTS.get((target, fabric))
    if found is None:
        known = ", ".join(f"{name} with {made_of}" for name, made_of in TABLE_COSTS)
        names = [name for name, _ in TABLE_COSTS]
        raise InputError(
            f"There are no costs of edge tables for target {target!r} with fabric {fabric!r}"
            f"{meant(target, names)}: there are those of {known}"
        )
    return found
