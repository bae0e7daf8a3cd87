"""What a report of an HLS tool says: the record, and reading it from whichever kind of file."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as Xml
from xml.parsers import expat

from kanhw.errors import InputError

__all__ = ["HlsReport", "read_report"]

Kind = Literal["model", "synthesis", "cosimulation", "implementation"]

# A report is some kilobytes to megabytes; what is larger is none.
_LARGEST = 1 << 28
# From here on the tool is called Vitis HLS.
_FIRST_VITIS = (2020, 1)


@dataclass(frozen=True)
class HlsReport:
    """The figures of a report; None where it has none, or says that one is not known.

    Parameters
    ----------
    kind
        ``model`` (counted without a tool), ``synthesis`` (estimates before the netlist is made),
        ``cosimulation`` (measured in a simulation of the Verilog), ``implementation`` (after logic
        synthesis, or placed and routed).
    tool
        With its version.
    part, top
        What it was made for, and of which function.
    clock_ns, estimated_ns
        The period that was asked for, and the one that was estimated or reached.
    latency_min, latency_max, interval_min, interval_max
        Clock cycles.
    lut, ff, dsp, bram18, uram
        What it takes; block RAMs in halves of 18 kbit.
    """

    kind: Kind
    tool: str
    part: str | None = None
    top: str | None = None
    clock_ns: float | None = None
    estimated_ns: float | None = None
    latency_min: int | None = None
    latency_max: int | None = None
    interval_min: int | None = None
    interval_max: int | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bram18: int | None = None
    uram: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


def read_report(path: str | Path) -> HlsReport:
    """Read ``csynth.xml``, ``TOP_export.xml`` (or ``export_impl.xml``) or ``TOP_cosim.rpt``.

    Reports of Vivado HLS 2018.2 to 2019.2 and Vitis HLS 2020.1 to 2024.

    Raises
    ------
    InputError
        If there is no such file, or it is no such report.
    """
    path = Path(path)
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise InputError(f"{path} is no report: name a file such as solution/syn/report/csynth.xml")
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.lstrip().startswith("<"):
        return _cosimulation(path, text)
    root = _root(path, text)
    if root.find("UserAssignments") is not None:
        return _synthesis(root)
    if root.find("AreaReport") is not None:
        return _implementation(root)
    raise InputError(
        f"{path} is XML of another kind: a report has UserAssignments (csynth.xml) or AreaReport "
        "(an export's)"
    )


def _root(path: Path, text: str) -> Xml.Element:
    """The elements of XML without a document type, which could define entities without end."""
    builder, parser = Xml.TreeBuilder(), expat.ParserCreate()

    def refused(*_: object) -> None:
        raise InputError(f"{path} defines entities, which no report of an HLS tool does")

    parser.StartDoctypeDeclHandler = refused
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise InputError(f"{path} is not whole XML ({error}): run the tool again") from error
    return builder.close()


def _synthesis(root: Xml.Element) -> HlsReport:
    """``csynth.xml`` of either tool; only what is said of the top."""
    given, made = root.find("UserAssignments"), "AreaEstimates/Resources"
    version = root.findtext("ReportVersion/Version", "").strip()
    vitis = root.find("UserAssignments/FlowTarget") is not None or (
        _numbers(version) >= _FIRST_VITIS
    )
    latency = "PerformanceEstimates/SummaryOfOverallLatency"
    dsp = _integer(root, f"{made}/DSP")
    return HlsReport(
        kind="synthesis",
        tool=f"{'Vitis' if vitis else 'Vivado'} HLS {version}".strip(),
        part=_text(given, "Part"),
        top=_text(given, "TopModelName"),
        clock_ns=_real(root, "UserAssignments/TargetClockPeriod"),
        estimated_ns=_real(
            root, "PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod"
        ),
        latency_min=_integer(root, f"{latency}/Best-caseLatency", "min"),
        latency_max=_integer(root, f"{latency}/Worst-caseLatency", "max"),
        interval_min=_integer(root, f"{latency}/Interval-min", "min"),
        interval_max=_integer(root, f"{latency}/Interval-max", "max"),
        lut=_integer(root, f"{made}/LUT"),
        ff=_integer(root, f"{made}/FF"),
        dsp=_integer(root, f"{made}/DSP48E") if dsp is None else dsp,
        bram18=_integer(root, f"{made}/BRAM_18K"),
        uram=_integer(root, f"{made}/URAM"),
    )


def _implementation(root: Xml.Element) -> HlsReport:
    """What ``export_design`` writes after synthesis or place and route; its BRAMs are halves."""
    made = "AreaReport/Resources"
    version = root.findtext("RunData/VIVADO_VERSION", "").strip()
    return HlsReport(
        kind="implementation",
        tool=f"Vivado {version}".strip(),
        clock_ns=_real(root, "TimingReport/TargetClockPeriod"),
        estimated_ns=_real(root, "TimingReport/AchievedClockPeriod"),
        lut=_integer(root, f"{made}/LUT"),
        ff=_integer(root, f"{made}/FF"),
        dsp=_integer(root, f"{made}/DSP"),
        bram18=_integer(root, f"{made}/BRAM"),
        uram=_integer(root, f"{made}/URAM"),
    )


def _cosimulation(path: Path, text: str) -> HlsReport:
    """The table of ``TOP_cosim.rpt``: status, latency and interval, each least, mean and most."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 8 or cells[0] not in ("Verilog", "VHDL") or cells[1] in ("NA", ""):
            continue
        if cells[1].lower() != "pass":
            raise InputError(
                f"{path}: the co-simulation ended with {cells[1]!r}, so its cycles mean nothing"
            )
        version = re.search(r"v?(20\d\d\.\d)", text)
        number = version[1] if version else ""
        vitis = "Vitis" in text or _numbers(number) >= _FIRST_VITIS
        ends = [int(cell) if cell.isdigit() else None for cell in cells[2:8]]
        return HlsReport(
            kind="cosimulation",
            tool=f"{'Vitis' if vitis else 'Vivado'} HLS {number}".strip(),
            latency_min=ends[0],
            latency_max=ends[2],
            interval_min=ends[3],
            interval_max=ends[5],
        )
    raise InputError(f"{path} has no line of a co-simulation (| Verilog | Pass | ...)")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _text(given: Xml.Element | None, name: str) -> str | None:
    found = None if given is None else given.findtext(name)
    return found.strip() if found and found.strip() else None


def _real(root: Xml.Element, place: str) -> float | None:
    try:
        return float(root.findtext(place, "").strip())
    except ValueError:  # NA
        return None


def _integer(root: Xml.Element, place: str, end: str = "max") -> int | None:
    """A whole number; None for ``undef``, ``?``, ``~0`` and what is absent; one end of a range."""
    found = root.find(place)
    if found is None:
        return None
    inner = found.find(f"range/{end}")
    text = ((found if inner is None else inner).text or "").strip()
    return int(text) if re.fullmatch(r"\d+", text) else None
