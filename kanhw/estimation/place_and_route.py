"""The clock that a synthesised design reaches: placed and routed by nextpnr, with several seeds.

It is done out of context: ports take no pins and the clock takes no global network. What counts are
the paths from a register to a register; a path from a port, or to one, has no length that could be
known before the design stands among others. Which targets can be placed they say themselves.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kanhw.entries import Entry
from kanhw.errors import InputError, ToolFailed
from kanhw.targets.table import place_and_route_of
from kanhw.tools.nextpnr import nextpnr
from kanhw.tools.processes import error_line, run_logged
from kanhw.tools.tool import FoundTool

__all__ = ["PlacedTiming", "check_seeds", "place_and_route"]


# Far beyond what any fabric reaches: what is larger was not measured.
_MOST_MHZ = 100_000


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
    counted
        Cells of the placed design (of the first seed, packing has no luck), by the names of
        ``CellCounts``; those that the target does not name are absent.
    """

    fmax_mhz: float
    fmax_by_seed: tuple[float, ...]
    device: str
    tool: str
    flags: str
    seconds: float
    counted: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The timing as plain JSON values."""
        own = {**asdict(self), "fmax_by_seed": list(self.fmax_by_seed)}
        return {**own, "counted": dict(self.counted)}

    @classmethod
    def from_json(cls, entry: Entry) -> PlacedTiming:
        """The inverse of :meth:`to_json`."""
        timing = cls(
            fmax_mhz=entry.number("fmax_mhz"),
            fmax_by_seed=entry.numbers("fmax_by_seed"),
            device=entry.text("device"),
            tool=entry.text("tool"),
            flags=entry.text("flags"),
            seconds=entry.number("seconds"),
            counted=entry.counts("counted", {}),
        )
        entry.finish()
        for mhz in (timing.fmax_mhz, *timing.fmax_by_seed):
            if not 0 < mhz <= _MOST_MHZ:
                raise InputError(
                    f"{entry.place}.fmax_mhz must be a clock above 0 and at most {_MOST_MHZ:,} "
                    f"MHz, not {mhz:g}"
                )
        return timing


def check_seeds(target: str, seeds: int) -> None:
    """Refuse what :func:`place_and_route` could not do.

    Raises
    ------
    InputError
        If the target cannot be placed and routed, or ``seeds`` is no positive integer.
    ToolNotFound
        If there is no nextpnr.
    """
    own = place_and_route_of(target)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"seeds must be a positive integer, as in 3, not {seeds!r}")
    nextpnr(own.tool).find()


def place_and_route(
    netlist: Path,
    target: str,
    *,
    seeds: int = 3,
    timeout: float,
    stop: threading.Event | None = None,
) -> PlacedTiming:
    """Place and route a netlist once for each seed.

    Parameters
    ----------
    netlist
        JSON that Yosys' ``write_json`` wrote after a recipe of the target. nextpnr's files are
        written beside it; YoWASP's nextpnr cannot see any other folder under the system's
        temporary one.
    target
        The name of the family.
    seeds
        How many: 1, 2, ... ``seeds``.
    timeout
        Seconds that one run may take.
    stop
        Ends the run when another thread sets it.

    Raises
    ------
    InputError
        If the target cannot be placed and routed.
    ToolNotFound
        If there is no nextpnr.
    ToolFailed
        If nextpnr fails, exceeds the timeout or was stopped, or the design has no path between
        registers.
    """
    own = place_and_route_of(target)
    tool = nextpnr(own.tool).find()
    placing = tool, own.flags
    started = time.perf_counter()
    reports = [_placed(placing, netlist, seed, timeout, stop) for seed in range(1, seeds + 1)]
    found = [_fmax(report) for report in reports]
    return PlacedTiming(
        fmax_mhz=round(statistics.median(found), 2),
        fmax_by_seed=tuple(found),
        device=own.device,
        tool=str(tool),
        flags=" ".join(own.flags),
        seconds=round(time.perf_counter() - started, 2),
        counted=_counted(reports[0], own.cells),
    )


def _counted(report: Mapping[str, Any], cells: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, use in report.get("utilization", {}).items():
        if kind in cells:
            found[cells[kind]] = found.get(cells[kind], 0) + int(use["used"])
    return found


def _fmax(report: Mapping[str, Any]) -> float:
    """MHz of the slowest clock of a placed design."""
    clocks = report["fmax"]
    if not clocks:
        raise ToolFailed("The design has no path between two registers, so no clock limits it")
    return round(min(float(clock["achieved"]) for clock in clocks.values()), 2)


def _placed(
    placing: tuple[FoundTool, tuple[str, ...]],
    netlist: Path,
    seed: int,
    timeout: float,
    stop: threading.Event | None,
) -> dict[str, Any]:
    """The report of one seed, by a nextpnr with flags."""
    tool, flags = placing
    report = netlist.parent / f"report{seed}.json"
    words: Sequence[str] = (
        *(*tool.command, *flags, "--seed", str(seed)),
        *("--json", netlist.name, "--report", report.name),
    )
    name = f"nextpnr ({tool.name})"
    log_path = netlist.parent / f"nextpnr{seed}.log"
    status, log = run_logged(name, words, log_path, timeout=timeout, stop=stop)
    if status != 0:
        raise ToolFailed(f"{name} failed with seed {seed}: {error_line(log, status)}")
    read: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return read
