"""Toggles without vectors: probabilities and rates propagated from the inputs through a netlist.

Every input of the design is 1 half of the time and changes in a share of clocks, independently of
the others; so is what comes out of memories that are written and of multiplier blocks. From there
on every net gets a probability and a rate. A cell's are exact if its inputs are independent: all
pairs of what its inputs are before and after a clock are weighed. A carry chain is one cell as long
as the word: the bits of a sum hang together by their carry, and taking them apart counts a multiple
of its toggles. Vendors' tools assume the same of what they know nothing of, so the figure is to be
compared with their reports; with data a design takes another.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from kanhw.formats import FloatArray
from kanhw.power.activity import Activity
from kanhw.power.mapped import MappedNetlist
from kanhw.power.simulation import kinds_of
from kanhw.power.truth_tables import MOST_INPUTS, truth_tables
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.cell import HIGH, LOW, Cell

__all__ = ["VECTORLESS_RATE", "Propagation", "glitch_bound", "propagated_activity"]

VECTORLESS_RATE = 0.125
"""The share of clocks in which a bit of an input changes, where nothing is said; Vivado's."""

# Of loops of registers: passes until their figures hardly change, at most.
_PASSES = 20
_SETTLED = 1e-3


def propagated_activity(
    netlist: MappedNetlist,
    kinds: Mapping[str, CellKind],
    *,
    family: str,
    interval: int,
    rate: float = VECTORLESS_RATE,
    quiet: Mapping[str, int] | None = None,
) -> Activity:
    """The activity of a netlist of which only the rate of its inputs is known.

    Parameters
    ----------
    netlist, kinds
        The design, and what its cells compute.
    family
        How messages call the target.
    interval
        Clocks between two vectors.
    rate
        Changes a clock of every bit of the inputs.
    quiet
        Inputs that keep a value, by name: clock and reset.

    Raises
    ------
    InputError
        If a cell is of no kind.
    """
    started = time.perf_counter()
    run = Propagation(netlist, kinds, family=family, rate=rate, quiet=quiet or {})
    run.propagate()
    return Activity(
        toggles=run.toggles * interval,
        clocks=interval,
        vectors=1,
        rows=0,
        input_toggles=rate,
        seconds=time.perf_counter() - started,
    )


def glitch_bound(
    netlist: MappedNetlist,
    kinds: Mapping[str, CellKind],
    *,
    family: str,
    rate: float,
    quiet: Mapping[str, int] | None = None,
) -> float:
    """How many times the toggles of settled nets there are at most, glitches among them.

    As if no two inputs of a cell ever changed together: every change of one passes if the cell
    looks at it, as transition densities are propagated (Najm 1993). Hardware filters short pulses,
    and inputs that change together mostly leave one change, so this is a bound and no estimate.

    Parameters
    ----------
    netlist, kinds, family, rate, quiet
        As for :func:`propagated_activity`.
    """
    run = Propagation(netlist, kinds, family=family, rate=rate, quiet=quiet or {})
    run.propagate()
    settled = float(run.toggles.sum())
    return max(float(run.densities.sum()) / settled, 1.0) if settled else 1.0


class Propagation:
    """Probability and rate of every net, and the rate with glitches that bounds it.

    Parameters
    ----------
    netlist, kinds, family, rate, quiet
        As for :func:`propagated_activity`.
    """

    def __init__(
        self,
        netlist: MappedNetlist,
        kinds: Mapping[str, CellKind],
        *,
        family: str,
        rate: float,
        quiet: Mapping[str, int],
    ) -> None:
        self._netlist, self._rate = netlist, rate
        self._kinds = kinds_of(netlist, kinds, family)
        self.high: FloatArray = np.full(netlist.nets, 0.5)
        self.toggles: FloatArray = np.full(netlist.nets, rate)
        self.high[[LOW, HIGH]], self.toggles[[LOW, HIGH]] = (0.0, 1.0), 0.0
        for name in netlist.inputs:
            if name in quiet:
                nets = list(netlist.ports[name])
                self.high[nets], self.toggles[nets] = float(quiet[name]), 0.0
        self.densities: FloatArray = self.toggles.copy()
        self._driver = {
            cell.net(*port): number
            for number, (cell, kind) in enumerate(zip(netlist.cells, self._kinds, strict=True))
            for port in kind.outputs
        }
        self._driver.pop(LOW, None)
        self._by_name = dict(zip((c.kind for c in netlist.cells), self._kinds, strict=True))
        # Truth tables of the cells of a level, for the passes of a circle.
        self._tables: dict[tuple[str, int], FloatArray] = {}

    def propagate(self) -> None:
        """Go through all cells, those in a circle until they settle."""
        levels, circular = self._ordered()
        for group in levels:
            self._pass(group)
        for _ in range(_PASSES if circular else 0):
            before = self.toggles.copy()
            for group in circular:
                self._pass(group)
            if np.abs(self.toggles - before).max() < _SETTLED:
                break

    def _ordered(self) -> tuple[list[list[int]], list[list[int]]]:
        """Cells by level, registers too; and those from the first circle on."""
        cells, kinds = self._netlist.cells, self._kinds
        readers: dict[int, list[int]] = defaultdict(list)
        waiting = [0] * len(cells)
        for number, (cell, kind) in enumerate(zip(cells, kinds, strict=True)):
            nets = (cell.net(*port) for port in kind.inputs)
            sources = {self._driver[net] for net in nets if net in self._driver}
            waiting[number] = len(sources)
            for source in sources:
                readers[source].append(number)
        done: set[int] = set()
        front = [number for number, count in enumerate(waiting) if count == 0]
        levels: list[list[int]] = []
        circular: list[list[int]] = []
        while len(done) < len(cells):
            if not front:
                # A register is opened; what it has at first is an input's.
                front = [n for n in range(len(cells)) if n not in done and kinds[n].clocked]
                front = front or [n for n in range(len(cells)) if n not in done]
                circular = circular or [[]]
            (circular if circular else levels).append(front)
            done.update(front)
            following = []
            for number in front:
                for reader in readers[number]:
                    waiting[reader] -= 1
                    if waiting[reader] == 0 and reader not in done:
                        following.append(reader)
            front = list(dict.fromkeys(following))
        return levels, circular

    def _pass(self, numbers: Sequence[int]) -> None:
        groups: dict[str, list[Cell]] = defaultdict(list)
        for number in numbers:
            groups[self._netlist.cells[number].kind].append(self._netlist.cells[number])
        for name, cells in groups.items():
            kind = self._by_name[name]
            if kind.register is not None:
                self._registers(kind, cells)
            elif kind.chain:
                self._chains(kind, cells)
            elif not kind.clocked and len(kind.inputs) <= MOST_INPUTS:
                self._logic(kind, cells)
            elif kind.delays:
                self._delays(kind, cells)
            # Of memories and multiplier blocks nothing is known: they keep what inputs have.

    def _joint(self, nets: np.ndarray) -> FloatArray:
        """``[2, 2, ...]``: how likely a net is one value before a clock and another after it."""
        high, half = self.high[nets], self.toggles[nets] / 2
        half = np.minimum(half, np.minimum(high, 1 - high))
        return np.array([[1 - high - half, half], [half, high - half]])

    def _nets(self, cells: Sequence[Cell], ports: Sequence[tuple[str, int]]) -> np.ndarray:
        return np.array([[cell.net(*port) for port in ports] for cell in cells], np.int64)

    def _logic(self, kind: CellKind, cells: Sequence[Cell]) -> None:
        key = (cells[0].name, len(cells))
        if key not in self._tables:
            self._tables[key] = truth_tables(kind, cells)
        tables = self._tables[key]
        inputs = self._nets(cells, kind.inputs)
        joint = self._joint(inputs)
        for output, port in enumerate(kind.outputs):
            functions = tables[output]
            high = _expected(functions, joint)
            both = (functions * _moved(functions, joint)).sum(axis=1)
            nets = self._nets(cells, [port])[:, 0]
            dense = np.zeros(len(cells))
            for k in range(len(kind.inputs)):
                looked = _expected(_differences(functions, k), joint)
                dense += looked * self.densities[inputs[:, k]]
            self._set(nets, high, 2 * (high - both), dense)

    def _set(
        self,
        nets: np.ndarray,
        high: FloatArray,
        toggles: FloatArray,
        densities: FloatArray | None = None,
    ) -> None:
        real = (nets != LOW) & (nets != HIGH)
        self.high[nets[real]] = np.clip(high[real], 0, 1)
        self.toggles[nets[real]] = np.clip(toggles[real], 0, 1)
        dense = self.toggles[nets] if densities is None else densities
        self.densities[nets[real]] = np.maximum(dense[real], self.toggles[nets[real]])

    def _registers(self, kind: CellKind, cells: Sequence[Cell]) -> None:
        """Data as they are taken: a register that is seldom enabled skips changes."""
        made = [kind.register(cell) for cell in cells] if kind.register else []
        nets = self._nets(cells, kind.inputs)
        inverted = np.array([one.inverted for one in made], bool)
        high = np.where(inverted, 1 - self.high[nets], self.high[nets])
        data, enable, reset = high.T
        toggles = self.toggles[nets]
        enable = np.where([one.enabled for one in made], enable, 1.0)
        # A reset gives a constant in place of the data: exact if it is independent of them.
        value = np.array([one.reset for one in made], float)
        kept = 1 - reset
        stays = np.clip(kept - toggles[:, 2] / 2, 0, 1)
        taken = kept * data + reset * value
        moving = stays * toggles[:, 0] + toggles[:, 2] * np.abs(value - data)
        spread = 2 * taken * (1 - taken)
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.where(spread > 0, np.minimum(moving / spread, 1.0), 0.0)
            seen = np.where(
                enable * change > 0,
                enable * spread * change / (change + enable - change * enable),
                0.0,
            )
        self._set(self._nets(cells, kind.outputs)[:, 0], taken, seen)

    def _delays(self, kind: CellKind, cells: Sequence[Cell]) -> None:
        """Shift registers hand on what comes in."""
        data = self._nets(cells, [kind.delays[0]])[:, 0]
        for port in kind.outputs:
            nets = self._nets(cells, [port])[:, 0]
            self._set(nets, self.high[data], self.toggles[data])

    def _chains(self, kind: CellKind, cells: Sequence[Cell]) -> None:
        width = kind.chain
        selects = self._nets(cells, kind.inputs[:width])
        data = self._nets(cells, kind.inputs[width : 2 * width])
        entering = self._nets(cells, kind.inputs[2 * width :])
        # Of the ports that may bring the carry all but one are low.
        chosen = np.where(entering != LOW, entering, LOW).max(axis=1)
        carry, dense = self._joint(chosen), self.densities[chosen]
        outputs = self._nets(cells, kind.outputs)
        for bit in range(width):
            classes = np.stack(
                [self._classes(*pair) for pair in zip(selects[:, bit], data[:, bit], strict=True)],
                axis=-1,
            )
            passes = classes[2].sum(axis=0)
            moves = classes[2, :2].sum(axis=0) + classes[:2, 2].sum(axis=0)
            high, change = carry[1].sum(axis=0), carry[0, 1] + carry[1, 0]
            self._set(
                outputs[:, bit],
                passes * (1 - high) + (1 - passes) * high,
                moves * (1 - change) + (1 - moves) * change,
                self.densities[selects[:, bit]] + dense,
            )
            made = self.high[data[:, bit]]
            differs = high * (1 - made) + (1 - high) * made
            dense = (
                passes * dense
                + (1 - passes) * self.densities[data[:, bit]]
                + differs * self.densities[selects[:, bit]]
            )
            before, after = carry.sum(axis=1), carry.sum(axis=0)
            carry = np.array(
                [
                    [
                        classes[x, y]
                        + classes[x, 2] * after[y]
                        + classes[2, y] * before[x]
                        + classes[2, 2] * carry[x, y]
                        for y in (0, 1)
                    ]
                    for x in (0, 1)
                ]
            )
            self._set(
                *(outputs[:, width + bit], carry[1].sum(axis=0), carry[0, 1] + carry[1, 0]), dense
            )

    def _classes(self, select: int, data: int) -> FloatArray:
        """``[3, 3]``: a bit of a chain makes a carry of 0, of 1, or passes it on; before, after.

        What selects and what is generated come of the same operands: those of the table that
        drives the select.
        """
        number = self._driver.get(int(select))
        if number is not None:
            found = self._by_operands(number, int(select), int(data))
            if found is not None:
                return found
        one, other = (self._joint(np.array(net)) for net in (select, data))
        classes = np.zeros((3, 3))
        for x in (0, 1):
            for y in (0, 1):
                classes[x, y] = one[0, 0] * other[x, y]
            classes[x, 2] = one[0, 1] * other[x].sum()
            classes[2, x] = one[1, 0] * other[:, x].sum()
        classes[2, 2] = one[1, 1]
        return classes

    def _by_operands(self, number: int, select: int, data: int) -> FloatArray | None:
        cell, kind = self._netlist.cells[number], self._kinds[number]
        inputs = [cell.net(*port) for port in kind.inputs]
        outputs = [cell.net(*port) for port in kind.outputs]
        if kind.clocked or len(inputs) > MOST_INPUTS:
            return None
        tables = truth_tables(kind, [cell])[:, 0]
        passes = tables[outputs.index(select)]
        if data in outputs:
            generates = tables[outputs.index(data)]
        elif data in inputs:
            place = inputs.index(data)
            generates = ((np.arange(len(passes)) >> place) & 1).astype(float)
        elif data in (LOW, HIGH):
            generates = np.full(len(passes), float(data == HIGH))
        else:
            return None
        indicators = np.stack([(1 - passes) * (1 - generates), (1 - passes) * generates, passes])
        joint = np.repeat(self._joint(np.array(inputs))[:, :, None, :], 3, axis=2)
        moved = _moved(indicators, joint)
        found: FloatArray = (indicators[:, None] * moved[None]).sum(axis=2)
        return found


def _differences(functions: FloatArray, k: int) -> FloatArray:
    """Where functions ``[cells, 2**inputs]`` hang on input k, as functions of all inputs."""
    split = functions.reshape(len(functions), -1, 2, 1 << k)
    differs = (split[:, :, 0] != split[:, :, 1]).astype(np.float64)
    return np.stack([differs, differs], axis=2).reshape(functions.shape)


def _expected(functions: FloatArray, joint: FloatArray) -> FloatArray:
    """How likely functions ``[cells, 2**inputs]`` are 1."""
    left = functions
    for k in range(joint.shape[3]):
        high = joint[1, :, :, k].sum(axis=0)[:, None]
        left = left[:, 0::2] * (1 - high) + left[:, 1::2] * high
    return left[:, 0]


def _moved(functions: FloatArray, joint: FloatArray) -> FloatArray:
    """For every input before a clock: how likely it is, and the function is 1 after it."""
    moved = functions
    cells, size = functions.shape
    for k in range(joint.shape[3]):
        split = moved.reshape(cells, size >> (k + 1), 2, 1 << k)
        own = joint[:, :, :, k][:, :, :, None, None]
        zero = own[0, 0] * split[:, :, 0] + own[0, 1] * split[:, :, 1]
        one = own[1, 0] * split[:, :, 0] + own[1, 1] * split[:, :, 1]
        moved = np.stack([zero, one], axis=2).reshape(cells, size)
    return moved
