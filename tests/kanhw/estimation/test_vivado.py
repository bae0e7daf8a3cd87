"""Vivado's reports: every figure, and what is said of a file that is none."""

import json
import shutil

import pytest
from physical_programs import physical_program

import kanhw
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.estimation.vivado import read_vivado_reports

HEAD = """\
Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2024 AMD, Inc.
--------------------------------------------------------------------------------------
| Tool Version : Vivado v.2024.1 (lin64) Build 5076996 Wed May 22 18:36:09 MDT 2024
| Date         : Thu Jan  1 00:00:00 2026
| Command      : {command} -file {name}
| Design       : kan
| Device       : {device}
| Design State : {state}
--------------------------------------------------------------------------------------

"""
UTILISATION = """\
Utilization Design Information

1. CLB Logic
------------

+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| CLB LUTs                   | 2828 |     0 |          0 |    230400 |  1.23 |
|   LUT as Logic             | 2828 |     0 |          0 |    230400 |  1.23 |
| CLB Registers              | 1136 |     0 |          0 |    460800 |  0.25 |
| CARRY8                     |   84 |     0 |          0 |     28800 |  0.29 |
+----------------------------+------+-------+------------+-----------+-------+
| Block RAM Tile             |  1.5 |     0 |          0 |       312 |  0.48 |
| DSPs                       |    3 |     0 |          0 |      1728 |  0.17 |
+----------------------------+------+-------+------------+-----------+-------+
"""
TIMING = """\
Timing Summary Report

------------------------------------------------------------------------------
| Design Timing Summary
------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints
    -------      -------  ---------------------  -------------------
     -0.132       -1.000                     10                 3000

------------------------------------------------------------------------------
| Clock Summary
------------------------------------------------------------------------------

Clock  Waveform(ns)       Period(ns)      Frequency(MHz)
-----  ------------       ----------      --------------
clk    {0.000 0.500}      1.000           1000.000
"""
POWER = """\
Power Report

1. Summary
----------

+--------------------------+--------------+
| Total On-Chip Power (W)  | 0.817        |
| Dynamic (W)              | 0.224        |
| Device Static (W)        | 0.593        |
+--------------------------+--------------+

1.1 On-Chip Components
+--------------------------+-----------+----------+-----------+-----------------+
| On-Chip                  | Power (W) | Used     | Available | Utilization (%) |
+--------------------------+-----------+----------+-----------+-----------------+
| Clocks                   |     0.061 |        1 |       --- |             --- |
| CLB Logic                |     0.093 |     4522 |       --- |             --- |
|   LUT as Logic           |     0.080 |     2828 |    230400 |            1.23 |
| Signals                  |     0.070 |     2409 |       --- |             --- |
| Block RAM                |    <0.001 |      1.5 |       312 |            0.48 |
| Static Power             |     0.593 |          |           |                 |
+--------------------------+-----------+----------+-----------+-----------------+
"""


def write(folder, name, body, command, *, device="xczu7ev-ffvc1156-2-e", state="Routed"):
    text = HEAD.format(command=command, name=name, device=device, state=state) + body
    (folder / name).write_text(text)


@pytest.fixture
def reports(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    write(folder, "utilization.rpt", UTILISATION, "report_utilization")
    write(folder, "timing.rpt", TIMING, "report_timing_summary")
    write(folder, "power.rpt", POWER, "report_power")
    write(folder, "drc.rpt", "Report DRC\n", "report_drc")
    return folder


def test_every_figure(reports):
    found = read_vivado_reports(reports, interval=1)
    assert (found.target, found.grade) == ("xczu7ev-ffvc1156-2-e", "report")
    assert (found.lut, found.ff, found.carry, found.dsp, found.bram) == (2828, 1136, 84, 3, 3)
    assert found.clock_mhz == pytest.approx(1e3 / 1.132)
    assert found.figures["lut"].source == "Vivado 2024.1"
    assert found.power_w == {
        "clock": 0.061, "logic": 0.093, "signals": 0.070, "memory": None, "dsp": None,
        "dynamic": 0.224, "static": 0.593,
    }  # fmt: skip
    # At the clock that was asked for, which power is estimated at.
    assert found.energy_per_inference_j["dynamic"] == pytest.approx(0.224e-9)
    assert found.energy_per_inference_j["total"] == pytest.approx(0.817e-9)
    assert read_vivado_reports(reports).energy_per_inference_j == {"dynamic": None, "total": None}


def test_the_names_of_7_series(reports):
    write(
        reports, "utilization.rpt",
        UTILISATION.replace("CLB LUTs  ", "Slice LUTs*").replace("CLB Reg", "Slice Reg"),
        "report_utilization", device="7a100tcsg324-1",
    )  # fmt: skip
    found = read_vivado_reports(reports / "utilization.rpt")
    assert (found.target, found.lut, found.ff) == ("7a100tcsg324-1", 2828, 1136)
    with pytest.raises(InputError, match=r"power\.rpt is of .* and .*ation\.rpt of 7a100"):
        read_vivado_reports(reports)


def test_the_later_state_is_taken(reports):
    worse = UTILISATION.replace("2828", "9999")
    write(reports, "a_synth.rpt", worse, "report_utilization", state="Synthesized")
    assert read_vivado_reports(reports).lut == 2828
    write(reports, "b_routed.rpt", worse, "report_utilization")
    with pytest.raises(InputError, match=r"b_routed\.rpt and .*utilization\.rpt are both reports"):
        read_vivado_reports(reports)


def test_one_kind_alone(reports):
    found = read_vivado_reports(reports / "timing.rpt")
    assert found.lut is None and found.power is None
    assert found.clock_mhz == pytest.approx(1e3 / 1.132)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("utilization.rpt", "| 2828 |", "| many |", r"utilization\.rpt:19: 'many' is no number"),
        ("utilization.rpt", "CLB LUTs", "CLB Lots", r"there is no row of CLB LUTs or Slice LUTs"),
        ("timing.rpt", "-0.132", "NA", r"timing\.rpt:19: 'NA' is no slack"),
        ("timing.rpt", "WNS(ns)", "WHAT", r"timing\.rpt:\d+: there is no line like"),
        ("power.rpt", "Dynamic (W)", "Dynamics", r"power\.rpt:\d+: there is no row of Dynamic"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(reports, name, old, new, message):
    text = (reports / name).read_text()
    assert old in text
    (reports / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_vivado_reports(reports)


def test_a_folder_without_reports(tmp_path):
    (tmp_path / "notes.rpt").write_text("nothing of Vivado's kinds")
    with pytest.raises(InputError, match=r"holds no report of Vivado \(of 1 \.rpt files\): write"):
        read_vivado_reports(tmp_path)
    with pytest.raises(InputError, match=r"nowhere does not exist: name the folder"):
        read_vivado_reports(tmp_path / "nowhere")


def test_the_command_shows_them_beside(reports, tmp_path, capsys):
    kanhw.save_program(physical_program(1, (3, 2)), tmp_path / "p.safetensors")
    words = ["estimate", str(tmp_path / "p.safetensors"), "--target", "xcup", "--grade", "model"]
    words += ["--vivado-reports", str(reports)]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["vivado"]["lut"] == 2828
    assert main(words) == 0
    assert "Vivado 2024.1" in capsys.readouterr().out
    shutil.rmtree(reports)
    assert main(words) == 2
    assert "reports does not exist" in capsys.readouterr().err
