"""What a toggle, a clock and a read take on a family, and what a part takes at rest.

Figures are bands: where the low and the high end come from is written beside them. Those of AMD's
families were fitted to what the vendor's tool *estimates* for public designs (Vivado 2024.1's power
reports of KANELE's networks), not measured; those of Lattice's are measurements of small designs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "ECP5_ENERGIES",
    "ICE40_ENERGIES",
    "ULTRASCALE_PLUS_ENERGIES",
    "XC7_ENERGIES",
    "Band",
    "CellEnergies",
]


@dataclass(frozen=True)
class Band:
    """A figure that is known within bounds, of the unit of its name.

    Parameters
    ----------
    low, high
        The bounds; ``low <= high``.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The geometric mean of the bounds."""
        return math.sqrt(self.low * self.high)

    def __mul__(self, factor: float) -> Band:
        return Band(self.low * factor, self.high * factor)

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, kw_only=True)
class CellEnergies:
    """Energies of a family in femtojoules; None: not known.

    Parameters
    ----------
    cell_toggle
        A change of the output of a look-up table; of a multiplexer or carry, too, unless the wires
        are ``between_slices``.
    net_toggle
        A change of a net, whatever drives it.
    clock_ff
        A clock at a flip-flop, its share of the clock's tree among it.
    clock_trunk
        A clock of the whole design, whatever its size.
    ff
        A clock at a flip-flop itself.
    carry
        A clock at a carry cell.
    lut_memory
        A clock at a look-up table that is used as memory.
    bram
        A clock at a block RAM (in the family's unit of it) that is read.
    dsp
        A clock at a multiplier block.
    lut_use
        A clock at a look-up table with its net whose inputs may be new, at the toggles that vendors
        assume: for counts of cells, where no toggles are known.
    between_slices
        Whether these are of reports that count as signals the wires between slices alone, as AMD's
        do: what stays within a slice, and its wide multiplexers, take nothing there, and ``carry``
        has what a carry cell's outputs change.
    static_w
        Watt of a part at rest, by the part.
    basis
        What the figures come from, for results.
    measured
        Whether they were measured on silicon, or are fitted to a vendor's estimates.
    """

    cell_toggle: Band
    net_toggle: Band
    clock_ff: Band
    clock_trunk: Band = Band(0.0, 0.0)
    ff: Band = Band(0.0, 0.0)
    carry: Band = Band(0.0, 0.0)
    lut_memory: Band | None = None
    bram: Band | None = None
    dsp: Band | None = None
    lut_use: Band | None = None
    between_slices: bool = False
    static_w: Mapping[str, Band] = field(default_factory=dict)
    basis: str
    measured: bool


# Per LUT and net: a fit of one design's vectorless report leaves LUT and signal power apart, at
# 12.5 % of toggles; the bounds are those of that design with the vendor's counts of cells and with
# ours. RAMB18E2: the one report of a design that reads them at every clock. DSP48E2: none, so its
# bounds are those of DSP48E1: 8.0 pJ (a number-theoretic transform) to 11.3 pJ (an OTFS modem), and
# the lower of them less by what look-up tables of both families differ, 28 over 118 fJ a clock. Of
# a LUT with its net a clock, the KANs' reports make 28 to 47 and 29 to 46 fJ.
ULTRASCALE_PLUS_ENERGIES = CellEnergies(
    cell_toggle=Band(109.0, 164.0),
    net_toggle=Band(108.0, 152.0),
    clock_ff=Band(44.0, 63.0),
    ff=Band(8.0, 9.5),
    carry=Band(45.0, 63.0),
    lut_memory=Band(45.0, 65.0),
    bram=Band(4500.0, 6500.0),
    dsp=Band(1900.0, 11300.0),
    lut_use=Band(57.0, 93.0),
    between_slices=True,
    # Reports at 25 C, typical.
    static_w={"xcvu9p": Band(2.49, 2.49), "xczu7ev": Band(0.593, 0.593)},
    basis="fitted to Vivado 2024.1's vectorless reports of published KANs; multiplier blocks: "
    "bounds from 7 series",
    measured=False,
)

# Artix-7: a KAN's vectorless report with its 29,981 LUTs and 34,337 nets apart; bounds as above.
# The clock is that of five public designs with reports. LUTs as memory, block RAM (9 pJ a tile of
# two) and DSP48E1: one report each, so their bounds are a guess. Of a LUT with its net a clock,
# KANs' reports make 91 to 118 and 97 to 121 fJ. At rest: reports at 25 C, typical;
# where there are two figures, there were two designs on one part.
XC7_ENERGIES = CellEnergies(
    cell_toggle=Band(248.0, 332.0),
    net_toggle=Band(268.0, 340.0),
    clock_ff=Band(44.0, 63.0),
    ff=Band(8.0, 9.0),
    carry=Band(58.0, 63.0),
    lut_memory=Band(40.0, 70.0),
    bram=Band(3500.0, 5800.0),
    dsp=Band(6000.0, 10000.0),
    lut_use=Band(188.0, 239.0),
    between_slices=True,
    static_w={
        "xc7a35t": Band(0.070, 0.070),
        "xc7a100t": Band(0.084, 0.093),
        "xc7a200t": Band(0.145, 0.145),
        "xc7z020": Band(0.144, 0.178),
    },
    basis="fitted to Vivado's vectorless reports of public designs on 7 series",
    measured=False,
)

# iCE40UP5K at 1.219 V: an idle flip-flop and the trunk from counters of several lengths, a toggle
# from an 8 x 8 multiplier, its net among it, whose glitches were counted or not. At rest: LP640
# and LP8K from the data sheet's typical currents, UP5K measured.
ICE40_ENERGIES = CellEnergies(
    cell_toggle=Band(110.0, 290.0),
    net_toggle=Band(110.0, 290.0),
    clock_ff=Band(14.0, 14.0),
    clock_trunk=Band(50_000.0, 53_000.0),
    static_w={
        "up5k": Band(1.04e-4, 1.12e-4),
        "lp640": Band(4.2e-5, 4.2e-5),
        "lp8k": Band(1.92e-4, 1.92e-4),
    },
    basis="measured on an iCE40UP5K (a multiplier of LUTs and counters)",
    measured=True,
)

# Chains of flip-flops that all toggle take 227 to 256 fJ each, clock, cell and net together, at the
# board's supply. Nobody published logic; its bounds are those of iCE40 and of Artix-7, of the
# nodes on both sides of it.
ECP5_ENERGIES = CellEnergies(
    cell_toggle=Band(110.0, 330.0),
    net_toggle=Band(110.0, 210.0),
    clock_ff=Band(44.0, 63.0),
    basis="chains of flip-flops measured on ECP5 boards; logic from iCE40 and Artix-7",
    measured=False,
)
