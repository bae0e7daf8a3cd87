"""The C++ of a design, compiled and run on vectors."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kanhw.design.backend_design import BackendDesign
from kanhw.design.design import Port
from kanhw.design.manifest import sha256_of_bytes
from kanhw.errors import ToolFailed
from kanhw.formats import IntArray
from kanhw.hls.files.testbench import vectors_text
from kanhw.hls.simulation.compiler import find_compiler, find_headers
from kanhw.interruption import temporary_folder
from kanhw.tools.cache import user_cache
from kanhw.tools.processes import error_line, run_logged
from kanhw.tools.tool import FoundTool

__all__ = ["INTEGERS", "CppRun", "Integers", "run_cpp"]

Integers = Literal["exact", "native"]
INTEGERS: tuple[Integers, ...] = ("exact", "native")

_FLAGS = (
    *("-O1", "-std=c++11", "-ffp-contract=off", "-Wno-unknown-pragmas"),
    # What a header of another project warns of is nobody's here.
    "-isystem",
)
# Seconds for an operation with exact widths, and how many seconds that may take.
_SECONDS_EXACT, _PATIENCE = 4e-8, 30.0


@dataclass(frozen=True, eq=False)
class CppRun:
    """What the C++ of a design gave.

    Parameters
    ----------
    outputs
        int64 ``[M, n_out]``; M is less than the number of vectors if it ended early.
    problems
        Streams that were read while they were empty, or not emptied; words that are missing.
    integers
        ``exact``: every value has its declared width; ``native``: 64-bit integers, faster.
    compiler
        What compiled it.
    seconds
        It took to run.
    """

    outputs: IntArray
    problems: tuple[str, ...]
    integers: Integers
    compiler: FoundTool
    seconds: float


def run_cpp(
    design: BackendDesign,
    codes: IntArray,
    expected: IntArray,
    heads: IntArray | None = None,
    *,
    integers: Integers | None = None,
    timeout: float = 3600.0,
) -> CppRun:
    """Compile a design's C++, unless that was done before, and run it.

    Parameters
    ----------
    design
        From the back end ``hls``.
    codes, expected
        int64 ``[N, n_in]``, and ``[N, n_out]`` which the testbench compares with.
    heads
        ``[N]``: which head each vector is for; None is head 0.
    integers
        None takes exact widths unless the vectors would take long.
    timeout
        Seconds to compile, and again to run.

    Raises
    ------
    ToolNotFound, ToolFailed
        If there is no compiler or no headers, or it fails.
    """
    if integers is None:
        work = float(design.facts["operations"]) * len(codes) * _SECONDS_EXACT
        integers = "exact" if work <= _PATIENCE else "native"
    compiler = find_compiler()
    ports = Port.from_json(design.facts["input"]), Port.from_json(design.facts["output"])
    with temporary_folder("kanhw-hls-") as work_folder:
        program = _program(design, compiler, integers, work_folder, timeout)
        vectors, outputs = work_folder / "vectors.txt", work_folder / "outputs.txt"
        vectors.write_text(vectors_text(codes, expected, ports, heads), encoding="utf-8")
        start = time.perf_counter()
        log = _run(
            [str(program), str(vectors), str(outputs)],
            f"The C++ of {design.path}",
            work_folder / "run.log",
            timeout,
            (0, 1),
        )
        seconds = time.perf_counter() - start
        text = outputs.read_text(encoding="utf-8") if outputs.is_file() else ""
    rows = [line.split() for line in text.splitlines()]
    whole = [row for row in rows if len(row) == ports[1].total]
    array = np.array(whole, np.int64).reshape(len(whole), ports[1].total)
    return CppRun(
        _in_order_of_the_network(array, ports[1]), _problems(log), integers, compiler, seconds
    )


def _in_order_of_the_network(outputs: IntArray, port: Port) -> IntArray:
    """Codes in the order in which a port passes them as the Program orders them."""
    if port.length is not None or port.beats == 1:
        return outputs
    pixels = outputs.reshape(len(outputs), port.beats, port.count)
    return np.ascontiguousarray(pixels.swapaxes(1, 2)).reshape(len(outputs), -1)


def _problems(log: str) -> tuple[str, ...]:
    """What the testbench said of streams."""
    told = re.search(
        r"(\d+) vectors: \d+ codes differ, (\d+) words are missing, (\d+) words too many, "
        r"(\d+) words were not read",
        log,
    )
    if told is None:
        return (f"the testbench did not come to its end: {log.strip()[-300:]}",)
    names = "words are missing", "words too many came", "words of the input were not read"
    found = [f"{n} {name}" for n, name in zip(told.groups()[1:], names, strict=True) if n != "0"]
    warned = [line for line in log.splitlines() if "WARNING" in line]
    if warned:
        found.append(f"{len(warned)} warnings of streams; first: {warned[0]}")
    return tuple(found)


def _program(
    design: BackendDesign, compiler: FoundTool, integers: Integers, work: Path, timeout: float
) -> Path:
    """The compiled testbench, from the cache where it was made before."""
    name = str(design.facts["top"])
    headers = find_headers()
    sources = [f"{name}{end}" for end in ("_types.h", "_tables.h", "_layers.h", ".h", ".cpp",
                                          "_tb.cpp")]  # fmt: skip
    flags = [*_FLAGS, str(headers)]
    if integers == "native":
        flags.append(f"-D{name.upper()}_NATIVE")
    parts = [
        *((design.path / source).read_bytes() for source in sources),
        repr((compiler.command, compiler.version, flags)).encode(),
    ]
    key = "hls-" + sha256_of_bytes(b"".join(sha256_of_bytes(p).encode() for p in parts))[:24]
    cache = user_cache("hls")
    kept = cache.find(key) if cache else None
    if kept is not None:
        return kept
    for source in sources:
        (work / source).write_bytes((design.path / source).read_bytes())
    # In one file the headers are read once.
    (work / "simulation.cpp").write_text(
        f'#include "{name}.cpp"\n#include "{name}_tb.cpp"\n', encoding="utf-8"
    )
    program = work / "simulation"
    command = [*compiler.command, *flags, "-o", str(program), str(work / "simulation.cpp")]
    _run(command, f"Compiling the C++ of {design.path}", work / "build.log", timeout, (0,))
    return cache.keep(key, program) if cache else program


def _run(
    command: list[str], what: str, log: Path, timeout: float, statuses: tuple[int, ...]
) -> str:
    """Run a command and give what it wrote."""
    status, text = run_logged(what, command, log, timeout=timeout)
    if status not in statuses:
        raise ToolFailed(f"{what} failed: {error_line(text, status)}")
    return text
