"""AMD UltraScale+."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kanhw.targets.cells.ultrascale_plus import ULTRASCALE_PLUS_KINDS
from kanhw.targets.energies import ULTRASCALE_PLUS_ENERGIES
from kanhw.targets.memories import BlockRams, BlockShape
from kanhw.targets.multipliers import MultiplierBlocks
from kanhw.targets.target import CellCost, CellLibrary, PartWeights, Target
from kanhw.targets.verilog.ultrascale_plus import ULTRASCALE_PLUS_CELLS

__all__ = [
    "TABLE_RECIPE",
    "ULTRASCALE_PLUS",
    "XILINX_CELLS",
    "XILINX_WEIGHTS",
    "xilinx_recipes",
]


TABLE_RECIPE = "abc"
"""Which of :func:`xilinx_recipes` uses F7 and F8 multiplexers: of 288 tables of 7 and 8 address
bits it makes 5,888 LUTs where ``abc9`` makes 8,413, in a third of the time."""


def xilinx_recipes(family: str) -> dict[str, str]:
    """Recipes of a family of AMD's with LUTs of six inputs, by Yosys' word for it.

    A reader can repeat both by hand: they are those of the published baselines. ``abc9`` leaves the
    F7 and F8 multiplexers unused on tables of 7 address bits and more; ``abc`` is weaker on adders.
    """
    synth = f"synth_xilinx -family {family} -noiopad -noclkbuf -flatten{{flags}} -top {{top}}"
    by_abc = f"""\
{synth} -run :map_luts
opt_expr -mux_undef -noclkinv
abc -luts 2:2,3,6:5,10,20
clean
techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6
xilinx_dffopt
opt_lut_ins -tech xilinx
{synth} -run finalize:
"""
    return {"abc9": f"{synth}\n", "abc": by_abc}


# LUT sites of the distributed memories and shift registers of 7 series (UG474, UG953).
_MEMORY_LUTS = {
    "CFGLUT5": 1,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM32M": 4,
    "RAM64M": 4,
}

# Those that UltraScale+ has besides (UG574, UG974).
_XCUP_MEMORY_LUTS = {
    "RAM512X1S": 8,
    "RAM256X1D": 8,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
}

_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1")

XILINX_CELLS: Mapping[str, CellCost] = {
    **{f"LUT{size}": CellCost(lut=size) for size in range(1, 7)},
    "LUT6_2": CellCost(lut=6),
    **{name: CellCost(lut_memory=sites) for name, sites in _MEMORY_LUTS.items()},
    **dict.fromkeys(_FLIP_FLOPS, CellCost(ff=1)),
    "CARRY4": CellCost(carry=1),
    **dict.fromkeys(("MUXF7", "MUXF8"), CellCost(mux=1)),
    "INV": CellCost(inverters=1),
}
"""Cells that all these families have."""

# What Yosys' memory_libmap knows of halves and wholes of a block (UG573). A LUT as memory has 64
# words of a bit; a RAM64M8 has seven read ports for its eight LUTs.
_BLOCK_RAMS = BlockRams(
    shapes=(
        BlockShape(1 << 14, ((1, 2, 4, 9, 18, 36), (1, 2, 4, 9, 18)), 129.0, 1),
        BlockShape(1 << 15, ((1, 2, 4, 9, 18, 36, 72), (1, 2, 4, 9, 18, 36)), 257.0, 2),
    ),
    choice_cost=0.5,
    lut_words=64,
    written_ports=7,
    written_luts=8,
)

# Fitted to random designs of every kind that Yosys had synthesised (the errors of each, left one
# out: benchmarks/estimates/resource_model.py).
XILINX_WEIGHTS = PartWeights(
    adder_bits=0.89,
    passing_bits=0.11,
    inverted_bits=0.0,
    adders=0.0,
    compressor_bits=0.37,
    accumulator_bits=1.59,
    choice_luts=0.28,
    wide_choices=0.0,
    serializer_luts=0.82,
    table_luts=0.75,
    counters=0.77,
    controls=4.1,
    product_bits=0.3,
    table_pieces=0.82,
    table_choices=0.51,
    table_gates=0.55,
    table_bits=(0.0, 0.0, 0.86, 0.62, 0.88, 1.12, 1.08),
    shift_clocks=3,
    carry_bits=0.37,
    carry_adders=-0.66,
    errors={"lut": 0.24, "ff": 0.22, "carry": 0.38},
)

# Of unrolled networks of edge tables with learned widths, in which a LUT is seen
# (benchmarks/fabric/told_fit.py).
_NETWORK_WEIGHTS = replace(
    XILINX_WEIGHTS,
    adder_bits=1.0,
    passing_bits=0.11,
    adders=0.02,
    compressor_bits=0.34,
    table_luts=0.92,
    table_bits=(0.0, 0.0, 0.98, 0.96, 0.98, 0.93, 0.96),
    resets=True,
    # A reset comes before the clock enable.
    held_resets=False,
    reset_signals=0.15,
)

ULTRASCALE_PLUS = Target(
    name="xcup",
    family="AMD UltraScale+",
    note=(
        "LUT: LUT1 to LUT6 and LUT6_2 cells and LUTs used as memory, inverters not counted; carry: "
        "CARRY8 cells, and CARRY4 cells, half a CARRY8 each; without I/O and clock buffers"
    ),
    recipes=xilinx_recipes("xcup"),
    table_recipe=TABLE_RECIPE,
    cells={
        **XILINX_CELLS,
        **{name: CellCost(lut_memory=sites) for name, sites in _XCUP_MEMORY_LUTS.items()},
        "CARRY8": CellCost(carry=1),
        "MUXF9": CellCost(mux=1),
        "DSP48E2": CellCost(dsp=1),
        "RAMB18E2": CellCost(bram=1),
        "RAMB36E2": CellCost(bram=2),
    },
    bram_unit="BRAM18",
    library=CellLibrary("xilinx/cells_sim.v", ULTRASCALE_PLUS_CELLS),
    block_rams=_BLOCK_RAMS,
    weights=XILINX_WEIGHTS,
    network_weights=_NETWORK_WEIGHTS,
    multipliers=MultiplierBlocks(wide=27, narrow=18, least_result=9),
    energies=ULTRASCALE_PLUS_ENERGIES,
    cell_kinds=ULTRASCALE_PLUS_KINDS,
)
