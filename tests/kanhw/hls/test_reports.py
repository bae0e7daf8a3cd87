"""Reports of HLS tools are read to the digit, and what they do not know is None."""

import pytest

from kanhw.errors import InputError
from kanhw.hls import HlsReport, read_report

FILES = {
    "vivado-hls-2019.1-funccode-d2.xml": HlsReport(
        "synthesis", "Vivado HLS 2019.1", "xczu9eg-ffvb1156-2-e", "kan_top", 6.67, 6.504,
        50983, 50983, 50984, 50984, 3374, 5457, 24, 108, 0,
    ),
    "vitis-2023.2-kan-jets.xml": HlsReport(
        "synthesis", "Vitis HLS 2023.2", "xcvu13p-flga2577-2-e", "KAN", 3.0, 2.141,
        4, 4, 1, 1, 8346, 1725, 0, 0, 0,
    ),
    "vitis-2024.1-kan-cernbox.xml": HlsReport(
        "synthesis", "Vitis HLS 2024.1", "xcvu9p-flgb2104-2-i", "KAN", 3.0, 2.189,
        8, 8, 1, 1, 3288, 1449, 0, 0, 0,
    ),
    "vitis-2024.1-eclair-cartpole.xml": HlsReport(
        "synthesis", "Vitis HLS 2024.1", "xcvu13p-flga2577-2-e", "eclair", 5.0, 3.627,
        25, 164, 26, 165, 18668, 13564, 80, 0, 0,
    ),
}  # fmt: skip

UNKNOWN = """<profile>
<ReportVersion><Version>2018.2</Version></ReportVersion>
<UserAssignments><Part>xc7z020clg400-1</Part><TopModelName>kan</TopModelName>
<TargetClockPeriod>10.00</TargetClockPeriod></UserAssignments>
<PerformanceEstimates>
<SummaryOfTimingAnalysis><EstimatedClockPeriod>8.750</EstimatedClockPeriod></SummaryOfTimingAnalysis>
<SummaryOfOverallLatency>
<Best-caseLatency><range><min>7</min><max>9</max></range></Best-caseLatency>
<Worst-caseLatency><range><min>70</min><max>90</max></range></Worst-caseLatency>
<Interval-min>undef</Interval-min><Interval-max>?</Interval-max>
</SummaryOfOverallLatency></PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>~0</BRAM_18K><DSP48E>3</DSP48E></Resources></AreaEstimates>
</profile>"""

IMPLEMENTATION = """<profile>
<RunData><RUN_TYPE>impl</RUN_TYPE><VIVADO_VERSION>2023.2</VIVADO_VERSION></RunData>
<TimingReport><TargetClockPeriod>4.000</TargetClockPeriod>
<AchievedClockPeriod>3.107</AchievedClockPeriod></TimingReport>
<AreaReport><Resources><BRAM>38</BRAM><DSP>31</DSP><FF>4936</FF><LUT>3554</LUT></Resources>
<AvailableResources><LUT>230400</LUT></AvailableResources></AreaReport></profile>"""

COSIM = """Vivado(TM) HLS - High-Level Synthesis from C, C++ and OpenCL v2019.1 (64-bit)
+----------+----------+-----------------------------+-----------------------------+
|          |          |    Latency(Clock Cycles)    |   Interval(Clock Cycles)    |
+   RTL    +  Status  +---------+---------+---------+---------+---------+---------+
|          |          |   min   |   avg   |   max   |   min   |   avg   |   max   |
+----------+----------+---------+---------+---------+---------+---------+---------+
|      VHDL|        NA|       NA|       NA|       NA|       NA|       NA|       NA|
|   Verilog|      Pass|      210|      211|      215|       NA|       NA|       NA|
+----------+----------+---------+---------+---------+---------+---------+---------+
"""


@pytest.mark.parametrize("name", FILES)
def test_published_reports_are_read_to_the_digit(name, shared_folder):
    assert read_report(shared_folder / "peers" / "hls-reports" / name) == FILES[name]


def read(tmp_path, text):
    path = tmp_path / "report"
    path.write_text(text)
    return read_report(path)


def test_what_is_not_known_is_none(tmp_path):
    report = read(tmp_path, UNKNOWN)
    assert (report.latency_min, report.latency_max) == (7, 90)
    assert (report.interval_min, report.interval_max, report.bram18, report.lut) == (None,) * 4
    assert report.dsp == 3 and report.tool == "Vivado HLS 2018.2"
    assert report.to_json()["estimated_ns"] == 8.75


def test_implementation_and_cosimulation_are_read_into_the_same_record(tmp_path):
    report = read(tmp_path, IMPLEMENTATION)
    assert (report.kind, report.tool) == ("implementation", "Vivado 2023.2")
    assert (report.lut, report.ff, report.dsp, report.bram18) == (3554, 4936, 31, 38)
    assert (report.clock_ns, report.estimated_ns, report.latency_min) == (4.0, 3.107, None)
    report = read(tmp_path, COSIM)
    assert (report.kind, report.tool) == ("cosimulation", "Vivado HLS 2019.1")
    assert (report.latency_min, report.latency_max, report.interval_min) == (210, 215, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (COSIM.replace("Pass", "Fail"), "ended with 'Fail'"),
        ("nothing", "has no line of a co-simulation"),
        ("<profile><UserAssignments>", "is not whole XML"),
        ("<profile></profile>", "is XML of another kind"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><profile/>', "defines entities"),
    ],
)
def test_what_is_no_report_is_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
    with pytest.raises(InputError, match="is no report: name a file"):
        read_report(tmp_path)
