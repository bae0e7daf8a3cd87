"""Lattice iCE40."""

from __future__ import annotations

from dataclasses import replace

from kanhw.targets.cells.ice40 import ICE40_KINDS
from kanhw.targets.energies import ICE40_ENERGIES
from kanhw.targets.memories import REGISTERS_FOR_LUTS, BlockRams, BlockShape
from kanhw.targets.target import CellCost, CellLibrary, PartWeights, Target

__all__ = ["ICE40"]

_ICE40_FLIP_FLOPS = tuple(
    f"SB_DFF{edge}{rest}"
    for edge in ("", "N")
    for rest in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")
)

# A block of 4,096 bits has a port that reads and one that writes: two read ports are two blocks.
_BLOCK_RAMS = BlockRams(
    shapes=(BlockShape(1 << 12, ((2, 4, 8, 16), ()), 64.0, 1, parity=False),),
    choice_cost=0.5,
    lut_words=16,
    written_ports=0,
    written_luts=0,
    constant_cost=1 / 16,
    written_cost=1.0,
    old_words=False,
)

# Fitted to random designs of every kind, as for UltraScale+.
_WEIGHTS = PartWeights(
    adder_bits=0.95,
    passing_bits=0.84,
    inverted_bits=0.52,
    adders=0.21,
    compressor_bits=0.44,
    accumulator_bits=2.04,
    choice_luts=0.81,
    wide_choices=0.59,
    serializer_luts=1.01,
    table_luts=0.74,
    counters=1.54,
    controls=21.64,
    product_bits=0.75,
    table_pieces=1.34,
    table_choices=0.87,
    table_gates=0.09,
    table_bits=(0.0, 0.0, 0.99, 0.99, 0.9),
    carry_bits=1.06,
    carry_adders=-2.3,
    errors={"lut": 0.22, "ff": 0.18, "carry": 0.43},
)

# Of unrolled networks of edge tables with learned widths, in which a LUT is seen
# (benchmarks/fabric/told_fit.py).
_NETWORK_WEIGHTS = replace(
    _WEIGHTS,
    adder_bits=1.15,
    adders=0.2,
    inverted_bits=0.0,
    compressor_bits=0.49,
    table_luts=1.26,
    table_bits=(0.0, 0.0, 0.91, 0.44, 0.84),
    table_pieces=1.28,
    table_choices=0.62,
    table_gates=0.31,
    resets=True,
    reset_signals=0.83,
    silent_places=False,
)

# No -dsp: of the family only UltraPlus parts have multipliers (at most 8), so the default counts
# hold for every part. Callers with an UltraPlus pass flags=("-dsp",).
ICE40 = Target(
    name="ice40",
    family="Lattice iCE40",
    note=(
        "LUT: SB_LUT4 cells; an SB_CARRY shares a logic cell with the LUT that uses it and takes "
        "one of its own otherwise; multipliers are made of LUTs (flag -dsp: UltraPlus DSPs)"
    ),
    recipes={"abc9": f"{REGISTERS_FOR_LUTS}\nsynth_ice40{{flags}} -top {{top}}\n"},
    cells={
        "SB_LUT4": CellCost(lut=4),
        **dict.fromkeys(_ICE40_FLIP_FLOPS, CellCost(ff=1)),
        "SB_CARRY": CellCost(carry=1),
        "SB_MAC16": CellCost(dsp=1),
        **{f"SB_RAM40_4K{edge}": CellCost(bram=1) for edge in ("", "NR", "NW", "NRNW")},
    },
    bram_unit="RAM4K",
    block_rams=_BLOCK_RAMS,
    weights=_WEIGHTS,
    network_weights=_NETWORK_WEIGHTS,
    energies=ICE40_ENERGIES,
    cell_kinds=ICE40_KINDS,
    # Values of inputs that are left open, which Verilog-2005 has not; Yosys leaves none open.
    library=CellLibrary("ice40/cells_sim.v", definitions="`define NO_ICE40_DEFAULT_ASSIGNMENTS\n"),
)
