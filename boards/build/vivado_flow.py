"""Building with Vivado: a complete project, which is built too where Vivado is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kanhw.boards.build.flow import Reached, Sources, Step
from kanhw.boards.catalogue.board import Board
from kanhw.errors import ToolFailed
from kanhw.tools.tool import Tool
from kanhw.tools.vivado import BATCH, VIVADO

__all__ = ["VivadoFlow"]

_SUMMARY = "summary.txt"
_LOG = "console.log"
_REPORTS = ("top_timing.rpt", "top_utilization_place.rpt")

# Before the last line of Amaranth's script. A path's requirement is the period of its clock.
_SUMMARIZE = f"""\
set summary [open {_SUMMARY} w]
foreach {{name delays}} {{setup max hold min}} {{
    set path [get_timing_paths -delay_type $delays -max_paths 1]
    puts $summary "$name [get_property SLACK $path] [get_property REQUIREMENT $path]"
}}
puts $summary [report_utilization -return_string]
close $summary
quit
"""

# Processors of a Zynq are devices of the chain too.
_PROGRAM = """\
# Loads top.bit over JTAG: vivado -mode batch -source program.tcl
set here [file dirname [file normalize [info script]]]
open_hw_manager
connect_hw_server
open_hw_target
foreach candidate [get_hw_devices] {
    if {![string match "arm_dap*" $candidate]} { set device $candidate }
}
current_hw_device $device
set_property PROGRAM.FILE [file join $here top.bit] $device
program_hw_devices $device
close_hw_manager
quit
"""

# Rows of report_utilization, and how many of our units one of theirs is.
_ROWS = {
    "Slice LUTs": ("LUT", 1),
    "CLB LUTs": ("LUT", 1),
    "Slice Registers": ("FF", 1),
    "CLB Registers": ("FF", 1),
    "Block RAM Tile": ("RAMB18", 2),
    "DSPs": ("DSP", 1),
}


@dataclass(frozen=True, kw_only=True)
class VivadoFlow:
    """Vivado on a project of Verilog, XDC and Tcl.

    Parameters
    ----------
    probe_mhz
        A clock that is asked for to find out what a design reaches.
    """

    probe_mhz: float
    title: str = "Vivado"
    bitstream: str = "top.bit"
    elsewhere: bool = True

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Vivado alone."""
        return (VIVADO,)

    @property
    def kept(self) -> tuple[str, ...]:
        """Bitstream, reports and log."""
        return self.bitstream, _SUMMARY, _LOG, *_REPORTS

    def sources(self, shell: Any, platform: Any, board: Board, mhz: float, seed: int) -> Sources:
        """The project; Vivado's placer takes no seed. See :class:`Flow`."""
        plan = platform.prepare(shell, "top", emit_src=False)
        names = ("top.v", "top.xdc", "top.tcl")
        files = {name: plan.files[name] for name in names}
        files = {n: c if isinstance(c, bytes) else c.encode() for n, c in files.items()}
        script, ends, rest = files["top.tcl"].decode().rpartition("quit")
        if not ends or rest.strip():
            raise ToolFailed("Amaranth's script for Vivado does not end with quit: upgrade kanhw")
        files["top.tcl"] = f"{script}{_SUMMARIZE}".encode()
        files["program.tcl"] = _PROGRAM.encode()
        return Sources(files, (Step(VIVADO, (*BATCH, "top.tcl"), _LOG),))

    def reached(self, made: Mapping[str, bytes]) -> Reached:
        """What the script's summary says."""
        text = made[_SUMMARY].decode(errors="replace")
        slack = {
            name: (float(found[1]), float(found[2]))
            for name in ("setup", "hold")
            if (found := re.search(rf"^{name} (-?[\d.]+) ([\d.]+)$", text, re.MULTILINE))
        }
        if len(slack) < 2 or slack["setup"][1] <= 0:
            raise ToolFailed("Vivado reports no clock, so nothing is known of the timing")
        if slack["hold"][0] < 0:
            raise ToolFailed(
                f"Vivado misses hold times by {-slack['hold'][0]:g} ns, at any clock: see "
                f"{_REPORTS[0]}"
            )
        over, period = slack["setup"]
        return Reached(
            round(1000 / (period - over), 2), round(1000 / period, 4), _utilisation(text)
        )

    def short(self, log: str) -> str:
        """What a device has too little of."""
        found = re.findall(
            r"requires more (.+?) cells than are available.*?requires (\d+) of such cell types but "
            r"only (\d+)",
            log,
        )
        over = [f"{used} of {available} {name}" for name, used, available in dict.fromkeys(found)]
        return f"it takes {', '.join(over)}" if over else ""


def _utilisation(text: str) -> dict[str, dict[str, int]]:
    """Of the tables: the second column is used, the last but one is available."""
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        row = _ROWS.get(cells[0].rstrip("*"))
        if row is None or len(cells) < 4:
            continue
        name, units = row
        used, available = (float(cells[place]) * units for place in (1, -2))
        found[name] = {"used": round(used), "available": round(available)}
    return {name: use for name, use in sorted(found.items()) if use["used"]}
