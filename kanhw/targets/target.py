"""The record of an FPGA family: all that is true of one and not of the others.

Synthesis and the count of its cells every family has; what it may lack (models of its cells, place
and route, a fitted resource model) is None, and whoever needs it is refused (``table.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from kanhw.targets.cells.batch import CellKind
from kanhw.targets.energies import CellEnergies
from kanhw.targets.memories import BlockRams
from kanhw.targets.multipliers import MultiplierBlocks

__all__ = [
    "CellCost",
    "CellCounts",
    "CellLibrary",
    "PartWeights",
    "PlaceAndRoute",
    "ResourceModel",
    "Target",
]


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


@dataclass(frozen=True)
class CellLibrary:
    """Verilog models of a family's cells, to simulate a netlist with.

    Parameters
    ----------
    file
        In Yosys' folder of libraries, such as ``ecp5/cells_sim.v``.
    models
        Modules of our own by the name of the cell, for cells that the file has no model of.
    definitions
        Lines of Verilog that stand before the models.
    """

    file: str
    models: Mapping[str, str] = field(default_factory=dict)
    definitions: str = ""


@dataclass(frozen=True, kw_only=True)
class PlaceAndRoute:
    """How a netlist of the family is placed and routed, for the clock that it reaches.

    Parameters
    ----------
    tool
        The nextpnr, such as ``nextpnr-ecp5``.
    device
        The part with its speed grade, as results name it.
    flags
        Options that choose the part; those of the seed and of files follow them.
    cells
        Which count each kind of cell of the placed design is, by the names of ``CellCounts``.
    """

    tool: str
    device: str
    flags: tuple[str, ...]
    cells: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PartWeights:
    """What a unit of every part of a design takes.

    The parts are those of :class:`kanhw.gateware.parts.costs.HardwareCosts`, which are LUTs here
    unless something else is said; the LUTs of multiplexers and tables include those around
    memories.

    Parameters
    ----------
    adder_bits, passing_bits, adders, compressor_bits, accumulator_bits, choice_luts
        A unit of each.
    wide_choices, serializer_luts, table_luts, counters, controls
        Likewise.
    product_bits
        A gate of the partial products of a product that is made of LUTs, whose sum is counted as
        adders are.
    table_bits
        A bit of a table by its address bits, from 0 on up to as many as a LUT reads.
    table_pieces, table_choices, table_gates
        A LUT's part of a bit with more of them; a multiplexer of two such parts; a gate in the
        place of one.
    inverted_bits
        A bit that is taken off in a carry chain.
    narrow_chains
        A carry chain of 1, 2, ... places, of those that are too few for carry cells; longer ones
        are weighed by their bits.
    carry_places
        Places of a carry cell, of which a longer chain has whole ones: each place is then a bit of
        an adder. 0: bits are weighed one by one, wherever they are.
    silent_places
        Whether a place of a chain that gives a carry and no sum takes a LUT.
    resets, held_resets
        Whether sets and resets of registers are seen to take a part of tables in front of them; and
        whether of registers that can be held as well, which they must not change then.
    reset_signals
        A LUT that does it.
    register_bits
        Flip-flops of a bit of a register.
    shift_clocks
        Registers in a row, from this many on, are shift registers of a LUT for every 32; 0: never.
    carry_bits, carry_adders
        Carry cells of a bit of an adder, and of every adder; None: they are not modelled.
    errors
        By the name of a count, how far from synthesis nine of ten random designs are, as a share
        (``benchmarks/estimates/resource_model.py``); empty: not measured.
    """

    adder_bits: float
    accumulator_bits: float
    choice_luts: float
    serializer_luts: float
    table_luts: float
    counters: float
    controls: float = 0.0
    adders: float = 0.0
    passing_bits: float = 0.0
    wide_choices: float = 0.0
    compressor_bits: float = 0.35
    inverted_bits: float = 0.0
    narrow_chains: tuple[float, ...] = ()
    carry_places: int = 0
    silent_places: bool = True
    resets: bool = False
    held_resets: bool = True
    reset_signals: float = 0.0
    product_bits: float = 1.0
    table_pieces: float = 1.0
    table_choices: float = 0.5
    table_gates: float = 0.5
    table_bits: tuple[float, ...] = (0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    register_bits: float = 1.0
    shift_clocks: int = 0
    carry_bits: float | None = None
    carry_adders: float = 0.0
    errors: Mapping[str, float] = field(default_factory=dict)

    def range_of(self, name: str, value: float) -> tuple[float, float] | None:
        """Between which counts nine of ten designs are that have this modelled one; None: unknown.

        Parameters
        ----------
        name, value
            Of the count.
        """
        error = self.errors.get(name)
        return None if error is None else (value / (1 + error), value * (1 + error))

    @property
    def lut_inputs(self) -> int:
        """Address bits of the largest table that is a LUT a bit."""
        return len(self.table_bits) - 1


@dataclass(frozen=True)
class ResourceModel:
    """What is known of a family before a design is made.

    Parameters
    ----------
    block_rams
        How memories are spread over blocks.
    weights
        What a unit of every other part takes.
    multipliers
        Its multiplier blocks; None: products are made of LUTs.
    """

    block_rams: BlockRams
    weights: PartWeights
    multipliers: MultiplierBlocks | None = None


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
    table_recipe
        The recipe that makes the fewest LUTs of large tables, which is run alone where there are so
        many that every run takes minutes; None: all are run.
    library
        Models of its cells; None: its netlists cannot be simulated.
    place_and_route
        How it is placed and routed; None: its clock cannot be estimated.
    block_rams, weights, multipliers
        What the resource model of a design that is not made yet knows; no block RAMs or weights:
        there is no model; no multipliers: products are made of LUTs.
    network_weights
        The weights of unrolled networks of edge tables with learned widths, in which more is
        followed of what synthesis does; None: those of all designs.
    energies, cell_kinds
        What toggles and clocks take, and what its cells compute, by their types; None: its power
        cannot be estimated.
    """

    name: str
    family: str
    note: str
    recipes: Mapping[str, str]
    cells: Mapping[str, CellCost]
    bram_unit: str
    spare: tuple[str, str] | None = None
    table_recipe: str | None = None
    library: CellLibrary | None = None
    place_and_route: PlaceAndRoute | None = None
    block_rams: BlockRams | None = None
    weights: PartWeights | None = None
    network_weights: PartWeights | None = None
    multipliers: MultiplierBlocks | None = None
    energies: CellEnergies | None = None
    cell_kinds: Mapping[str, CellKind] | None = None

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
