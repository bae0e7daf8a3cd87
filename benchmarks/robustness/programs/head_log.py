"""What a simulation of `axi_heads.cpp` logged, read with the golden model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kanhw.design.design import Design
from kanhw.design.packing import ints_to_words, unpack_codes
from kanhw.gateware.top.axi_lite import IDENTITY, REGISTERS, VERSION
from kanhw.program import Program

__all__ = ["ALL", "Found", "HeadLog", "Write"]

OKAY, SLVERR = 0, 2
# Every byte of a word.
ALL = 0b1111


@dataclass(frozen=True)
class Write:
    """A word on AXI4-Lite, whether it must be refused, and what it is of."""

    group: int
    address: int
    data: int
    strobes: int = ALL
    refused: bool = False
    commit: int | None = None


@dataclass
class Found:
    """What a log says."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class HeadLog:
    """Reads a log, event by event.

    Parameters
    ----------
    design, program
        What was simulated.
    codes, heads
        Of every vector that was sent.
    writes
        By their lines in the plan.
    contents
        What all heads hold after so many commits.
    """

    def __init__(
        self, design: Design, program: Program, codes: Any, heads: Any,
        writes: dict[int, Write], contents: Sequence[Program],
    ) -> None:
        self.found = Found()
        self._design, self._program = design, program
        self._codes, self._heads = codes, heads
        self._writes, self._contents = writes, contents
        self._version = 0
        self._answers: dict[int, Any] = {}
        self._owed: list[int] = []  # vectors under way
        self._given: list[int] = []
        # Vectors that entered before the last commit, and the edge at which the last of them left.
        self._old: set[int] = set()
        self._left = -1
        self._commits: list[int] = []  # edges, since the last reset
        self._misplaced: list[int] = []

    def take(self, kind: str, edge: str, rest: str = "") -> None:
        """One line."""
        {"r": self._read, "b": self._write, "i": self._input, "o": self._output,
         "x": self._reset, "v": self._fault, "e": self._end}[kind](int(edge), rest)  # fmt: skip

    def _fault(self, edge: int, what: str) -> None:
        if len(self.found.wrong) < 5:
            self.found.wrong.append(f"edge {edge}: {what}")

    def _read(self, edge: int, rest: str) -> None:
        address, answer, value = map(int, rest.split())
        self.found.counts["reads"] += 1
        window = 1 << (self._design.control_bits - 1)
        known: dict[int, set[int]] = {
            REGISTERS["ID"]: {IDENTITY}, REGISTERS["VERSION"]: {VERSION},
            REGISTERS["HEADS"]: {self._program.heads}, REGISTERS["WINDOW"]: {window},
            REGISTERS["WINDOW_BYTES"]: {window},
            REGISTERS["COMMIT"]: {sum(each < edge for each in self._commits)},
        }  # fmt: skip
        if address == REGISTERS["STATUS"]:
            flag = 2 * any(each < edge for each in self._misplaced)
            known[address] = {flag, flag + 1} if self._may_be_busy(edge) else {flag}
        expected = known.get(address)
        if (answer, value) != (SLVERR, 0) if expected is None else (
            answer != OKAY or value not in expected
        ):
            self._fault(edge, f"register {address:#x} reads as {answer}, {value:#x}")

    def _write(self, edge: int, rest: str) -> None:
        line, answer = map(int, rest.split())
        write = self._writes[line]
        self.found.counts["writes"] += 1
        if answer == OKAY and write.refused:
            self._fault(edge, f"{write} was taken")
        elif answer != OKAY and not write.refused:
            self.found.counts["while busy"] += 1
            if not self._may_be_busy(edge):
                self._fault(edge, f"{write} was refused, though nothing is under way")
        elif answer == OKAY and write.commit is not None:
            self.found.counts["commits"] += 1
            self._commits.append(edge)
            self._version = write.commit
            self._old = set(self._owed)

    def _may_be_busy(self, edge: int) -> bool:
        """Whether an edge finds a vector under way that entered before the last commit."""
        return bool(self._old) or edge <= self._left

    def _input(self, edge: int, rest: str) -> None:
        beat, last = map(int, rest.split())
        vector, place = divmod(beat, self._design.input.beats)
        if place == 0:
            self._owed.append(vector)
            self._answers[vector] = self.golden(vector, self._version)
        if last and place != self._design.input.beats - 1:
            self._misplaced.append(edge)

    def golden(self, vector: int, version: int) -> Any:
        """The outputs of a vector after so many commits."""
        one = slice(vector, vector + 1)
        return self._contents[version](self._codes[one], head=self._heads[one])[0]

    def _output(self, edge: int, rest: str) -> None:
        last, *words = rest.split()
        beats = self._design.output.beats
        self._given.append(sum(int(word, 16) << 32 * k for k, word in enumerate(words)))
        if int(last) != (len(self._given) == beats):
            self._fault(edge, "the last beat of an output is marked wrongly")
        if len(self._given) < beats:
            return
        given = unpack_codes(ints_to_words(self._given, self._design.output), self._design.output)
        self._given = []
        if not self._owed:
            self._fault(edge, "an output that nobody asked for")
            return
        vector = self._owed.pop(0)
        if vector in self._old:
            self._old.remove(vector)
            self._left = edge
        self.found.counts["vectors"] += 1
        if not np.array_equal(given[0], self._answers[vector]):
            self._fault(edge, f"vector {vector} gave {given[0]}, not {self._answers[vector]}")

    def _reset(self, edge: int, rest: str) -> None:
        self.found.counts["resets"] += 1
        self._owed, self._given, self._commits, self._misplaced = [], [], [], []
        self._old = set()

    def _end(self, edge: int, rest: str) -> None:
        beat, line = map(int, rest.split())
        if self._owed:
            self._fault(edge, f"{len(self._owed)} outputs never came")
        if (beat, line) != (len(self._codes) * self._design.input.beats, len(self._writes)):
            self._fault(edge, f"{beat} beats and {line} writes were taken, then no more")
