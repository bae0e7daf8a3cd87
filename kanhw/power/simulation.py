"""Many copies of a netlist side by side, with every net's value at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.power.loops import CompiledLoop, is_compiled
from kanhw.power.mapped import MappedNetlist
from kanhw.power.order import ordered
from kanhw.targets.cells.batch import CellKind, Words, masks
from kanhw.targets.cells.cell import HIGH, LOW, Cell

__all__ = ["Simulation", "kinds_of"]


def kinds_of(netlist: MappedNetlist, kinds: Mapping[str, CellKind], family: str) -> list[CellKind]:
    """The kind of every cell.

    Raises
    ------
    InputError
        If a cell is of none.
    """
    unknown = sorted({cell.kind for cell in netlist.cells} - kinds.keys())
    if unknown:
        raise InputError(
            f"The activity of {family} netlists with {', '.join(unknown)} is not simulated: there "
            f"are {', '.join(kinds)}; choose a schedule or realisation without such cells, or "
            "another target"
        )
    return [kinds[cell.kind] for cell in netlist.cells]


Rows = npt.NDArray[np.int64]


class _Group:
    """Cells of one kind that are computed at once, and the rows of what they read and drive."""

    def __init__(
        self, kind: CellKind, cells: Sequence[Cell], words: int, row: Rows, first: int
    ) -> None:
        self.kind, self.cells = kind, cells
        self.batch = kind.make(cells, words)
        self.clocked = kind.clocked
        # What has a clock and looks nothing up is told by its state alone.
        self.reads = not kind.clocked or bool(kind.looks_up)
        self.inputs = row[[[cell.net(*port) for cell in cells] for port in kind.inputs]]
        self.shape = (len(kind.outputs), len(cells))
        self.driven = slice(first, first + len(kind.outputs) * len(cells))

    def run(self, values: Words) -> None:
        """Many clocks, of values ``[rows, clocks, words]``."""
        given = values[self.inputs]
        if self.clocked:
            found = self.batch.run(given)
        else:
            found = self.batch.outputs(given.reshape(*given.shape[:2], -1))
        values[self.driven] = found.reshape(-1, *values.shape[1:])


class _Loop:
    """Cells that go clock by clock, with the rows that they read from elsewhere."""

    def __init__(self, groups: Sequence[_Group]) -> None:
        self._groups = groups
        self._own = slice(groups[0].driven.start, groups[-1].driven.stop)
        rows = np.unique(np.concatenate([group.inputs.ravel() for group in groups]))
        self._outside = rows[(rows < self._own.start) | (rows >= self._own.stop)]
        # Among the values of a clock, what is read from elsewhere comes first.
        place = np.zeros(self._own.stop + 1 + int(rows.max()), np.int64)
        place[self._outside] = np.arange(len(self._outside))
        shift = len(self._outside) - self._own.start
        place[self._own] = np.arange(self._own.start, self._own.stop) + shift
        self._inputs = [place[group.inputs] for group in groups]
        self._driven = [
            slice(group.driven.start + shift, group.driven.stop + shift) for group in groups
        ]

    def run(self, values: Words) -> None:
        """Clock by clock, of values ``[rows, clocks, words]``."""
        clocks, words = values.shape[1:]
        given = np.ascontiguousarray(values[self._outside].swapaxes(0, 1))
        outside, own = len(self._outside), self._own.stop - self._own.start
        found = np.empty((clocks, own, words), np.uint64)
        now = np.empty((outside + own, words), np.uint64)
        nothing = np.empty((0, 0, words), np.uint64)
        steps = list(zip(self._groups, self._inputs, self._driven, strict=True))
        registers = [(group, inputs) for group, inputs, _ in steps if group.clocked]
        for clock in range(clocks):
            now[:outside] = given[clock]
            for group, inputs, driven in steps:
                seen = now.take(inputs, axis=0) if group.reads else nothing
                now[driven].reshape(*group.shape, words)[:] = group.batch.outputs(seen)
            for group, inputs in registers:
                group.batch.clock(now.take(inputs, axis=0))
            found[clock] = now[outside:]
        values[self._own] = found.swapaxes(0, 1)


def _compiled(groups: Sequence[_Group], row: Rows, words: int) -> CompiledLoop:
    cells = [(group.kind, cell) for group in groups for cell in group.cells]
    nets = [
        cell.net(*port) for group in groups for port in group.kind.outputs for cell in group.cells
    ]
    driven = slice(groups[0].driven.start, groups[-1].driven.stop)
    return CompiledLoop(cells, row, (driven, nets), words)


class Simulation:
    """A netlist, all of whose flip-flops have one clock.

    Parameters
    ----------
    netlist
        Its cells and nets.
    kinds
        What the cells compute, by type.
    words
        Words of a net: 64 copies in each.
    family
        How messages call the target.

    Raises
    ------
    InputError
        If a type of cell has no kind, or logic runs in a circle.
    """

    def __init__(
        self, netlist: MappedNetlist, kinds: Mapping[str, CellKind], words: int, family: str
    ) -> None:
        own = kinds_of(netlist, kinds, family)
        self._netlist = netlist
        groups = [
            (part.loop, kind, [netlist.cells[number] for number in numbers])
            for part in ordered(netlist.cells, own)
            for level in part.levels
            for kind, numbers in _by_kind(level, netlist.cells, kinds)
        ]
        # Rows of values: constants, inputs, and then what each group drives, one behind the other.
        given = sorted({net for name in netlist.inputs for net in netlist.ports[name]})
        row = np.zeros(netlist.nets, np.int64)
        row[HIGH] = HIGH
        row[given] = np.arange(2, 2 + len(given))
        firsts, rows = [], 2 + len(given)
        for _, kind, cells in groups:
            firsts.append(rows)
            driven = [[cell.net(*port) for cell in cells] for port in kind.outputs]
            row[driven] = np.arange(rows, rows + len(driven) * len(cells)).reshape(-1, len(cells))
            # Ports that are left open drive no net.
            row[LOW] = LOW
            rows += len(driven) * len(cells)
        self._row = row
        self._parts: list[_Group | _Loop | CompiledLoop] = []
        made = [
            (loop, _Group(kind, cells, words, row, first))
            for (loop, kind, cells), first in zip(groups, firsts, strict=True)
        ]
        for loop, members in groupby(made, key=lambda pair: pair[0]):
            part = [group for _, group in members]
            if not loop:
                self._parts += part
            elif all(is_compiled(group.kind) for group in part):
                self._parts.append(_compiled(part, row, words))
            else:
                self._parts.append(_Loop(part))
        self.inputs = netlist.inputs
        # Of constants and inputs, which keep their values until others are given.
        self._given: Words = np.zeros((2 + len(given), 1, words), np.uint64)
        self._given[HIGH] = ~np.uint64(0)
        self.values: Words = np.zeros((rows, 0, words), np.uint64)

    def give(self, name: str, bits: Words | int) -> None:
        """Put values on an input until others are given, ``[bits, words]``, or one on all bits."""
        word = masks([bits])[:, None] if isinstance(bits, int) else bits
        self._given[self._row[list(self._netlist.ports[name])], 0] = word

    def run(self, clocks: int) -> None:
        """Go over clock edges; ``values`` are those before each, ``[rows, clocks, words]``."""
        if self.values.shape[1] != clocks:
            self.values = np.empty((len(self.values), clocks, self.values.shape[2]), np.uint64)
        self.values[: len(self._given)] = self._given
        for part in self._parts:
            part.run(self.values)

    def port(self, name: str) -> Words:
        """The values at a port before each edge of the last run, ``[bits, clocks, words]``."""
        return self.values[self._row[list(self._netlist.ports[name])]]

    def by_net(self, found: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """What was found of rows, of each net; of constants 0."""
        told = found[self._row]
        told[self._row <= HIGH] = 0
        return told


def _by_kind(
    level: Sequence[int], cells: Sequence[Cell], kinds: Mapping[str, CellKind]
) -> list[tuple[CellKind, list[int]]]:
    found: dict[str, list[int]] = defaultdict(list)
    for number in level:
        found[cells[number].kind].append(number)
    return [(kinds[name], numbers) for name, numbers in found.items()]
