"""A family of FPGAs of your own: this file, and one registration at its end.

``fours`` has LUTs of four inputs, plain flip-flops and block RAMs of 4,096 bits: cells that Yosys
makes for no family in particular. From its registration on every verb takes it by its name:
``kanhw.estimate(design, "fours")`` counts its cells, and ``kanhw.schedule_for(program, budget,
target="fours")`` models them.
"""

from __future__ import annotations

from kanhw.targets.memories import BlockRams, BlockShape
from kanhw.targets.table import TARGETS
from kanhw.targets.target import CellCost, PartWeights, Target

FOURS = Target(
    name="fours",
    family="Four Inputs",
    note="LUT: $lut cells; FF: $_DFF_P_ cells",
    recipes={
        "generic": "synth -flatten -lut 4{flags} -top {top}\n"
        "dfflegalize -cell $_DFF_P_ 01\nabc -lut 4\nclean\n"
    },
    cells={"$lut": CellCost(lut=4), "$_DFF_P_": CellCost(ff=1)},
    bram_unit="RAM4K",
    # How memories are spread over blocks: 4,096 words of a bit, or 2,048 of two.
    block_rams=BlockRams(
        shapes=(BlockShape(1 << 12, ((1, 2, 4), (1, 2)), 100.0, 1),),
        choice_cost=0.5,
        lut_words=16,
        written_ports=3,
        written_luts=4,
    ),
    # LUTs that a part of hardware takes. Guessed here; benchmarks/estimates/resource_model.py fits
    # them.
    weights=PartWeights(
        adder_bits=2, accumulator_bits=3, choice_luts=1, serializer_luts=1, table_luts=5, counters=1
    ),
)

TARGETS[FOURS.name] = FOURS
