"""Cologne Chip GateMate."""

from __future__ import annotations

from kanhw.targets.memories import REGISTERS_FOR_LUTS
from kanhw.targets.target import CellCost, Target

__all__ = ["GATEMATE"]

# A CPE is two halves: each computes a tree of two layers of LUT2, which is a CC_L2T4 of four
# inputs, and the lower one a CC_L2T5 with the upper one's result; both are a half here. It has no
# multipliers: what Yosys would make a CC_MULT of is made of adders.
GATEMATE = Target(
    name="gatemate",
    family="Cologne Chip GateMate",
    note=(
        "LUT: halves of a CPE, trees of LUT2 (CC_L2T4, CC_L2T5) or smaller LUTs; a CC_ADDF "
        "adder takes one; multiplexers not counted; without I/O and clock buffers"
    ),
    recipes={
        "abc": f"{REGISTERS_FOR_LUTS}\n"
        "synth_gatemate -noiopad -noclkbuf -luttree -nomx8 -nomult{flags} -top {top}\n"
    },
    cells={
        **{f"CC_LUT{size}": CellCost(lut=size) for size in range(1, 5)},
        "CC_L2T4": CellCost(lut=4),
        "CC_L2T5": CellCost(lut=5),
        "CC_DFF": CellCost(ff=1),
        "CC_ADDF": CellCost(carry=1, lut_carry=1),
        **{f"CC_MX{inputs}": CellCost(mux=1) for inputs in (2, 4, 8)},
        "CC_BRAM_20K": CellCost(bram=1),
        "CC_BRAM_40K": CellCost(bram=2),
    },
    bram_unit="BRAM20",
)
