"""In which order the cells of a netlist can be computed, many clocks at a time or clock by clock.

What hangs on itself over clocks (a counter, a sum that is added to, a handshake) is a loop, and
goes clock by clock. All else is computed for many clocks at once, behind what it hangs on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.cell import LOW, Cell

__all__ = ["Part", "ordered"]


@dataclass(frozen=True)
class Part:
    """Cells between the parts before and behind.

    Parameters
    ----------
    loop
        Whether they hang on themselves over clocks.
    levels
        Numbers of cells, each level behind the ones before it. In a loop the first level holds the
        cells with a clock, whose outputs hang on no input of that clock.
    """

    loop: bool
    levels: Sequence[Sequence[int]]


def ordered(cells: Sequence[Cell], kinds: Sequence[CellKind]) -> list[Part]:
    """The parts of a netlist, in an order in which they can be computed.

    Parameters
    ----------
    cells, kinds
        The cells, and the kind of each.

    Raises
    ------
    InputError
        If logic runs in a circle.
    """
    driver = _drivers(cells, kinds)
    sources = [
        sorted({driver[net] for port in kind.inputs if (net := cell.net(*port)) in driver})
        for cell, kind in zip(cells, kinds, strict=True)
    ]
    ranks: list[int] = [0] * len(cells)
    members: dict[int, list[int]] = defaultdict(list)
    # Loops have odd ranks, and those of one rank go together.
    for component in _components(sources):
        own = set(component)
        loop = len(component) > 1 or component[0] in sources[component[0]]
        rank = 1 if loop else 0
        for source in {source for number in component for source in sources[number]} - own:
            rank = max(rank, ranks[source] + (ranks[source] % 2 != rank % 2))
        for number in component:
            ranks[number] = rank
        members[rank] += component
    parts = []
    for rank, numbers in sorted(members.items()):
        loop = rank % 2 == 1
        cut = [_within(kinds[n], cells[n], driver) if loop else set(sources[n]) for n in numbers]
        parts.append(Part(loop, _levels(numbers, cut)))
    return parts


def _drivers(cells: Sequence[Cell], kinds: Sequence[CellKind]) -> dict[int, int]:
    """By net, the cell that drives it."""
    driver = {
        cell.net(*port): number
        for number, (cell, kind) in enumerate(zip(cells, kinds, strict=True))
        for port in kind.outputs
    }
    driver.pop(LOW, None)
    return driver


def _within(kind: CellKind, cell: Cell, driver: dict[int, int]) -> set[int]:
    """The cells on which the outputs of one hang within a clock."""
    through = kind.looks_up if kind.clocked else kind.inputs
    return {driver[net] for port in through if (net := cell.net(*port)) in driver}


def _levels(numbers: Sequence[int], sources: Sequence[set[int]]) -> list[list[int]]:
    among = set(numbers)
    readers: dict[int, list[int]] = defaultdict(list)
    waiting = {}
    for number, own in zip(numbers, sources, strict=True):
        inside = own & among
        waiting[number] = len(inside)
        for source in inside:
            readers[source].append(number)
    levels = []
    front = [number for number in numbers if not waiting[number]]
    while front:
        levels.append(front)
        following = []
        for number in front:
            for reader in readers[number]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    following.append(reader)
        front = following
    if sum(map(len, levels)) != len(numbers):
        raise InputError("The netlist has logic that runs in a circle, which cannot be simulated")
    return levels


def _components(sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """Strongly connected components, each behind those that it hangs on (Tarjan 1972)."""
    found: list[list[int]] = []
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    open_ = set[int]()
    for root in range(len(sources)):
        if root in index:
            continue
        calls = [(root, iter(sources[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        open_.add(root)
        while calls:
            number, rest = calls[-1]
            for source in rest:
                if source not in index:
                    index[source] = low[source] = len(index)
                    stack.append(source)
                    open_.add(source)
                    calls.append((source, iter(sources[source])))
                    break
                if source in open_:
                    low[number] = min(low[number], index[source])
            else:
                calls.pop()
                if calls:
                    parent = calls[-1][0]
                    low[parent] = min(low[parent], low[number])
                if low[number] == index[number]:
                    own: list[int] = []
                    while not own or own[-1] != number:
                        own.append(stack.pop())
                    open_.difference_update(own)
                    found.append(own)
    return found
