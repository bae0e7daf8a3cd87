"""UltraScale+: adders of three operands, saturation by set and reset, coded tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kanhw.formats import CodeFormat
from kanhw.gateware.fabric.coding import FLIP_FLOP_LUTS, codings_of
from kanhw.gateware.fabric.interface import Fabric, Place, Summands, Window
from kanhw.gateware.fabric.paired_tables import PairedTables
from kanhw.gateware.fabric.pairing import paired_luts, table_luts, table_supports
from kanhw.gateware.fabric.resetting_saturator import (
    ResettingSaturator,
    code_bits,
    flagged,
)
from kanhw.gateware.fabric.ternary_plan import plan_sum, ternary_depth
from kanhw.gateware.fabric.ternary_rows import Row
from kanhw.gateware.fabric.ternary_tree import TernaryTree, ternary_latency
from kanhw.gateware.parts.address import Address, output_address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term

__all__ = ["UltraScalePlus"]

# Guesses of what a bit costs in the adders; the one with which the whole sum is smallest is taken.
ADDER_LUTS = (1.0, 0.6, 0.8, 1.3, 2.0, 9.0)
# Sums of more tables than this are not planned several times.
WEIGHED = 64
WIDEST = 64
# Upper bits of a sum that a LUT compares.
COMPARED_BITS = 5
# How many LUTs a cycle more must save; its registers are as many.
CYCLE_LUTS = 16


class UltraScalePlus(Fabric):
    """LUT6_2 and CARRY8 cells where synthesis does not find them by itself."""

    def tree_latency(self, count: int, levels: int) -> int:
        """Three operands per adder."""
        return ternary_latency(count, levels)

    def tree(self, terms: list[Term], levels: int, bound: Range | None) -> TernaryTree:
        """Three operands per adder."""
        return TernaryTree(terms, levels=levels, bound=bound)

    def tree_costs(
        self, terms: list[Term], levels: int, bound: Range | None, unread: int = 0
    ) -> tuple[HardwareCosts, int, Range]:
        """Every column of the planned adders a LUT, eight of them a carry cell; and registers."""
        tree = TernaryTree(terms, levels=levels, bound=bound)
        return tree.costs, tree.latency, tree.range

    def address(
        self, lo: int, hi: int, format: CodeFormat, *, last: bool, codes: tuple[int, int] | None
    ) -> Address:
        """As elsewhere, but a flag instead of the code where that is at its upper end."""
        plain = output_address(lo, hi, format, last=last, codes=codes)
        top = (1 << plain.width) - 1
        own = plain.offset == plain.first and plain.width == code_bits(plain)
        if last or not own or hi - format.lo - plain.offset <= top:
            return plain
        return replace(plain, width=plain.width + 1, hi=2 * top + 1)

    def saturator_latency(self, address: Address, *, last: bool, outputs: int) -> int:
        """Two where flip-flops would have to be both set and reset, if that saves enough."""
        both = last and (address.lo, address.hi) == (0, (1 << address.width) - 1)
        return 2 if both and outputs * address.width >= CYCLE_LUTS else 1

    def saturator(
        self, sums: Range, base: int, shift: int, address: Address, cycles: int
    ) -> ResettingSaturator:
        """Set and reset of the address's registers."""
        return ResettingSaturator(sums, base, shift, address, cycles=cycles)

    def saturator_costs(
        self, sums: Range, base: int, shift: int, address: Address, cycles: int
    ) -> HardwareCosts:
        """Comparisons of the upper bits, and the registers that they set and reset."""
        above = max((sums.hi >> shift).bit_length() - address.width, 0) + (sums.lo < 0)
        compared = 2 if above > 1 else int(above > 0)
        width = address.width
        return HardwareCosts(
            table_luts=compared * max(-(-above // COMPARED_BITS), 1) if above else 0,
            register_bits=width if cycles == 1 else 2 * width + 1,
        )

    def window(self, address: Address, shift: int, *, signed: bool) -> Window:
        """Only the low bits are added: the saturator compares the upper bits with the rest."""
        size = 1 << (address.width - flagged(address) + shift)
        return Window(size, size // 2 if signed else 0)

    def summands(
        self,
        tables: Mapping[Place, MinimisedTable],
        constant: int | None,
        window: Window | None,
        *,
        registered: bool,
    ) -> Summands:
        """Coded tables, with the constant in what their bits have room for."""
        codings = {
            place: codings_of(table, differences=registered) for place, table in tables.items()
        }
        # Most guesses choose the same, and what is alone need not be planned.
        choices: dict[Summands, None] = {}
        for guess in ADDER_LUTS if len(tables) <= WEIGHED else ADDER_LUTS[:1]:
            parts = [
                (place, part)
                for place, known in codings.items()
                for part in min(known, key=lambda coding: coding.cost(guess)).tables
            ]
            choices[_summands(parts, constant, window)] = None
        first, *others = choices
        if not others:
            return first
        return min(choices, key=lambda choice: _cost(choice, registered))

    def table_costs(
        self, tables: Mapping[Place, Sequence[MinimisedTable]], *, registered: bool
    ) -> HardwareCosts:
        """Two bits of up to five address bits a cell, the others as anywhere."""
        luts = paired_luts(tables, registered=registered)
        every = (table for own in tables.values() for table in own)
        bits = sum(max(table.outputs).bit_length() for table in every)
        return HardwareCosts(cells=round(luts), register_bits=bits * registered)

    def supports(self, table: MinimisedTable, *, registered: bool) -> tuple[int, ...]:
        """Without the address bits that the set or reset of a register takes care of."""
        return table_supports(table, registered=registered)

    def bank(self, *, registered: bool) -> PairedTables:
        """LUT6_2 cells, each two bits of the tables of an input."""
        return PairedTables(registered=registered)


def _summands(
    parts: list[tuple[Place, MinimisedTable]], constant: int | None, window: Window | None
) -> Summands:
    """The coded tables, with the constant in what their bits have room for."""
    remaining = -sum(part.offset for _, part in parts)
    if constant is None:
        return Summands(tuple(parts), 0, remaining)
    total = constant + remaining
    added = (total + window.centre) % window.size if window else total
    filled, rest = _filled(parts, added)
    return Summands(filled, rest, total - added)


def _cost(summands: Summands, registered: bool) -> float:
    """About how many LUTs the tables and their sum take."""
    tables = [table for _, table in summands.tables]
    rows = [Row(max(table.values) << table.shift, table.shift) for table in tables]
    if summands.constant:
        rows.append(Row(abs(summands.constant), 0, fixed=True))
    depth = ternary_depth(len(rows))
    adders = plan_sum(rows, depth, WIDEST).cost(WIDEST)
    registers = sum(max(table.values).bit_length() for table in tables) * FLIP_FLOP_LUTS
    return adders + registers + sum(table_luts(table, registered=registered) for table in tables)


def _filled(
    parts: list[tuple[Place, MinimisedTable]], constant: int
) -> tuple[tuple[tuple[Place, MinimisedTable], ...], int]:
    """The tables with as much of a constant as fits without a bit more; and what does not fit."""
    filled = list(parts)
    if constant < 0:
        return tuple(filled), constant
    order = sorted(range(len(parts)), key=lambda k: (-(_room(parts[k][1]) << parts[k][1].shift), k))
    for k in order:
        place, part = parts[k]
        step = min(_room(part), constant >> part.shift)
        if step:
            values = tuple(value + step for value in part.values)
            padding = None if part.padding is None else part.padding + step
            filled[k] = place, replace(part, values=values, padding=padding)
            constant -= step << part.shift
    return tuple(filled), constant


def _room(table: MinimisedTable) -> int:
    """The most that can be added to the entries without a bit more."""
    highest = max(table.outputs)
    return (1 << highest.bit_length()) - 1 - highest
