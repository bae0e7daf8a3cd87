"""Many copies of a netlist side by side, clock by clock, with every net's value at hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.power.mapped import MappedNetlist
from kanhw.targets.cells.batch import Batch, CellKind, Words, masks
from kanhw.targets.cells.cell import HIGH, LOW, Cell

__all__ = ["Simulation", "kinds_of"]

Nets = npt.NDArray[np.int64]


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


@dataclass
class _Placed:
    """A batch, with the nets that it reads and drives."""

    batch: Batch
    inputs: Nets
    outputs: Nets


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
        self.netlist = netlist
        self.values: Words = np.zeros((netlist.nets, words), np.uint64)
        self.values[HIGH] = ~np.uint64(0)
        levels = _levels(netlist, own)
        groups: dict[tuple[int, str], list[Cell]] = defaultdict(list)
        for cell, level in zip(netlist.cells, levels, strict=True):
            groups[level, cell.kind].append(cell)
        self._registers: list[_Placed] = []
        self._logic: list[_Placed] = []
        for (_, name), cells in sorted(groups.items()):
            kind = kinds[name]
            placed = _Placed(
                kind.make(cells, words), _nets(cells, kind.inputs), _nets(cells, kind.outputs)
            )
            if kind.clocked:
                self._registers.append(placed)
            if not kind.clocked or kind.looks_up:
                self._logic.append(placed)
        for placed in self._registers:
            self._drive(placed)

    def port(self, name: str) -> Words:
        """The values at a port, ``[bits, words]``."""
        return self.values[list(self.netlist.ports[name])]

    def give(self, name: str, bits: Words | int) -> None:
        """Put values on an input, ``[bits, words]``, or one bit on all of them."""
        word = masks(bits) if isinstance(bits, int) else bits
        self.values[list(self.netlist.ports[name])] = word

    def settle(self) -> None:
        """Compute what hangs on the inputs and on the flip-flops."""
        for placed in self._logic:
            self._drive(placed)

    def clock(self) -> None:
        """Go over a clock edge; the inputs stay until others are given."""
        read = [self.values[placed.inputs] for placed in self._registers]
        for placed, inputs in zip(self._registers, read, strict=True):
            placed.batch.clock(inputs)
        for placed in self._registers:
            self._drive(placed)

    def _drive(self, placed: _Placed) -> None:
        self.values[placed.outputs] = placed.batch.outputs(self.values[placed.inputs])
        # A port that drives nothing was given the net that is low.
        self.values[LOW] = 0


def _nets(cells: Sequence[Cell], ports: Sequence[tuple[str, int]]) -> Nets:
    return np.array([[cell.net(*port) for cell in cells] for port in ports], np.int64)


def _levels(netlist: MappedNetlist, kinds: Sequence[CellKind]) -> list[int]:
    """How many cells of logic lie before each, itself included; 0 for flip-flops."""
    driver = {
        cell.net(*port): number
        for number, (cell, kind) in enumerate(zip(netlist.cells, kinds, strict=True))
        if not kind.clocked or kind.looks_up
        for port in kind.outputs
    }
    driver.pop(LOW, None)
    levels = [0] * len(kinds)
    readers: dict[int, list[int]] = defaultdict(list)
    waiting = [0] * len(kinds)
    for number, (cell, kind) in enumerate(zip(netlist.cells, kinds, strict=True)):
        through = kind.looks_up if kind.clocked else kind.inputs
        sources = {driver[net] for port in through if (net := cell.net(*port)) in driver}
        waiting[number] = len(sources)
        for source in sources:
            readers[source].append(number)
    ready = [number for number, count in enumerate(waiting) if count == 0]
    done = 0
    for number in ready:
        done += 1
        if not kinds[number].clocked or kinds[number].looks_up:
            levels[number] += 1
        for reader in readers[number]:
            levels[reader] = max(levels[reader], levels[number])
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    if done != len(kinds):
        raise InputError("The netlist has logic that runs in a circle, which cannot be simulated")
    return levels
