"""AMD 7 series: Artix-7, Kintex-7, Virtex-7 and the Zynq-7000 with their logic."""

from __future__ import annotations

from kanhw.targets.cells.xc7 import XC7_KINDS
from kanhw.targets.energies import XC7_ENERGIES
from kanhw.targets.target import CellCost, Target
from kanhw.targets.ultrascale_plus import XILINX_CELLS, xilinx_recipes

__all__ = ["XC7"]

XC7 = Target(
    name="xc7",
    family="AMD 7 series",
    note=(
        "LUT: LUT1 to LUT6 and LUT6_2 cells and LUTs used as memory, inverters not counted; carry: "
        "CARRY4 cells; without I/O and clock buffers"
    ),
    recipes=xilinx_recipes("xc7"),
    cells={
        **XILINX_CELLS,
        "DSP48E1": CellCost(dsp=1),
        "RAMB18E1": CellCost(bram=1),
        "RAMB36E1": CellCost(bram=2),
    },
    bram_unit="BRAM18",
    energies=XC7_ENERGIES,
    cell_kinds=XC7_KINDS,
)
