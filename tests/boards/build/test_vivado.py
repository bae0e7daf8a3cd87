"""Projects for Vivado: constraints against golden files, scripts under tclsh, Verilog by Verilator.

Vivado itself is played by tclsh, with procedures for the few commands whose answers count.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kanhw.boards.build.families import family_of
from kanhw.boards.build.placing import find_toolchain, place, sources
from kanhw.boards.build.plls import mmcm_settings, nearest_below
from kanhw.boards.build.vivado_flow import VivadoFlow
from kanhw.boards.built import load_built
from kanhw.boards.catalogue.table import BOARDS, board_named
from kanhw.boards.link.assembled import linked_network
from kanhw.boards.loading.loading import load_bitstream
from kanhw.cli import main
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.program import save_program
from kanhw.schedule.schedule import Schedule
from kanhw.tools.simulators import find_verilator
from kanhw.tools.yosys import share_folder

pytest.importorskip("amaranth_boards")

GOLDEN = Path(__file__).parent / "golden"
NAMES = [name for name, board in BOARDS.items() if isinstance(family_of(board).flow, VivadoFlow)]
FLOW = VivadoFlow(probe_mhz=100)

UTILISATION = """\
| Site Type              | Used | Fixed | Prohibited | Available | Util% |
| Slice LUTs*            |  2041 |     0 |          0 |     20800 |  9.81 |
|   LUT as Logic         |  2041 |     0 |          0 |     20800 |  9.81 |
| Slice Registers        |  1509 |     0 |          0 |     41600 |  3.63 |
| Block RAM Tile         |   0.5 |     0 |          0 |        50 |  1.00 |
| DSPs                   |     0 |     0 |          0 |        90 |  0.00 |
"""
OVERFULL = (
    "ERROR: [Place 30-640] Place Check : This design requires more Slice LUTs cells than are "
    "available in the target device. This design requires 64000 of such cell types but only 20800 "
    "compatible sites are available"
)
PRELUDE = """\
proc get_timing_paths {args} { return [lindex $args 1] }
proc get_property {name object} {
    if {$name eq "REQUIREMENT"} { return 10.000 }
    return [dict get {max %s min %s} $object]
}
proc quit {} { exit 0 }
proc named {args} {
    set place [lsearch $args -file]
    if {$place >= 0} { close [open [lindex $args $place+1] w] }
}
proc report_utilization {args} {
    named {*}$args
    if {[lsearch $args -return_string] >= 0} { return {%s} }
}
proc write_bitstream {args} { set file [open [lindex $args end] w]; puts $file bits; close $file }
proc unknown {args} {
    puts $args
    named {*}$args
    if {[lindex $args 0] in {read_xdc add_files source}} { close [open [lindex $args end]] }
}
"""
FAKE = """#!{python}
import subprocess, sys
if sys.argv[1:] == ["-version"]:
    print("vivado v2024.1 (64-bit)")
    sys.exit(0)
assert sys.argv[1:-1] == ["-mode", "batch", "-nolog", "-nojournal", "-source"], sys.argv
{action}
"""
TCLSH = """
open("prelude.tcl", "w").write(%r + "source " + sys.argv[-1] + chr(10))
sys.exit(subprocess.run(["tclsh", "prelude.tcl"]).returncode)
"""

needs_tclsh = pytest.mark.skipif(not shutil.which("tclsh"), reason="tclsh is not installed")


@pytest.fixture
def vivado(tmp_path, monkeypatch):
    """A Vivado that does what the test says; by default its timing is met with 2.5 ns to spare."""

    def use(action=TCLSH % (PRELUDE % (2.5, 0.1, UTILISATION))):
        program = tmp_path / "a vivado"
        program.write_text(FAKE.format(python=sys.executable, action=action))
        program.chmod(0o755)
        monkeypatch.setenv("VIVADO", shlex.quote(str(program)))

    return use


@pytest.fixture
def no_vivado(monkeypatch):
    monkeypatch.delenv("VIVADO", raising=False)
    monkeypatch.setenv("PATH", "")


def project(small, name, pll=None):
    board = board_named(name)
    hz = round(board.clock_mhz * 1e6) if pll is None else pll.hz
    linked = linked_network(small, Schedule(), clock_hz=hz, baud=board.baud)
    return sources(linked.top, board, pll).files


def build(small, tmp_path, *words):
    program = tmp_path / "program.safetensors"
    save_program(small, program)
    out = tmp_path / "build"
    named = ["--board", "arty-a7-35t", "--schedule", "unrolled", "--no-cache", *words]
    return main(["build", str(program), *named, "--out", str(out)]), out


def assert_golden(name, files):
    lines = [line.strip() for line in files["top.xdc"].decode().splitlines()]
    golden = (GOLDEN / f"{name}.xdc").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and line[0] != "#"] == golden


def test_constraints_are_golden(given):
    assert_golden("arty-z7", given.files)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_constraints_of_every_board_are_golden(small, name):
    assert_golden(name, project(small, name))


def linted(files, folder):
    try:
        verilator = find_verilator()
        cells = share_folder() / "xilinx"
    except ToolNotFound as error:
        pytest.skip(str(error))
    (folder / "top.v").write_bytes(files["top.v"])
    libraries = [str(cells / name) for name in ("cells_sim.v", "cells_xtra.v")]
    words = [verilator.executable, "--lint-only", "--no-timing", "--top-module", "top"]
    quiet = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-SPECIFYIGN"]
    return subprocess.run(
        [*words, *quiet, "top.v", *libraries],
        cwd=folder,
        env=verilator.process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["arty-a7-35t", "kcu105", "zcu104"])
def test_the_verilog_is_linted(small, name, tmp_path):
    board = board_named(name)
    pll = nearest_below(family_of(board).settings(board.clock_mhz), 80e6)
    files = project(small, name, pll)
    found = linted(files, tmp_path)
    assert found.returncode == 0, found.stderr
    cell = re.search(rb"MMCME\d_BASE", files["top.v"])[0]
    wrong = {"top.v": files["top.v"].replace(cell, b"MMCME9_BASE")}
    assert "MMCME9_BASE" in linted(wrong, tmp_path).stderr


@needs_tclsh
def test_a_project_is_built_where_vivado_is(small, tmp_path, vivado, capsys):
    vivado()
    status, out = build(small, tmp_path)
    assert status == 0, capsys.readouterr().err
    built = load_built(out)
    assert (built.bitstream, built.status) == ("top.bit", "built")
    assert (built.clock_mhz, built.fmax_mhz) == (100, 133.33)
    assert built.utilisation == {
        "FF": {"used": 1509, "available": 41600},
        "LUT": {"used": 2041, "available": 20800},
        "RAMB18": {"used": 1, "available": 100},
    }
    assert built.details["tools"] == [f"{os.environ['VIVADO']}: v2024.1"]
    assert {"top.v", "top.xdc", "top.tcl", "program.tcl"} <= {each.name for each in out.iterdir()}


@pytest.fixture(scope="module")
def given(small):
    board = board_named("arty-z7")
    linked = linked_network(small, Schedule(), clock_hz=125_000_000, baud=board.baud)
    return sources(linked.top, board, None)


@needs_tclsh
@pytest.mark.parametrize(
    ("action", "told"),
    [
        (TCLSH % (PRELUDE % (2.5, -0.1, UTILISATION)), r"misses hold times by 0\.1 ns"),
        (TCLSH % (PRELUDE % ('""', '""', UTILISATION)), "Vivado reports no clock"),
        (
            f"print({OVERFULL!r}); sys.exit(1)",
            "^it takes 64000 of 20800 Slice LUTs$",
        ),
        ("sys.exit(3)", "^Vivado failed: exit status 3"),
        ("sys.exit(0)", r"^Vivado ended without an error but made no top\.bit$"),
    ],
)
def test_what_vivado_cannot_do_is_one_line(given, vivado, action, told):
    vivado(action)
    tools = find_toolchain(board_named("arty-z7"))
    with pytest.raises(ToolFailed, match=told):
        place(given, tools, cached=False)


@pytest.mark.slow
@needs_tclsh
def test_a_clock_that_is_missed_makes_no_build(small, tmp_path, vivado, capsys):
    vivado(TCLSH % (PRELUDE % (-2.5, 0.1, UTILISATION)))
    status, out = build(small, tmp_path)
    assert status == 2 and not out.exists()
    assert "place and route reach 80 MHz" in capsys.readouterr().err


def test_without_vivado_the_project_is_written(small, tmp_path, no_vivado, capsys):
    status, out = build(small, tmp_path, "--json")
    told = json.loads(capsys.readouterr().out)
    assert status == 0
    assert told["status"] == "written, not built"
    assert told["bitstream"] is None and told["fmax_mhz"] is None
    assert told["utilisation"] == {} and told["makes"] == "top.bit"
    assert (out / "commands.txt").read_text().splitlines() == [
        "vivado -mode batch -nolog -nojournal -source top.tcl"
    ]
    with pytest.raises(InputError, match=r"written, not built: run its commands .* make top\.bit"):
        load_bitstream(load_built(out))
    # What the user has made elsewhere is loaded.
    (out / "top.bit").write_bytes(b"bits")
    assert load_built(out).bitstream_path == out / "top.bit"
    with pytest.raises(ToolNotFound, match="openFPGALoader was not found"):
        load_bitstream(load_built(out))


def test_without_vivado_there_is_no_fastest_clock(small, tmp_path, no_vivado, capsys):
    status, out = build(small, tmp_path, "--clock", "auto")
    assert status == 2 and not out.exists()
    assert "name one with --clock MHZ" in capsys.readouterr().err


@needs_tclsh
@pytest.mark.parametrize("name", ["top.tcl", "program.tcl"])
def test_scripts_are_whole(given, name, tmp_path):
    text = given.files[name].decode()
    script = tmp_path / "parse.tcl"
    script.write_text("set text [read stdin]; exit [expr {![info complete $text]}]\n")
    words = ["tclsh", str(script)]
    assert subprocess.run(words, input=text, text=True, check=False).returncode == 0
    assert subprocess.run(words, input=text + "{", text=True, check=False).returncode == 1


@needs_tclsh
def test_the_script_that_loads_takes_the_logic_of_a_zynq(given, tmp_path):
    (tmp_path / "program.tcl").write_bytes(given.files["program.tcl"])
    (tmp_path / "run.tcl").write_text(
        "proc get_hw_devices {} { return {arm_dap_0 xc7z020_1} }\n"
        "proc quit {} { exit 0 }\nproc unknown {args} { puts $args }\nsource program.tcl\n"
    )
    run = subprocess.run(
        ["tclsh", "run.tcl"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = run.stdout.splitlines()
    assert f"set_property PROGRAM.FILE {tmp_path / 'top.bit'} xc7z020_1" in told
    assert "program_hw_devices xc7z020_1" in told


@pytest.mark.parametrize("oscillator", [(600, 1200), (800, 1600)])
def test_mmcm_settings_are_within_the_limits(oscillator):
    found = list(mmcm_settings(125, oscillator))
    assert len(found) > 1000
    for setting in found[:: len(found) // 500]:
        own = setting.parameters
        inside = 125 / own["DIVCLK_DIVIDE"] * own["CLKFBOUT_MULT_F"]
        assert oscillator[0] <= inside <= oscillator[1] and 125 / own["DIVCLK_DIVIDE"] >= 10
        assert setting.hz == round(inside / own["CLKOUT0_DIVIDE_F"] * 1e6) <= 464e6


def test_newer_tables_and_older_ones_are_read():
    rows = "| CLB LUTs | 10 | 0 | 230400 | <0.01 |\n| Block RAM Tile | 1.5 | 0 | 312 | 0.48 |\n"
    text = f"setup 1.000 5.000\nhold 0.010 0.000\n{rows}"
    reached = FLOW.reached({"summary.txt": text.encode()})
    assert (reached.achieved_mhz, reached.asked_mhz) == (250, 200)
    assert reached.utilisation == {
        "LUT": {"used": 10, "available": 230400},
        "RAMB18": {"used": 3, "available": 624},
    }
    with pytest.raises(ToolFailed, match="no clock"):
        FLOW.reached({"summary.txt": b"setup  \nhold 0.010 0.000\n"})
