"""Vivado's own reports of utilisation, timing and power, read into the record of estimates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.errors import InputError
from kanhw.estimation.estimate import Estimate, Figure

__all__ = ["ReportedPower", "read_vivado_reports"]

# A report is some kilobytes to megabytes; what is larger is none.
_LARGEST = 1 << 26
# From the best to the worst, as ``Design State`` names them.
_STATES = ("Routed", "Fully Placed", "Physopt postPlace", "Optimized", "Synthesized")


@dataclass(frozen=True)
class ReportedPower:
    """Power as a vendor's tool estimated it; what the report does not say is None.

    Parameters
    ----------
    power_w
        Watt: ``clock``, ``logic``, ``signals``, ``memory``, ``dsp``, ``dynamic``, ``static``.
        ``dynamic`` is the report's own, pins and processors among it.
    source
        The tool.
    inferences_per_second
        At the clock that it was estimated for, if both are known.
    """

    power_w: Mapping[str, float | None]
    source: str
    inferences_per_second: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "power_w": dict(self.power_w),
            "energy_per_inference_j": self._energy(),
            "basis": f"an estimate of {self.source}",
            "measured": False,
        }

    def _energy(self) -> dict[str, float | None]:
        dynamic, static = self.power_w["dynamic"], self.power_w["static"]
        rate = self.inferences_per_second
        if rate is None or dynamic is None:
            return {"dynamic": None, "total": None}
        total = None if static is None else (dynamic + static) / rate
        return {"dynamic": dynamic / rate, "total": total}

    def lines(self) -> list[str]:
        """The estimate for people."""
        parts = ", ".join(
            f"{name} {watt:g} W" for name, watt in self.power_w.items() if watt is not None
        )
        return [f"power as {self.source} estimates it: {parts}"]


@dataclass(frozen=True)
class _Report:
    """One file: what kind it is, what made it, and its lines."""

    path: Path
    kind: str
    tool: str
    device: str
    state: str
    lines: tuple[str, ...]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of every row of its tables."""
        for number, line in enumerate(self.lines, 1):
            text = line.strip()
            if text.startswith("|") and text.endswith("|") and len(text) > 1:
                yield number, [cell.strip() for cell in text[1:-1].split("|")]

    def refuse(self, number: int, what: str) -> InputError:
        """An error at a line of it."""
        return InputError(f"{self.path}:{number}: {what}: write the report again in Vivado")

    def number(self, line: int, text: str) -> float | None:
        """A number in a cell; None for one that is only bounded, or not there."""
        if text.startswith("<") or text in ("", "---", "NA", "N/A", "Unspecified*"):
            return None
        try:
            return float(text)
        except ValueError:
            raise self.refuse(line, f"{text!r} is no number") from None


_KINDS: Mapping[str, re.Pattern[str]] = {
    "utilisation": re.compile(r"report_utilization|Utilization Design Information"),
    "timing": re.compile(r"report_timing_summary|Timing Summary Report"),
    "power": re.compile(r"report_power|^Power Report", re.MULTILINE),
}


def read_vivado_reports(folder: str | Path, interval: int | None = None) -> Estimate:
    """Read the reports of one design: utilisation, timing, power, those that there are.

    Of several of a kind that of the later state is taken (routed before placed before synthesised).
    Block RAMs are in halves of 18 kbit.

    Parameters
    ----------
    folder
        Of the ``.rpt`` files; a report itself is one report.
    interval
        Clocks between two inferences of the design, for energy; None: there is none.

    Raises
    ------
    InputError
        If there is no such folder or no report in it, or a report cannot be read: file and line.
    """
    chosen = _chosen(Path(folder))
    figures: dict[str, Figure] = {}
    notes: list[str] = []
    power: ReportedPower | None = None
    period = None
    if "utilisation" in chosen:
        figures |= _utilisation(chosen["utilisation"])
    if "timing" in chosen:
        period, reached = _timing(chosen["timing"])
        own = chosen["timing"]
        figures["clock_mhz"] = Figure(1e3 / reached, "report", own.tool)
        notes.append(f"the clock that timing allows; {1e3 / period:g} MHz were asked for")
        if interval is not None:
            rate = 1e9 / reached / interval
            figures["inferences_per_second"] = Figure(rate, "report", own.tool)
    if "power" in chosen:
        asked = None
        if period is not None and interval is not None:
            asked = 1e9 / period / interval
        power = _power(chosen["power"], asked)
    notes += [f"{kind}: {report.path.name}, {report.state}" for kind, report in chosen.items()]
    first = next(iter(chosen.values()))
    return Estimate(
        target=first.device,
        grade="report",
        bram_unit="BRAM18",
        figures=figures,
        power=power,
        name=first.tool,
        notes=tuple(notes),
    )


def _chosen(folder: Path) -> dict[str, _Report]:
    """The best report of every kind."""
    if folder.is_dir():
        paths = sorted(folder.rglob("*.rpt"))
    elif folder.is_file():
        paths = [folder]
    else:
        raise InputError(f"{folder} does not exist: name the folder with Vivado's .rpt files")
    found: dict[str, list[_Report]] = {}
    for path in paths:
        report = _read(path)
        if report is not None:
            found.setdefault(report.kind, []).append(report)
    if not found:
        raise InputError(
            f"{folder} holds no report of Vivado (of {len(paths)} .rpt files): write them by "
            "report_utilization, report_timing_summary and report_power with -file NAME.rpt"
        )
    chosen = {}
    for kind, reports in found.items():
        reports.sort(key=lambda report: _rank(report.state))
        best = [report for report in reports if report.state == reports[0].state]
        if len(best) > 1:
            raise InputError(
                f"{best[0].path} and {best[1].path} are both reports of {kind} "
                f"({best[0].state}): leave one of them in the folder"
            )
        chosen[kind] = best[0]
    first, *others = chosen.values()
    for other in others:
        if other.device != first.device:
            raise InputError(
                f"{first.path} is of {first.device} and {other.path} of {other.device}: leave "
                "those of one device in the folder"
            )
    return chosen


def _rank(state: str) -> int:
    return _STATES.index(state) if state in _STATES else len(_STATES)


def _read(path: Path) -> _Report | None:
    """A report of one of our kinds; None for others, such as those of design rules."""
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path} is too large for a report ({path.stat().st_size} bytes)")
    text = path.read_text(encoding="utf-8", errors="replace")
    head = text[:4000]
    if "Vivado" not in head:
        return None
    kind = next((name for name, pattern in _KINDS.items() if pattern.search(head)), None)
    if kind is None:
        return None

    def said(name: str) -> str:
        found = re.search(rf"^\| {name} *: *(.*?)\s*\|?$", head, re.MULTILINE)
        return found[1].strip() if found else ""

    tool = re.search(r"Vivado v\.(\d+\.\d+(?:\.\d+)?)", head)
    return _Report(
        path,
        kind,
        f"Vivado {tool[1]}" if tool else "Vivado",
        said("Device").split()[0] if said("Device") else "",
        said("Design State") or "unknown state",
        tuple(text.splitlines()),
    )


# Names of the rows that count, in the order in which they are preferred.
_SITES: Mapping[str, tuple[str, ...]] = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "carry": ("CARRY8", "CARRY4"),
    "dsp": ("DSPs",),
    "bram": ("Block RAM Tile",),
}


def _utilisation(report: _Report) -> dict[str, Figure]:
    """The first row of every name; sites of block RAM count twice, as each has two halves."""
    rows: dict[str, tuple[int, list[str]]] = {}
    for number, cells in report.rows():
        rows.setdefault(cells[0].rstrip("*"), (number, cells))
    found = {}
    for name, sites in _SITES.items():
        site = next((site for site in sites if site in rows), None)
        if site is None:
            continue
        number, cells = rows[site]
        used = report.number(number, cells[1]) if len(cells) > 1 else None
        if used is None:
            raise report.refuse(number, f"the row of {site} says no number in use")
        found[name] = Figure(used * (2 if name == "bram" else 1), "report", report.tool)
    if "lut" not in found:
        raise report.refuse(len(report.lines), "there is no row of CLB LUTs or Slice LUTs")
    return found


def _timing(report: _Report) -> tuple[float, float]:
    """The period that was asked for and the one that timing allows, in nanoseconds."""
    slack = _below(report, r"^\s*WNS\(ns\)", 0)
    clock = _below(report, r"^\s*Clock\s+Waveform\(ns\)\s+Period\(ns\)", None)
    match = re.search(r"\{[^}]*\}\s+([\d.]+)\s+[\d.]+", clock[1])
    if match is None:
        raise report.refuse(clock[0], "the clock has no period")
    period = float(match[1])
    return period, period - slack[2]


def _below(report: _Report, head: str, column: int | None) -> tuple[int, str, float]:
    """Line, text and number of what stands under the first line like ``head``, and its rule."""
    pattern = re.compile(head)
    for number, line in enumerate(report.lines, 1):
        if not pattern.search(line):
            continue
        for below in range(number, min(number + 4, len(report.lines))):
            text = report.lines[below]
            if not text.strip() or set(text.strip()) <= set("- "):
                continue
            if column is None:
                return below + 1, text, 0.0
            value = report.number(below + 1, text.split()[column])
            if value is None:
                raise report.refuse(below + 1, f"{text.split()[column]!r} is no slack")
            return below + 1, text, value
    raise report.refuse(len(report.lines), f"there is no line like {head!r}")


_POWER: Mapping[str, tuple[str, ...]] = {
    "clock": ("Clocks",),
    "logic": ("CLB Logic", "Slice Logic"),
    "signals": ("Signals",),
    "memory": ("Block RAM",),
    "dsp": ("DSPs",),
    "dynamic": ("Dynamic (W)",),
    "static": ("Device Static (W)",),
}


def _power(report: _Report, rate: float | None) -> ReportedPower:
    rows: dict[str, tuple[int, list[str]]] = {}
    for number, cells in report.rows():
        if len(cells) > 1:
            rows.setdefault(cells[0], (number, cells))
    found: dict[str, float | None] = {}
    for part, names in _POWER.items():
        name = next((name for name in names if name in rows), None)
        number, cells = rows[name] if name is not None else (0, ["", ""])
        found[part] = report.number(number, cells[1])
    if found["dynamic"] is None:
        raise report.refuse(len(report.lines), "there is no row of Dynamic (W)")
    return ReportedPower(found, report.tool, rate)
