"""Heads that are written over AXI4-Lite, in any order and beside a running stream.

A design is verilated around `axi_heads.cpp`, which pauses on every channel at random, resets in
mid-stream, and logs what happened at which clock edge. The log is then read with the golden model:
every vector must have been computed by its head as it was at the edge of its first beat.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.measuring import Table
from benchmarks.robustness.programs.head_log import ALL, Found, HeadLog, Write
from benchmarks.robustness.programs.kinds import Rng
from kanhw.design.design import Design
from kanhw.design.packing import pack_codes, payload_ints
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.heads.head_map import HeadMap
from kanhw.gateware.top.axi_lite import REGISTERS
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import CodebookLayer, InputEncoder, Program, Requantizer, join_heads
from kanhw.sim.compiled import MAKEFLAGS, shared_objects
from kanhw.sim.processes import run_tool
from kanhw.tools.simulators import find_verilator

__all__ = ["attack", "built", "run_heads"]

_HARNESS = Path(__file__).with_name("axi_heads.cpp")
_OPTIONS = ("--cc", "--exe", "--build", "-j", "1", "-O3", "--no-timing", "--quiet", "-Wno-fatal",
            "-Wno-lint", "-Wno-style", "--x-assign", "unique", "--x-initial", "unique",
            "-MAKEFLAGS", MAKEFLAGS)  # fmt: skip


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
    reading = HeadLog(design, program, codes, heads, dict(enumerate(writes, first)), contents)
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
