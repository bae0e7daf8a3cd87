"""What tables of few address bits and their sums take in LUTs, by target and fabric.

The numbers are those of a formula, layer by layer, of the widths that an unrolled layer of edge
tables has: tables by address bits and output bits, an adder for every summand, the saturation of
what the next layer reads, and the encoder where real inputs are encoded on chip. Training with
learned widths minimises this formula, so it must be smooth and quick; synthesis is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kanhw.errors import InputError
from kanhw.values import meant

__all__ = ["BLOCK_BITS", "TABLE_COSTS", "TableCosts", "block_bits_of", "table_costs_of"]


@dataclass(frozen=True, kw_only=True)
class TableCosts:
    """Factors of LUTs.

    Parameters
    ----------
    table
        LUTs of one output bit of a table of 1 to 8 address bits.
    adder
        LUTs of one bit of a summand.
    adder_offset
        Bits that a summand counts more than its table has.
    saturator
        LUTs of one bit of a code that a sum is saturated to.
    encoder
        LUTs of one bit of a code that a real input is encoded to on chip.
    """

    table: tuple[float, float, float, float, float, float, float, float]
    adder: float
    adder_offset: float
    saturator: float
    encoder: float


# Of LUT6, by hand, of a few networks on Dry Bean.
_SIX = TableCosts(
    table=(0.05, 0.3, 0.38, 0.45, 0.55, 1.0, 2.0, 4.0),
    adder=0.75,
    adder_offset=0.7,
    saturator=0.6,
    encoder=1.0,
)
# Two functions of five inputs are two LUTs, and an adder takes two operands.
_SIX_PORTABLE = TableCosts(
    table=(0.05, 0.3, 0.6, 0.8, 1.0, 1.2, 2.2, 4.4),
    adder=1.0,
    adder_offset=0.7,
    saturator=0.8,
    encoder=1.0,
)
_FOUR = TableCosts(
    table=(0.05, 0.5, 0.8, 1.0, 2.0, 4.0, 8.0, 16.0),
    adder=1.0,
    adder_offset=0.7,
    saturator=1.0,
    encoder=1.0,
)

TABLE_COSTS: Mapping[tuple[str, str], TableCosts] = {
    ("xcup", "ultrascale+"): _SIX,
    ("xcup", "portable"): _SIX_PORTABLE,
    ("ecp5", "portable"): _FOUR,
    ("ice40", "portable"): _FOUR,
}
"""The factors by target and fabric."""

BLOCK_BITS: Mapping[str, int] = {"xcup": 16_384, "ecp5": 16_384, "ice40": 4_096}
"""Bits, without parity, of a unit of block RAM by target."""


def block_bits_of(target: str) -> int:
    """The bits of a unit of block RAM of a target.

    Raises
    ------
    InputError
        If they are not known.
    """
    if target not in BLOCK_BITS:
        raise InputError(
            f"The block RAM of target {target!r} is not known, only that of {', '.join(BLOCK_BITS)}"
        )
    return BLOCK_BITS[target]


def table_costs_of(target: str, fabric: str) -> TableCosts:
    """The factors of a target and a fabric.

    Raises
    ------
    InputError
        If there are none.
    """
    found = TABLE_COSTS.get((target, fabric))
    if found is None:
        known = [" on ".join(reversed(key)) for key in TABLE_COSTS]
        raise InputError(
            f"There are no costs of tables for fabric {fabric!r} on target {target!r}, only for "
            f"{', '.join(known)}{meant(f'{fabric} on {target}', known)}"
        )
    return found
