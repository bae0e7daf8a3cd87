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

__all__ = [
    "BLOCK_BITS",
    "MERGED_BITS",
    "TABLE_COSTS",
    "TRIED",
    "WORTH",
    "TableCosts",
    "block_bits_of",
    "table_costs_of",
]

MERGED_BITS = 6
"""The most address bits of a table that is merged of others of one output: more never pay."""
WORTH = 0.25
"""LUTs that a merger must save: less is within what the costs do not know."""
TRIED = 24
"""So many tables of an output are tried with one another; of more, those next in size."""


@dataclass(frozen=True, kw_only=True)
class TableCosts:
    """Factors of LUTs.

    A table has ``log2(span + 1)`` output bits, a real number: span is the largest entry less the
    smallest, in units of its last place. Address bits are those that it depends on.

    Parameters
    ----------
    table
        LUTs of one output bit of a table of 1 to 8 address bits.
    adder
        LUTs of one bit of a summand. Of an output's tables all but the widest are summands.
    widest
        Which part of the widest table counts as a summand too: the first sum of an output has as
        many bits as the widest, and constants.
    adder_offset
        Bits that a summand counts more than its table has.
    single
        LUTs that an output bit of a table of one address bit takes less where all inputs of the
        network are single bits: sums of these are counted, three of them by one adder.
    saturator
        LUTs of one bit of a code that a sum is saturated to.
    encoder
        LUTs of one bit of a code that is made on chip, of codes of an ADC of 10 bits.
    line
        LUTs of a memory of up to 32 pixels, of one bit of one row of an image.
    comparator, averager
        LUTs of one bit of a code that is compared for the largest of a window, or summed.
    divider
        LUTs of one bit of an average of codes that are not a power of two.
    stage
        LUTs of a line buffer's counters and handshake, of a convolution or a pooling.
    handshake
        The share that all of them but encoders and what images need take more where valid and ready
        can hold all registers.
    """

    table: tuple[float, float, float, float, float, float, float, float]
    adder: float
    adder_offset: float
    saturator: float
    encoder: float
    widest: float = 0.0
    line: float = 0.0
    comparator: float = 0.0
    averager: float = 0.0
    divider: float = 0.0
    stage: float = 0.0
    single: float = 0.0
    handshake: float = 0.0


# The tuned fabric's are by hand, of networks trained on Dry Bean: within 5 % of five of them from
# 115 to 215 LUTs, and 14 % too much, by median, of random ones, which have more edges an output.
# Single bits are what a network of 784 binary inputs, in which they are nine tenths, has less.
_ULTRASCALE = TableCosts(
    table=(0.05, 0.3, 0.38, 0.45, 0.55, 1.0, 2.0, 4.0),
    adder=0.75,
    adder_offset=0.7,
    saturator=0.6,
    encoder=9.4,
    widest=1.0,
    line=1.0,
    comparator=1.0,
    averager=0.9,
    divider=12.0,
    stage=18.0,
    handshake=0.1,
    single=0.45,
)
# The others were fitted to networks trained under factors before them, and to random ones, of which
# some add up tens of narrow tables (benchmarks/fabric/trained_costs.py prints errors on others).
# Sums of several operands take more there than two of them, since synthesis makes rows of full
# adders, so the widest counts for little or nothing. Tables of 7 and 8 address bits were not among
# them: each bit doubles a table. What images need is what suits poolings alone
# (benchmarks/fabric/image_costs.py), but for the stages of xcup, which take less in networks; the
# handshake is what three layers and networks take more with it.
_SIX_PORTABLE = TableCosts(
    table=(0.05, 0.4, 0.84, 0.9, 0.97, 1.1, 2.2, 4.4),
    adder=1.13,
    adder_offset=0.82,
    saturator=0.24,
    encoder=9.4,
    line=1.4,
    comparator=0.95,
    averager=1.05,
    divider=15.0,
    stage=20.0,
    handshake=0.16,
)
_ECP5 = TableCosts(
    table=(0.05, 0.75, 1.0, 1.01, 1.9, 3.49, 6.98, 14.0),
    adder=2.2,
    adder_offset=0.47,
    saturator=0.51,
    encoder=15.3,
    widest=0.2,
    line=3.9,
    comparator=1.0,
    averager=1.9,
    divider=32.0,
    stage=38.0,
    handshake=0.04,
)
_ICE40 = TableCosts(
    table=(0.05, 0.64, 0.82, 1.05, 2.97, 4.68, 9.36, 18.7),
    adder=1.85,
    adder_offset=0.46,
    saturator=0.53,
    encoder=12.5,
    widest=0.2,
    comparator=1.5,
    averager=1.6,
    divider=22.0,
    stage=49.0,
    handshake=0.01,
)

TABLE_COSTS: Mapping[tuple[str, str], TableCosts] = {
    ("xcup", "ultrascale+"): _ULTRASCALE,
    ("xcup", "portable"): _SIX_PORTABLE,
    ("ecp5", "portable"): _ECP5,
    ("ice40", "portable"): _ICE40,
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
