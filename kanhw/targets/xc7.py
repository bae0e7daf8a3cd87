"""AMD 7 series: Artix-7, Kintex-7, Virtex-7 and the Zynq-7000 with their logic."""

from __future__ import annotations

from dataclasses import replace

from kanhw.targets.cells.xc7 import XC7_KINDS
from kanhw.targets.energies import XC7_ENERGIES
from kanhw.targets.memories import BlockRams, BlockShape
from kanhw.targets.multipliers import MultiplierBlocks
from kanhw.targets.target import CellCost, Target
from kanhw.targets.ultrascale_plus import (
    TABLE_RECIPE,
    XILINX_CELLS,
    XILINX_WEIGHTS,
    xilinx_recipes,
)

__all__ = ["XC7"]

# What Yosys' memory_libmap knows of halves and wholes of a block (UG473). A RAM32M has 32 words of
# six bits in four LUTs.
_BLOCK_RAMS = BlockRams(
    shapes=(
        BlockShape(1 << 14, ((1, 2, 4, 9, 18, 36), (1, 2, 4, 9, 18)), 129.0, 1),
        BlockShape(1 << 15, ((1, 2, 4, 9, 18, 36, 72), (1, 2, 4, 9, 18, 36)), 257.0, 2),
    ),
    choice_cost=0.5,
    lut_words=32,
    written_ports=6,
    written_luts=4,
)

# Yosys makes the same LUTs, CARRY4 and shift registers for both families, so UltraScale+'s weights
# hold here: they were tried on designs of this family and not fitted to any. What blocks add to
# their products is LUTs in the model.
XC7 = Target(
    name="xc7",
    family="AMD 7 series",
    note=(
        "LUT: LUT1 to LUT6 and LUT6_2 cells and LUTs used as memory, inverters not counted; carry: "
        "CARRY4 cells; without I/O and clock buffers"
    ),
    recipes=xilinx_recipes("xc7"),
    table_recipe=TABLE_RECIPE,
    cells={
        **XILINX_CELLS,
        "DSP48E1": CellCost(dsp=1),
        "RAMB18E1": CellCost(bram=1),
        "RAMB36E1": CellCost(bram=2),
    },
    bram_unit="BRAM18",
    block_rams=_BLOCK_RAMS,
    weights=replace(XILINX_WEIGHTS, errors={"lut": 0.26, "ff": 0.33, "carry": 0.66}),
    multipliers=MultiplierBlocks(wide=25, narrow=18, least_result=9, registered=True),
    energies=XC7_ENERGIES,
    cell_kinds=XC7_KINDS,
)
