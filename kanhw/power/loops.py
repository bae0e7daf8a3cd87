"""Loops of registers and logic, as Python that goes clock by clock.

A net is one integer with a bit for every copy, and a cell some operations on such integers: that
takes a tenth of the time of arrays, which are made for many clocks at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from kanhw.power.truth_tables import MOST_INPUTS, truth_tables
from kanhw.targets.cells.batch import CellKind, FlipFlop, Words
from kanhw.targets.cells.cell import HIGH, LOW, Cell

__all__ = ["CompiledLoop", "is_compiled"]

Table = tuple[int, ...]
# From what is read from elsewhere at each clock, what registers hold, and a word of all ones: all
# outputs at each clock, and what the registers hold behind them.
_Step = Callable[
    [Iterable[Sequence[int]], Sequence[int], int], tuple[list[tuple[int, ...]], tuple[int, ...]]
]


def is_compiled(kind: CellKind) -> bool:
    """Whether loops with such cells can be compiled."""
    if kind.clocked:
        return kind.register is not None
    return kind.chain > 0 or len(kind.inputs) <= MOST_INPUTS


class CompiledLoop:
    """A loop whose registers are flip-flops.

    Parameters
    ----------
    cells
        Its cells, each with its kind, behind those on which they hang within a clock.
    row
        The row of values of every net.
    driven
        The rows that the loop drives, and the net of each; low: a port that is left open.
    words
        Words of a net.
    """

    def __init__(
        self,
        cells: Sequence[tuple[CellKind, Cell]],
        row: npt.NDArray[np.int64],
        driven: tuple[slice, Sequence[int]],
        words: int,
    ) -> None:
        rows, nets = driven
        # Ports that are left open drive nothing.
        self._driven = np.arange(rows.start, rows.stop)[np.array(nets) != LOW]
        nets = [net for net in nets if net != LOW]
        own = {LOW, HIGH, *nets}
        read = {cell.net(*port) for kind, cell in cells for port in kind.inputs}
        outside = sorted(read - own)
        self._outside = row[outside]
        self._step, initial = _compiled(cells, outside, nets)
        self._ones = (1 << 64 * words) - 1
        self._state: Sequence[int] = [self._ones * bit for bit in initial]

    def run(self, values: Words) -> None:
        """Go over clock edges, with values ``[rows, clocks, words]`` before each."""
        given = _integers(values[self._outside])
        found, self._state = self._step(given, self._state, self._ones)
        values[self._driven] = _arrays(found, values.shape[2])


def _integers(values: Words) -> list[list[int]]:
    """Values ``[rows, clocks, words]`` as integers, by clock and row."""
    numbers = values.astype("<u8").T.tolist()
    found: list[list[int]] = numbers[0]
    for place, more in enumerate(numbers[1:], 1):
        found = [
            [low | high << 64 * place for low, high in zip(*rows, strict=True)]
            for rows in zip(found, more, strict=True)
        ]
    return found


def _arrays(found: Sequence[Sequence[int]], words: int) -> Words:
    """Undo :func:`_integers`."""
    if words == 1:
        return np.array(found, np.uint64).T[..., None]
    text = b"".join([one.to_bytes(8 * words, "little") for clock in found for one in clock])
    return np.frombuffer(text, "<u8").reshape(len(found), -1, words).swapaxes(0, 1)


def _compiled(
    cells: Sequence[tuple[CellKind, Cell]], outside: Sequence[int], nets: Sequence[int]
) -> tuple[_Step, list[int]]:
    """A loop as a function, and what its registers hold at first: 0 or 1."""
    writer = _Writer({net: f"x{net}" for net in outside} | {LOW: "0", HIGH: "M"})
    registers = [(kind, cell, kind.register(cell)) for kind, cell in cells if kind.register]
    states = []
    for kind, cell, _ in registers:
        net = cell.net(*kind.outputs[0])
        writer.names[net] = f"q{net}"
        states.append(f"q{net}")
    for kind, cell in cells:
        if not kind.clocked:
            writer.logic(kind, cell)
    following = [writer.register(*one) for one in registers]
    lines = [
        "def step(clocks, state, M):",
        f"    {_tuple(states)} = state",
        "    found = []",
        "    for given in clocks:",
        f"        {_tuple(writer.names[net] for net in outside)} = given",
        *(f"        {line}" for line in writer.lines),
        f"        found.append({_tuple(writer.names[net] for net in nets)})",
        f"        {_tuple(states)} = {_tuple(following)}",
        f"    return found, {_tuple(states)}",
    ]
    space: dict[str, _Step] = {}
    exec("\n".join(lines), {}, space)
    return space["step"], [made.initial for _, _, made in registers]


def _tuple(names: Iterable[str]) -> str:
    return "(" + "".join(f"{name}, " for name in names) + ")"


class _Writer:
    """Lines of Python, and the names of nets in them."""

    def __init__(self, names: dict[int, str]) -> None:
        self.names, self.lines = names, list[str]()

    def logic(self, kind: CellKind, cell: Cell) -> None:
        """What a cell without a clock drives."""
        inputs = [self.names[cell.net(*port)] for port in kind.inputs]
        if kind.chain:
            found = self._chain(kind.chain, inputs)
        else:
            tables = truth_tables(kind, [cell])[:, 0].astype(int).tolist()
            found = [self._function(tuple(table), inputs) for table in tables]
        for port, name in zip(kind.outputs, found, strict=True):
            # Low stands for a port that is left open.
            if cell.net(*port) != LOW:
                self.names[cell.net(*port)] = name

    def _chain(self, width: int, inputs: Sequence[str]) -> list[str]:
        entering = [name for name in inputs[2 * width :] if name != "0"]
        carry = " | ".join(entering) or "0"
        carry = carry if len(entering) < 2 else self._new(carry)
        sums, carries = [], []
        for spread, data in zip(inputs[:width], inputs[width : 2 * width], strict=True):
            sums.append(self._function((0, 1, 1, 0), [spread, carry]))
            carry = self._function((0, 0, 1, 1, 0, 1, 0, 1), [carry, data, spread])
            carries.append(carry)
        return sums + carries

    def register(self, kind: CellKind, cell: Cell, made: FlipFlop) -> str:
        """What a register holds behind the edge."""
        table = []
        for held, *given in product((0, 1), repeat=4):
            reset, enable, data = (
                bit ^ flip for bit, flip in zip(given, made.inverted[::-1], strict=True)
            )
            enable |= not made.enabled
            clears = reset and (enable or not made.enable_first)
            table.append(made.reset if clears else data if enable else held)
        inputs = [self.names[cell.net(*port)] for port in (*kind.inputs, kind.outputs[0])]
        return self._function(tuple(table), inputs)

    def _new(self, text: str) -> str:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def _function(self, table: Table, names: Sequence[str]) -> str:
        """A function by its table, the first input lowest: its name."""
        known: dict[Table, str] = {}

        def split(table: Table, names: Sequence[str]) -> str:
            if len(set(table)) == 1:
                return "M" if table[0] else "0"
            if table not in known:
                low, high = table[: len(table) // 2], table[len(table) // 2 :]
                last, rest = names[-1], names[:-1]
                if low == high or last == "0":
                    known[table] = split(low, rest)
                elif last == "M":
                    known[table] = split(high, rest)
                elif all(x != y for x, y in zip(low, high, strict=True)):
                    one = split(low, rest)
                    known[table] = last if one == "0" else self._new(f"{one} ^ {last}")
                else:
                    known[table] = self._chosen(split(low, rest), split(high, rest), last)
            return known[table]

        return split(table, names)

    def _chosen(self, low: str, high: str, by: str) -> str:
        """One of two values, by a bit."""
        if low == high:
            return low
        if low == "0":
            return self._new(f"{high} & {by}")
        if high == "0":
            return self._new(f"{low} & ~{by}")
        if high == "M":
            return self._new(f"{low} | {by}")
        if low == "M":
            return self._new(f"M ^ {by} | {high}")
        return self._new(f"{low} ^ ({low} ^ {high}) & {by}")
