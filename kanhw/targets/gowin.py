"""Gowin GW1N."""

from __future__ import annotations

from kanhw.targets.target import CellCost, Target

__all__ = ["GOWIN"]

_FLIP_FLOPS = tuple(
    f"DFF{edge}{rest}"
    for edge in ("", "N")
    for rest in ("", "E", "S", "SE", "R", "RE", "P", "PE", "C", "CE")
)
_BLOCK_RAMS = ("SP", "SPX9", "SDP", "SDPB", "SDPX9", "SDPX9B", "DP", "DPB", "DPX9", "DPX9B")

# An ALU is a LUT4 that computes a bit of a sum. A RAM16SDP4 stores in four LUT4; smaller ones take
# as many as they have bits.
GOWIN = Target(
    name="gowin",
    family="Gowin GW1N",
    note=(
        "LUT: LUT4 sites, of which an ALU takes 1 and a 16-word distributed RAM 1 a bit; without "
        "I/O buffers"
    ),
    recipes={"abc9": "synth_gowin -noiopads{flags} -top {top}\n"},
    cells={
        **{f"LUT{size}": CellCost(lut=size) for size in range(1, 5)},
        **{
            f"RAM16{kind}{bits}": CellCost(lut_memory=bits)
            for kind in ("S", "SDP")
            for bits in (1, 2, 4)
        },
        **dict.fromkeys(_FLIP_FLOPS, CellCost(ff=1)),
        "ALU": CellCost(carry=1, lut_carry=1),
        **{f"MUX2_LUT{size}": CellCost(mux=1) for size in range(5, 9)},
        "INV": CellCost(inverters=1),
        **dict.fromkeys(("MULT9X9", "MULT18X18", "MULT36X36"), CellCost(dsp=1)),
        **dict.fromkeys((*_BLOCK_RAMS, "pROM", "pROMX9"), CellCost(bram=1)),
    },
    bram_unit="BSRAM18",
)
