"""Heads that are written over AXI4-Lite, in any order and beside a running stream.

A design is verilated around `axi_heads.cpp`, which pauses on every channel at random, resets in
mid-stream, and logs what happened at which clock edge. The log is then read with the golden model:
every vector must have been computed by its head as it was at the edge of its first beat.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import Table
from benchmarks.robustness.programs.kinds import Rng
from kanhw.design.design import Design
from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.heads.head_map import HeadMap
from kanhw.gateware.top.axi_lite import IDENTITY, REGISTERS, VERSION
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import CodebookLayer, InputEncoder, Program, Requantizer, join_heads
from kanhw.sim.compiled import shared_objects
from kanhw.sim.processes import run_tool
from kanhw.tools.simulators import find_verilator

__all__ = ["attack", "built", "run_heads"]

OKAY, SLVERR = 0, 2
ALL = 0b1111
_HARNESS = Path(__file__).with_name("axi_heads.cpp")
_OPTIONS = ("--cc", "--exe", "--build", "-j", "1", "-O3", "--no-timing", "--quiet", "-Wno-fatal",
            "-Wno-lint", "-Wno-style", "--x-assign", "unique", "--x-initial", "unique",
            "-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0")  # fmt: skip


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


def _program(rng: Rng) -> Program:
    """Writable heads that share the codebooks of one to three layers."""
    code = CodeFormat(int(rng.integers(1, 6)), bool(rng.integers(2)))
    sizes = rng.integers(1, 6, int(rng.integers(2, 5))).tolist()
    books = [rng.integers(-8, 8, (int(rng.integers(2, 5)), code.count)) for _ in sizes[1:]]
    heads = [
        Program(
            tuple(
                _layer(rng, books[k], pair, code, last=k == len(sizes) - 2, name=f"{k}")
                for k, pair in enumerate(pairwise(sizes))
            ),
            InputEncoder(code, sizes[0]),
        )
        for _ in range(int(rng.integers(2, 7)))
    ]
    return join_heads(heads, writable=True).with_argmax(bool(rng.random() < 0.2))


def _layer(
    rng: Rng, shapes: Any, sizes: tuple[int, int], code: CodeFormat, *, last: bool, name: str
) -> CodebookLayer:
    n_in, n_out = sizes
    reach = 10 ** int(rng.integers(1, 7))
    return CodebookLayer(
        shapes=shapes,
        index=rng.integers(0, len(shapes), (n_out, n_in)),
        gains=rng.integers(-9, 10, (n_out, n_in)),
        base=rng.integers(-8, 8, (2, code.count, 1)),
        base_index=rng.integers(0, 2, n_in),
        base_weights=rng.integers(-4, 5, (n_out, n_in, 1)),
        requantizers=(
            Requantizer(
                rng.integers(-90, 90, (2, n_out)),
                rng.integers(-reach, reach, n_out),
                0 if last else int(rng.integers(0, 9)),
                None if last else code,
            ),
        ),
        name=name,
    )


def built(rng: Rng, folder: Path) -> tuple[Design, Path]:
    """A random design with writable heads in a folder, and its simulation."""
    lanes = rng.integers(1, 4, 2).tolist()
    schedule = kanhw.Schedule(kind="folded", parallel_inputs=lanes[0], parallel_outputs=lanes[1])
    design = kanhw.generate(
        _program(rng), folder / "design", schedule=schedule, interface="axi4-stream"
    )
    verilator = find_verilator()
    run_tool(
        [
            *(verilator.executable, *_OPTIONS, "--prefix", "Vdut", "--top-module", design.top),
            *("--Mdir", folder / "build", design.verilog_path, _HARNESS),
        ],
        "Verilator",
        environment=verilator.process_environment(shared_objects()),
        folder=folder,
        timeout=1800,
    )
    return design, folder / "build" / "Vdut"


def attack(
    design: Design, simulation: Path, seed: int, folder: Path, *, vectors: int = 400,
    commits: int = 40, resets: int = 0,
) -> Found:
    """Run a simulation once, and compare all that it logged.

    Parameters
    ----------
    design, simulation
        As from :func:`built`.
    seed
        Of what is sent and of every pause.
    folder
        For the plan and the log.
    vectors, commits, resets
        How many vectors and heads are sent; in how many of 65,536 clocks there is a reset.
    """
    rng = np.random.default_rng(seed)
    program = design.load_program()
    low, high = program.input.code_ends
    codes = rng.integers(low, high + 1, (vectors, program.n_in))
    heads = rng.integers(0, program.heads, vectors)
    writes, contents = _writes(design, program, rng, commits)
    plan, log = folder / "plan", folder / "log"
    lines = [f"n {design.input.beats}"]
    port = design.input
    words = payload_ints(pack_codes(codes, port))
    for k, word in enumerate(words):
        split = (word >> 32 * n & 0xFFFFFFFF for n in range(-(-port.data_width // 32)))
        lines.append(f"i {heads[k // port.beats]} {' '.join(f'{each:x}' for each in split)}")
    first = len(lines)
    lines += [
        f"w {w.group} {w.address} {w.data:x} {w.strobes:x} {int(w.refused)}" for w in writes
    ]
    plan.write_text("\n".join(lines) + "\n")
    run_tool(
        [simulation, plan, log, str(seed), str(resets)], "The simulation",
        environment=find_verilator().process_environment(), folder=folder, timeout=1800,
    )  # fmt: skip
    reading = _Reading(design, program, codes, heads, dict(enumerate(writes, first)), contents)
    for line in log.read_text().splitlines():
        reading.take(*line.split(" ", 2))
    return reading.found


def _writes(
    design: Design, program: Program, rng: Rng, commits: int
) -> tuple[list[Write], list[Program]]:
    """Everything that is written, and the heads' contents after every commit."""
    with unbuilt():
        streams = StreamTop(program, design.schedule).heads
    place = {name: offset for name, offset in REGISTERS.items() if name != "COMMIT"}
    window = 1 << (design.control_bits - 1)
    own = [streams.map.image(program.head(h)) for h in range(program.heads)]
    holds = list(range(program.heads))  # which of the first contents every head has
    spare: int | None = None
    writes: list[Write] = []
    contents = [program]
    for number in range(commits):
        head, chosen = int(rng.integers(program.heads)), int(rng.integers(program.heads))
        image = dict(own[chosen].tolist())
        words = _words(streams.map)
        if spare is not None and rng.random() < 0.5:
            # The spare bank holds what the head had before: only what differs has to be written.
            old = dict(own[spare].tolist())
            words = [w for w in words if any(image[a] != old[a] for a in w)]
        rng.shuffle(words)
        group = 2 * number
        for addresses in words:
            for address in addresses:
                if rng.random() < 0.1:
                    writes.append(_refused(rng, group, window, image, list(place.values())))
                writes.append(Write(group, window + 4 * address, image[address]))
        if rng.random() < 0.3:
            writes.append(Write(group, REGISTERS["COMMIT"], head, 0))
        strobes = int(rng.choice([0b0001, 0b0011, ALL]))
        noise = sum(0xA5 << 8 * k for k in range(4) if not strobes >> k & 1)
        writes.append(
            Write(group + 1, REGISTERS["COMMIT"], head | noise, strobes, commit=number + 1)
        )
        contents.append(contents[-1].with_head(head, program.head(chosen)))
        spare, holds[head] = holds[head], chosen
    return writes, contents


def _words(map: HeadMap) -> list[list[int]]:
    """The addresses of every word of a head, which are written in their order."""
    return [
        [r.base + (word << r.chunk_bits) + chunk for chunk in range(r.chunks)]
        for r in map.regions
        for word in range(r.words)
    ]


def _refused(
    rng: Rng, group: int, window: int, image: dict[int, int], registers: Sequence[int]
) -> Write:
    """A write that must change nothing."""
    data, kind = int(rng.integers(1 << 32)), int(rng.integers(4))
    if kind == 0:
        return Write(group, int(rng.choice(registers)), data, refused=True)
    if kind == 1:
        some = window + 4 * int(rng.choice(list(image)))
        return Write(group, some, data, int(rng.integers(1, 15)), refused=True)
    if kind == 2:
        nothing = [a for a in range(window // 4) if a not in image]
        if nothing:
            return Write(group, window + 4 * int(rng.choice(nothing)), data, refused=True)
    return Write(group, REGISTERS["COMMIT"], data | 1 << 31, refused=True)


class _Reading:
    """Reads a log, event by event."""

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
        self._entered = 0

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
            self._entered = self._version
            self._owed.append(vector)
            self._answers[vector] = self._golden(vector)
        if last and place != self._design.input.beats - 1:
            self._misplaced.append(edge)

    def _golden(self, vector: int) -> Any:
        one = slice(vector, vector + 1)
        return self._contents[self._version](self._codes[one], head=self._heads[one])[0]

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


def run_heads(count: int, seed: int, scratch: Path) -> tuple[dict[str, int], list[str]]:
    """So many attacks, ten on every design: what was done in all, and what went wrong."""
    total: Counter[str] = Counter()
    wrong = []
    for number in range(-(-count // 10)):
        folder = scratch / f"heads{number}"
        folder.mkdir()
        design, simulation = built(np.random.default_rng([seed, number]), folder)
        total["designs"] += 1
        for run in range(min(10, count - 10 * number)):
            found = attack(
                design, simulation, 10 * number + run + 1, folder, resets=run % 2 * 60
            )
            total["attacks"] += 1
            total += found.counts
            place = f"heads, design {number}, attack {run}, seed {seed}"
            wrong += [f"{place}: {each}" for each in found.wrong]
    for line in wrong:
        print(line, file=sys.stderr, flush=True)
    names = ("designs", "attacks", "vectors", "commits", "writes", "while busy", "reads", "resets")
    table = Table([*names, "wrong"], [8] * 8)
    table.add(*(total[name] for name in names), len(wrong))
    return dict(total), wrong
