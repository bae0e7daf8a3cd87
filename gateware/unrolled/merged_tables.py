"""Tables of one output that become one: their sum, tabulated, where that takes fewer LUTs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.fabric import Fabric, Place, Reading, fabric_named
from kanhw.gateware.parts.costs import HardwareCosts, table_costs
from kanhw.gateware.parts.minimise import (
    MinimisedTable,
    minimise_table,
    projected,
    support_of,
)
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table_costs import MERGED_BITS, TRIED, WORTH, TableCosts, table_costs_of

__all__ = ["Merging", "merging_costs", "merging_of"]

_Tables = Mapping[Place, MinimisedTable]
# How many outputs ask for a table.
_Uses = Callable[[Place, MinimisedTable], int]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A table that depends on few address bits, without the others."""

    place: Place
    table: MinimisedTable
    luts: float

    @property
    def bits(self) -> int:
        """Of its address."""
        return sum(len(reading.bits) for reading in self.place)


@dataclass(frozen=True, eq=False)
class Merging:
    """Decides which tables of an output become one, by what their LUTs cost.

    Parameters
    ----------
    costs
        Of tables and adders on the target.
    fabric
        Which says how many address bits the bits of a table depend on.
    registered
        Whether a register follows every table.
    """

    costs: TableCosts
    fabric: Fabric
    registered: bool

    def merged(self, tables: _Tables, uses: _Uses) -> dict[Place, MinimisedTable]:
        """The tables of an output, some of them merged; their sum is the same.

        Whatever saves most is merged first. Tables of inputs that may be absent stay as they are.

        Parameters
        ----------
        tables
            Those of the output that vary, by what they read.
        uses
            How many outputs ask for a table: one that others have made as well costs its share.
        """
        found = {place: self._candidate(place, table, uses) for place, table in tables.items()}
        waiting = sorted(
            (c for c in found.values() if c is not None), key=lambda c: (c.bits, c.luts, c.place)
        )
        result = dict(tables)
        originals = {c.place: place for place, c in found.items() if c is not None}
        for start in range(0, len(waiting), TRIED):
            group = waiting[start : start + TRIED]
            for made in self._merged(group):
                if made in group:
                    continue
                for reading in made.place:
                    del result[originals[(reading,)]]
                result[made.place] = made.table
        return dict(sorted(result.items()))

    def _merged(self, group: list[_Candidate]) -> list[_Candidate]:
        """Candidates, merged pair by pair as long as that saves LUTs."""
        offers = {
            (a, b): offer
            for a, b in combinations(group, 2)
            if (offer := self._offer(a, b)) is not None
        }
        while offers:
            # Ties go to the first in order of place, so that the same is made every time.
            best = max(offers, key=lambda pair: offers[pair][0])
            made = offers[best][1]
            group = [candidate for candidate in group if candidate not in best]
            offers = {pair: offer for pair, offer in offers.items() if not {*pair} & {*best}}
            for other in group:
                offer = self._offer(other, made)
                if offer is not None:
                    offers[other, made] = offer
            group.append(made)
        return group

    def _candidate(
        self, place: Place, table: MinimisedTable, uses: _Uses
    ) -> _Candidate | None:
        if table.padding is not None:
            return None
        values = np.array(table.values, np.int64)
        support = support_of(values)
        if len(support) >= MERGED_BITS:
            return None
        (reading,) = place
        own = Reading(reading.branch, reading.input, tuple(reading.bits[k] for k in support))
        less = MinimisedTable(
            tuple(projected(values, support).tolist()), table.shift, table.offset
        )
        return _Candidate((own,), less, self._table_luts(table) / uses(place, table))

    def _offer(self, a: _Candidate, b: _Candidate) -> tuple[float, _Candidate] | None:
        """The LUTs that merging two saves, and what it makes; None if it is not worth it."""
        if a.bits + b.bits > MERGED_BITS:
            return None
        table = _sum(a.table, b.table)
        made = _Candidate(a.place + b.place, table, self._table_luts(table))
        saved = a.luts + b.luts - made.luts
        saved += self._adder_luts(a.table) + self._adder_luts(b.table) - self._adder_luts(table)
        return (saved, made) if saved >= WORTH else None

    def _table_luts(self, table: MinimisedTable) -> float:
        supports = self.fabric.supports(table, registered=self.registered)
        return sum(self.costs.table[count - 1] for count in supports if count)

    def _adder_luts(self, table: MinimisedTable) -> float:
        return self.costs.adder * (log2(max(table.values) + 1) + self.costs.adder_offset)


def merging_of(schedule: Schedule) -> Merging | None:
    """What a schedule merges; None if nothing.

    Raises
    ------
    InputError
        If there are no costs of tables for its target and fabric.
    """
    if schedule.merge_tables is None:
        return None
    return Merging(
        table_costs_of(schedule.merge_tables, schedule.fabric),
        fabric_named(schedule.fabric),
        schedule.tables_registered,
    )


def merging_costs(tables: Sequence[IntArray], schedule: Schedule) -> HardwareCosts:
    """What merging changes in the costs of edge tables, counted as ``edge_table_costs`` does.

    Parameters
    ----------
    tables
        ``[n_out, n_in, 2**width]`` of every branch, which are merged by themselves.
    schedule
        Which says whether they are merged.
    """
    merging = merging_of(schedule)
    total = HardwareCosts()
    if merging is None:
        return total
    for branch in tables:
        every = tuple(range(branch.shape[2].bit_length() - 1))
        minimised: list[dict[Place, MinimisedTable]] = [
            {
                (Reading(0, i, every),): minimise_table(table, 0, len(table) - 1)
                for i, table in enumerate(row)
                if np.ptp(table)
            }
            for row in branch
        ]
        uses = _uses(minimised)
        for row in minimised:
            total += _summed(merging.merged(row, uses)) + _summed(row).times(-1)
    return total


def _uses(outputs: Sequence[_Tables]) -> _Uses:
    """How many outputs have a table."""
    found = Counter(
        (place, table.values) for row in outputs for place, table in row.items()
    )
    return lambda place, table: found[place, table.values]


def _summed(tables: _Tables) -> HardwareCosts:
    """Tables of an output, their registers and adders."""
    total = HardwareCosts()
    for place, table in tables.items():
        bits = max(table.values).bit_length()
        adder = HardwareCosts(adder_bits=bits + 1, adders=1, register_bits=2 * bits + 1)
        total += table_costs(sum(len(r.bits) for r in place), bits) + adder
    return total


def _sum(a: MinimisedTable, b: MinimisedTable) -> MinimisedTable:
    """The table of a sum: the bits of the first table's address are the lower ones."""
    first, second = (np.array(t.values, np.int64) << t.shift for t in (a, b))
    entries = (second[:, None] + first).reshape(-1) - (a.offset + b.offset)
    return minimise_table(entries, 0, len(entries) - 1)
