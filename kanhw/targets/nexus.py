"""Lattice Nexus: CrossLink-NX, Certus-NX."""

from __future__ import annotations

from kanhw.targets.target import CellCost, Target

__all__ = ["NEXUS"]

# A WIDEFN9 is two LUT4 and the multiplexer between them, so wide functions are made of LUT4 and
# counted as what they take. A CCU2 is two LUT4 that compute sum and carry. A DPR16X4 stores in the
# four LUT4 of two slices and takes a third slice, two LUT4, for its write port.
NEXUS = Target(
    name="nexus",
    family="Lattice Nexus",
    note=(
        "LUT: LUT4 sites, of which a CCU2 carry cell takes 2 and a 16x4 distributed RAM 6; no "
        "function is wider than a LUT4; without I/O buffers"
    ),
    recipes={"abc9": "synth_nexus -noiopad -nowidelut{flags} -top {top}\n"},
    cells={
        "LUT4": CellCost(lut=4),
        "DPR16X4": CellCost(lut_memory=6),
        **{f"FD1P3{kind}X": CellCost(ff=1) for kind in "BDIJ"},
        "CCU2": CellCost(carry=1, lut_carry=2),
        "INV": CellCost(inverters=1),
        **{
            f"MULT{size}": CellCost(dsp=1)
            for size in ("9X9", "18X18", "18X36", "36X36", "ADDSUB18X18", "PREADD18X18")
        },
        **dict.fromkeys(("DP16K", "PDP16K", "PDPSC16K", "SP16K"), CellCost(bram=1)),
    },
    bram_unit="EBR18",
)
