"""The targets: how Yosys synthesises for each, and what each of its cells counts for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from kanhw.errors import InputError

__all__ = ["TARGETS", "CellCost", "CellCounts", "Target", "target_named"]


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """What one cell counts for; the names and units are those of ``ResourceEstimate``.

    ``lut`` is the number of inputs of a cell that is itself a LUT, 0 for other cells.
    """

    lut: int = 0
    lut_memory: int = 0
    lut_carry: int = 0
    ff: int = 0
    carry: int = 0
    mux: int = 0
    inverters: int = 0
    dsp: int = 0
    bram: int = 0


@dataclass(frozen=True, kw_only=True)
class CellCounts:
    """The cells of a design summed up; the fields are those of ``ResourceEstimate``."""

    lut: int
    lut_by_size: dict[int, int]
    lut_memory: int
    lut_carry: int
    ff: int
    carry: int
    mux: int
    inverters: int
    dsp: int
    bram: int
    other: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Target:
    """An FPGA family that Yosys can synthesise for.

    Parameters
    ----------
    name
        The name by which users choose it.
    family
        The family in words.
    note
        What the counts mean on this family, for reports.
    recipes
        Yosys commands by the recipe's name, with ``{top}`` and ``{flags}`` to fill in. The recipe
        with the fewest LUTs is taken; on a tie the first of them.
    cells
        What each cell type counts for. Types that are missing here are listed in ``other``.
    bram_unit
        What one block RAM is.
    spare
        Name and commands of a recipe for a design on which Yosys itself fails in the others.
    """

    name: str
    family: str
    note: str
    recipes: Mapping[str, str]
    cells: Mapping[str, CellCost]
    bram_unit: str
    spare: tuple[str, str] | None = None

    def script(self, recipe: str, top: str, flags: tuple[str, ...] = ()) -> str:
        """The synthesis commands of a recipe, one a line.

        Parameters
        ----------
        recipe
            A key of ``recipes``, or the name of the spare one.
        top
            Name of the top module.
        flags
            Further options of the family's ``synth_*`` command.
        """
        extra = "".join(f" {flag}" for flag in flags)
        every = dict(self.recipes) | dict([self.spare] if self.spare else [])
        return every[recipe].format(top=top, flags=extra)

    def count(self, cells: Mapping[str, int]) -> CellCounts:
        """Sum up cells, given as their number by type (``num_cells_by_type`` of Yosys' stat)."""
        sums = {item.name: 0 for item in fields(CellCost) if item.name != "lut"}
        by_size: dict[int, int] = {}
        other: dict[str, int] = {}
        for kind, number in sorted(cells.items()):
            if kind in _NO_HARDWARE:
                continue
            cost = self.cells.get(kind)
            if cost is None:
                other[kind] = number
                continue
            for name in sums:
                sums[name] += number * getattr(cost, name)
            if cost.lut:
                by_size[cost.lut] = by_size.get(cost.lut, 0) + number
        lut = sum(by_size.values()) + sums["lut_memory"] + sums["lut_carry"]
        return CellCounts(lut=lut, lut_by_size=dict(sorted(by_size.items())), other=other, **sums)


# Records of names in the source, which Yosys keeps as cells when it flattens a hierarchy.
_NO_HARDWARE = frozenset({"$scopeinfo"})

# A reader can repeat both recipes by hand: they are those of the published baselines. `abc9` leaves
# the F7 and F8 multiplexers unused on tables of 7 address bits and more; `abc` is weaker on adders.
_SYNTH_XCUP = "synth_xilinx -family xcup -noiopad -noclkbuf -flatten{flags} -top {top}"
_XCUP_RECIPES = {
    "abc9": f"{_SYNTH_XCUP}\n",
    "abc": f"""\
{_SYNTH_XCUP} -run :map_luts
opt_expr -mux_undef -noclkinv
abc -luts 2:2,3,6:5,10,20
clean
techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6
xilinx_dffopt
opt_lut_ins -tech xilinx
{_SYNTH_XCUP} -run finalize:
""",
}

# LUT sites of the distributed memories and shift registers of UltraScale+ (UG574, UG974).
_XCUP_MEMORY_LUTS = {
    "CFGLUT5": 1,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
}

_XCUP_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1")

_XCUP = Target(
    name="xcup",
    family="AMD UltraScale+",
    note=(
        "LUT: LUT1 to LUT6 and LUT6_2 cells and LUTs used as memory, inverters not counted; carry: "
        "CARRY8 cells, and CARRY4 cells, half a CARRY8 each; without I/O and clock buffers"
    ),
    recipes=_XCUP_RECIPES,
    cells={
        **{f"LUT{size}": CellCost(lut=size) for size in range(1, 7)},
        "LUT6_2": CellCost(lut=6),
        **{name: CellCost(lut_memory=sites) for name, sites in _XCUP_MEMORY_LUTS.items()},
        **dict.fromkeys(_XCUP_FLIP_FLOPS, CellCost(ff=1)),
        **dict.fromkeys(("CARRY4", "CARRY8"), CellCost(carry=1)),
        **dict.fromkeys(("MUXF7", "MUXF8", "MUXF9"), CellCost(mux=1)),
        "INV": CellCost(inverters=1),
        "DSP48E2": CellCost(dsp=1),
        "RAMB18E2": CellCost(bram=1),
        "RAMB36E2": CellCost(bram=2),
    },
    bram_unit="BRAM18",
)

_SYNTH_ECP5 = "synth_ecp5 -noiopad{flags} -top {top}"
_ECP5_WITHOUT_ABC9 = f"""\
{_SYNTH_ECP5} -run :map_luts
techmap -map +/lattice/latches_map.v
abc -lut 4:7
clean
{_SYNTH_ECP5} -run map_cells:
"""

# A CCU2C is a slice whose two LUT4 compute sum and carry: nothing else fits in them. A DPR16X4
# stores in the four LUT4 of two slices and takes a third slice, two LUT4, for its write port.
_ECP5 = Target(
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
)

_ICE40_FLIP_FLOPS = tuple(
    f"SB_DFF{edge}{rest}"
    for edge in ("", "N")
    for rest in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")
)

# No -dsp: of the family only UltraPlus parts have multipliers (at most 8), so the default counts
# hold for every part. Callers with an UltraPlus pass flags=("-dsp",).
_ICE40 = Target(
    name="ice40",
    family="Lattice iCE40",
    note=(
        "LUT: SB_LUT4 cells; an SB_CARRY shares a logic cell with the LUT that uses it and takes "
        "one of its own otherwise; multipliers are made of LUTs (flag -dsp: UltraPlus DSPs)"
    ),
    recipes={"abc9": "synth_ice40{flags} -top {top}\n"},
    cells={
        "SB_LUT4": CellCost(lut=4),
        **dict.fromkeys(_ICE40_FLIP_FLOPS, CellCost(ff=1)),
        "SB_CARRY": CellCost(carry=1),
        "SB_MAC16": CellCost(dsp=1),
        **{f"SB_RAM40_4K{edge}": CellCost(bram=1) for edge in ("", "NR", "NW", "NRNW")},
    },
    bram_unit="RAM4K",
)

TARGETS: Mapping[str, Target] = {target.name: target for target in (_XCUP, _ECP5, _ICE40)}
"""The targets by name."""


def target_named(name: str) -> Target:
    """The target of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return TARGETS[name]
    except KeyError:
        raise InputError(f"Unknown target {name!r}: the targets are {', '.join(TARGETS)}") from None
