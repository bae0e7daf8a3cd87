"""Lattice ECP5."""

from __future__ import annotations

from dataclasses import replace

from kanhw.targets.cells.ecp5 import ECP5_KINDS
from kanhw.targets.energies import ECP5_ENERGIES
from kanhw.targets.memories import BlockRams, BlockShape
from kanhw.targets.multipliers import MultiplierBlocks
from kanhw.targets.target import CellCost, CellLibrary, PartWeights, PlaceAndRoute, Target
from kanhw.targets.verilog.ecp5 import ECP5_CELLS

__all__ = ["ECP5"]

_SYNTH_ECP5 = "synth_ecp5 -noiopad{flags} -top {top}"
_ECP5_WITHOUT_ABC9 = f"""\
{_SYNTH_ECP5} -run :map_luts
techmap -map +/lattice/latches_map.v
abc -lut 4:7
clean
{_SYNTH_ECP5} -run map_cells:
"""

# What Yosys' memory_libmap knows of a block: 16 Kbit and parity; 36 bits only where one port reads
# and another writes. A DPR16X4 has four bits of 16 words.
_BLOCK_RAMS = BlockRams(
    shapes=(BlockShape(1 << 14, ((1, 2, 4, 9, 18, 36), (1, 2, 4, 9, 18)), 128.0, 1),),
    choice_cost=0.5,
    lut_words=16,
    written_ports=4,
    written_luts=6,
    constant_cost=1 / 16,
)

# Fitted to random designs of every kind, as for UltraScale+.
_WEIGHTS = PartWeights(
    adder_bits=1.09,
    passing_bits=0.96,
    inverted_bits=0.0,
    adders=0.66,
    compressor_bits=0.75,
    accumulator_bits=2.23,
    choice_luts=0.76,
    wide_choices=0.73,
    serializer_luts=0.8,
    table_luts=0.98,
    counters=1.93,
    controls=12.2,
    product_bits=0.8,
    table_pieces=0.68,
    table_choices=0.55,
    table_gates=0.55,
    table_bits=(0.0, 0.0, 1.02, 0.91, 0.91),
    carry_bits=0.57,
    carry_adders=-1.49,
    errors={"lut": 0.24, "ff": 0.17, "carry": 0.4},
)

# Of unrolled networks of edge tables with learned widths, in which a LUT is seen
# (benchmarks/fabric/told_fit.py).
# Tables of five and six address bits are LUT4 and the multiplexers between them, which are no LUTs.
# Sums of up to four places are made of LUTs; a CCU2C has two places, and is two LUTs.
_NETWORK_WEIGHTS = replace(
    _WEIGHTS,
    adder_bits=1.0,
    adders=0.0,
    compressor_bits=0.52,
    table_luts=0.79,
    table_bits=(0.0, 0.0, 0.82, 1.48, 1.03, 1.93, 4.38),
    table_pieces=4.0,
    table_choices=0.3,
    resets=True,
    reset_signals=1.06,
    narrow_chains=(0.5, 0.94, 3.07, 7.5),
    carry_places=2,
)

# A CCU2C is a slice whose two LUT4 compute sum and carry: nothing else fits in them. A DPR16X4
# stores in the four LUT4 of two slices and takes a third slice, two LUT4, for its write port.
ECP5 = Target(
    name="ecp5",
    family="Lattice ECP5",
    note=(
        "LUT: LUT4 sites, of which a CCU2C carry cell takes 2 and a 16x4 distributed RAM 6; "
        "without I/O buffers"
    ),
    recipes={"abc9": f"{_SYNTH_ECP5}\n"},
    # Yosys 0.70 cannot put every design together again behind abc9.
    spare=("abc", _ECP5_WITHOUT_ABC9),
    cells={
        "LUT4": CellCost(lut=4),
        "TRELLIS_DPR16X4": CellCost(lut_memory=6),
        "TRELLIS_FF": CellCost(ff=1),
        "CCU2C": CellCost(carry=1, lut_carry=2),
        **dict.fromkeys(("PFUMX", "L6MUX21"), CellCost(mux=1)),
        "INV": CellCost(inverters=1),
        "MULT18X18D": CellCost(dsp=1),
        **dict.fromkeys(("DP16KD", "PDPW16KD"), CellCost(bram=1)),
    },
    bram_unit="EBR18",
    library=CellLibrary("ecp5/cells_sim.v", ECP5_CELLS),
    block_rams=_BLOCK_RAMS,
    weights=_WEIGHTS,
    network_weights=_NETWORK_WEIGHTS,
    multipliers=MultiplierBlocks(wide=18, narrow=18),
    energies=ECP5_ENERGIES,
    cell_kinds=ECP5_KINDS,
    place_and_route=PlaceAndRoute(
        tool="nextpnr-ecp5",
        device="LFE5U-85F-6",
        # Out of context ports take no pins, so that hundreds of payload bits fit any package. The
        # clock asked for is higher than any design reaches, so the router never stops early.
        flags=(
            *("--85k", "--package", "CABGA381", "--speed", "6", "--out-of-context"),
            *("--freq", "400", "--timing-allow-fail"),
        ),
        cells={"TRELLIS_COMB": "lut", "TRELLIS_FF": "ff", "MULT18X18D": "dsp", "DP16KD": "bram"},
    ),
)
