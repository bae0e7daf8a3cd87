"""Building with Yosys, a nextpnr and its packer, all of them from pip."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kanhw.boards.build.flow import Reached, Sources, Step
from kanhw.boards.catalogue.board import Board
from kanhw.errors import ToolFailed
from kanhw.tools.nextpnr import nextpnr
from kanhw.tools.packers import packer
from kanhw.tools.processes import error_line
from kanhw.tools.tool import Tool
from kanhw.tools.yosys import YOSYS

__all__ = ["NextpnrFlow"]

_REPORT = "report.json"
_LOG = "nextpnr.log"
_YOSYS_LOG = "yosys.log"


@dataclass(frozen=True, kw_only=True)
class NextpnrFlow:
    """The programs of a family, and their options.

    Parameters
    ----------
    nextpnr, packer
        Programs: see :func:`kanhw.tools.nextpnr.nextpnr` and :func:`kanhw.tools.packers.packer`.
    device_flags
        Options that choose the device of a platform.
    files
        Options of files, the netlist ``top.json`` among them.
    pack
        Arguments of the packer, for a platform.
    bitstream
        Its file.
    probe_mhz
        A clock that is asked for to find out what a design reaches.
    constraints
        The suffix of the file of constraints.
    told_clock
        Whether nextpnr is told the clock by an option, as it reads no constraint of it.
    synthesis
        Options of the family's ``synth_*`` command, before those of the board.
    before_synthesis
        A command of Yosys before that; empty: none.
    """

    nextpnr: str
    packer: str
    device_flags: Callable[[Any], tuple[str, ...]]
    files: tuple[str, ...]
    pack: Callable[[Any], tuple[str, ...]]
    bitstream: str
    probe_mhz: float
    constraints: str
    told_clock: bool = False
    synthesis: tuple[str, ...] = ()
    before_synthesis: str = ""
    elsewhere: bool = False

    @property
    def title(self) -> str:
        """What places and routes."""
        return self.nextpnr

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Yosys, nextpnr and the packer."""
        return YOSYS, nextpnr(self.nextpnr), packer(self.packer)

    @property
    def kept(self) -> tuple[str, ...]:
        """Bitstream, report and logs."""
        return self.bitstream, _REPORT, _LOG, _YOSYS_LOG

    def sources(self, shell: Any, platform: Any, board: Board, mhz: float, seed: int) -> Sources:
        """Netlist, script and constraints, as Amaranth writes them; see :class:`Flow`."""
        options = [*self.synthesis, *board.synthesis]
        plan = platform.prepare(
            shell,
            "top",
            emit_src=False,
            synth_opts=options,
            script_after_read=self.before_synthesis,
        )
        kinds = (".il", ".ys", self.constraints)
        files = {n: _bytes(content) for n, content in plan.files.items() if n.endswith(kinds)}
        clock = ("--freq", f"{mhz:.6f}") if self.told_clock else ()
        flags = (*self.device_flags(platform), *self.files, *clock)
        # Without the last it writes nothing where the clock is missed; its report is read anyway.
        ends = ("--report", _REPORT, "--seed", str(seed), "--timing-allow-fail")
        yosys, places, packs = self.tools
        return Sources(
            files,
            (
                Step(yosys, ("top.ys",), _YOSYS_LOG),
                Step(places, (*flags, *ends), _LOG),
                Step(packs, self.pack(platform), "pack.log"),
            ),
        )

    def reached(self, made: Mapping[str, bytes]) -> Reached:
        """What nextpnr's report says."""
        report = json.loads(made[_REPORT])
        clocks = report["fmax"]
        if not clocks:
            raise ToolFailed(f"{self.nextpnr} reports no clock, so nothing is known of the timing")
        slowest = min(clocks.values(), key=lambda clock: clock["achieved"] / clock["constraint"])
        utilisation = {
            name: {"used": use["used"], "available": use["available"]}
            for name, use in sorted(report["utilization"].items())
            # Some kinds of cells are parts of others, and the device has none of their own.
            if use["used"] and use["available"]
        }
        return Reached(
            round(float(slowest["achieved"]), 2),
            round(min(float(clock["constraint"]) for clock in clocks.values()), 4),
            utilisation,
        )

    def short(self, log: str) -> str:
        """What a device has too little of, from nextpnr's log; empty if it is big enough."""
        found = re.findall(r"^Info:\s+(\S+):\s+(\d+)/\s*(\d+)\s+\d+%", log, re.MULTILINE)
        over = [
            f"{used} of {available} {name}"
            for name, used, available in dict.fromkeys(found)
            if int(used) > int(available)
        ]
        if over:
            return f"it takes {', '.join(over)}"
        if re.search(r"ERROR: .*(no (more )?BELs|[Uu]nable to (find|place)|failed to place)", log):
            return f"the placer finds no room ({error_line(log, 1)})"
        return ""


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
