"""Circuits of ANDs, inverters and registers: read from Yosys, and made for ABC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["AndGraph", "Circuit", "read_graph"]


@dataclass(frozen=True)
class AndGraph:
    """Literals are even; the odd ones are their complements, and 0 is false.

    Parameters
    ----------
    inputs, outputs
        Literals by port, lowest bit first.
    registers
        The next value of each; all are false at first.
    names
        Of registers; some have none.
    ands
        Result and two operands, operands first.
    """

    inputs: dict[str, list[int]]
    outputs: dict[str, list[int]]
    registers: dict[int, int]
    names: dict[int, str]
    ands: list[tuple[int, int, int]]

    def reached(self, start: Iterable[int]) -> set[int]:
        """What depends on any of these literals, by any number of registers."""
        found, size = set(start), -1
        while size != len(found):
            size = len(found)
            for result, one, other in self.ands:
                if one & ~1 in found or other & ~1 in found:
                    found.add(result)
            found |= {place for place, value in self.registers.items() if value & ~1 in found}
        return found


def read_graph(aiger: Path, names: Path) -> AndGraph:
    """Read an ASCII AIGER file of Yosys, and the map that it wrote beside it."""
    lines = aiger.read_text().splitlines()
    n_in, n_registers, n_out, n_ands = map(int, lines[0].split()[2:6])
    rows = iter([[int(word) for word in line.split()] for line in lines[1 : 1 + n_in]])
    inputs = [row[0] for row in rows]
    start = 1 + n_in
    registers = [[int(word) for word in line.split()] for line in lines[start:][:n_registers]]
    start += n_registers
    outputs = [int(line) for line in lines[start:][:n_out]]
    start += n_out
    ands = [[int(word) for word in line.split()] for line in lines[start:][:n_ands]]
    kinds: dict[str, dict[int, tuple[str, int]]] = {"input": {}, "output": {}, "latch": {}}
    for line in names.read_text().splitlines():
        kind, place, bit, name = line.split(" ", 3)
        kind = "latch" if kind == "invlatch" else kind
        if kind in kinds:
            kinds[kind][int(place)] = (name, int(bit))
    return AndGraph(
        _ports(inputs, kinds["input"]),
        _ports(outputs, kinds["output"]),
        {row[0]: row[1] for row in registers},
        {row[0]: kinds["latch"].get(k, ("", 0))[0] for k, row in enumerate(registers)},
        [(row[0], row[1], row[2]) for row in ands],
    )


def _ports(literals: list[int], names: dict[int, tuple[str, int]]) -> dict[str, list[int]]:
    bits = sorted((*names[k], literal) for k, literal in enumerate(literals))
    ports: dict[str, list[int]] = {}
    for name, _, literal in bits:
        ports.setdefault(name, []).append(literal)
    return ports


@dataclass
class Circuit:
    """A circuit that is being made; 0 is the literal of false, 1 of true."""

    _inputs: list[int] = field(default_factory=list)
    _registers: dict[int, int] = field(default_factory=dict)
    _ands: dict[tuple[int, int], int] = field(default_factory=dict)

    def anything(self) -> int:
        """An input."""
        self._inputs.append(self._new())
        return self._inputs[-1]

    def register(self) -> int:
        """A register that is false at first; :meth:`becomes` gives it a next value."""
        place = self._new()
        self._registers[place] = place
        return place

    def becomes(self, register: int, value: int) -> None:
        """Say what a register is a clock later."""
        self._registers[register] = value

    def both(self, one: int, other: int) -> int:
        """Whether both are true."""
        one, other = sorted((one, other))
        if one == 0 or one == other ^ 1:
            return 0
        if one in (1, other):
            return other
        if (one, other) not in self._ands:
            self._ands[one, other] = self._new()
        return self._ands[one, other]

    def either(self, one: int, other: int) -> int:
        """Whether one of two is true, or both."""
        return self.both(one ^ 1, other ^ 1) ^ 1

    def differ(self, one: int, other: int) -> int:
        """Whether one of two is true and the other is not."""
        return self.either(self.both(one, other ^ 1), self.both(one ^ 1, other))

    def write(self, path: Path, output: int) -> None:
        """Write an ASCII AIGER file with one output."""
        counts = [len(self._inputs), len(self._registers), 1, len(self._ands)]
        lines = [f"aag {sum(counts) - 1} {' '.join(map(str, counts))}", *map(str, self._inputs)]
        lines += [f"{place} {value}" for place, value in self._registers.items()]
        lines += [str(output)]
        lines += [f"{place} {one} {other}" for (one, other), place in self._ands.items()]
        path.write_text("\n".join(lines) + "\n")

    def _new(self) -> int:
        return 2 * (len(self._inputs) + len(self._registers) + len(self._ands) + 1)
