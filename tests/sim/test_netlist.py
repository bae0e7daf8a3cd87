"""Netlists compute what their designs compute; a changed cell is seen; models of memories."""

import re
import subprocess

import pytest

import kanhw
from kanhw.errors import InputError, ToolNotFound
from kanhw.sim import check_design, find_simulator, netlist_design
from kanhw.sim.netlist import cell_library, with_verilog
from kanhw.targets.table import library_of
from kanhw.targets.verilog.ecp5 import ECP5_CELLS
from kanhw.tools.yosys import run_script, share_folder

# A table and a memory that is written, each as wide as block RAM of a family can be, a product.
MEMORIES = """
module memories(input clk, input [9:0] a, w, input we, input [35:0] d, input signed [8:0] p, q,
                output reg [7:0] rom, output reg [35:0] ram, output signed [17:0] product);
    (* ram_style = "block" *) reg [35:0] words [0:1023];
    (* rom_style = "block" *) reg [7:0] table8 [0:1023];
    integer i;
    initial for (i = 0; i < 1024; i = i + 1) begin
        words[i] = {i[9:0], 4'h5, i[9:0] ^ 10'h3a5, 12'h0c3} * 5;
        table8[i] = (i * 40503) >> 5;
    end
    always @(posedge clk) begin
        rom <= table8[a];
        if (we) words[w] <= d;
        ram <= words[a];
    end
    assign product = p * q;
endmodule
"""
BENCH = """
module bench;
    reg clk = 0, we = 0; reg [9:0] a = 0, w = 0; reg [35:0] d = 0; reg signed [8:0] p = 0, q = 0;
    wire [7:0] rom1, rom2; wire [35:0] ram1, ram2; wire signed [17:0] product1, product2;
    memories one(clk, a, w, we, d, p, q, rom1, ram1, product1);
    netlist two(clk, a, w, we, d, p, q, rom2, ram2, product2);
    integer k, wrong = 0, seen = 0;
    initial begin
        for (k = 0; k < 6000; k = k + 1) begin
            // Reading what is written at the same edge is left to the family.
            a = $random; w = a + 1 + $random % 512; we = $random; d = {$random, $random};
            p = $random; q = $random;
            if (w == a) we = 0;
            #5 clk = 1; #5 clk = 0;
            if (rom1 !== rom2 || ram1 !== ram2 || product1 !== product2) wrong = wrong + 1;
            if (^{rom2, ram2, product2} !== 1'bx) seen = seen + 1;
        end
        $display("%0d differ of %0d", wrong, seen);
    end
endmodule
"""


# A netlist for iCE40 is simulated below.
@pytest.mark.parametrize(
    "target", ["ecp5", *(pytest.param(each, marks=pytest.mark.slow) for each in ("ice40", "xcup"))]
)
def test_the_netlist_computes_what_the_design_computes(
    target, tiny, tiny_program, tmp_path, quickest
):
    codes = tiny.codes(60)
    result = kanhw.simulate(tiny.stream, codes, netlist=target, simulator=quickest.name)
    assert result.passed and result.netlist == target
    assert result.equivalence.vectors == 60 and result.equivalence.design == str(tiny.stream)


@pytest.mark.wide
def test_a_changed_cell_is_seen(tiny, tiny_program, tmp_path, quickest):
    design = netlist_design(tiny.stream, "ice40", tmp_path / "netlist")
    text = design.verilog_path.read_text()
    cells = re.findall(r"SB_LUT4 #\(\s*\.LUT_INIT\(16'h(\w+)\)", text)
    assert len(cells) > 20
    place = text.index(".LUT_INIT(16'h") + len(".LUT_INIT(16'h")
    changed = text[:place] + f"{0xFFFF ^ int(cells[0], 16):04x}" + text[place + 4 :]
    fault = with_verilog(design, changed.encode(), tmp_path / "fault")
    codes = tiny.codes(60)
    report = check_design(fault.path, codes, simulator=quickest)
    # Most cells are right: a wrong table of one shows in few vectors, or in one output.
    assert not report.passed and 0 < (report.outputs == tiny.reference(codes)).mean() < 1


def test_only_models_of_cells_that_there_are_are_kept():
    try:
        share_folder()
    except ToolNotFound as error:
        pytest.skip(str(error))
    library = library_of("ecp5")
    text = cell_library("module m; DP16KD ram(); PFUMX \\mux$1 (); endmodule", library)
    modules = re.findall(r"^\s*module\s+(\S+?)\s*\(", text, re.M)
    # (INV is a value of a parameter, too.)
    assert set(modules) - {"INV"} == {"DP16KD", "PFUMX"}
    assert ECP5_CELLS["DP16KD"] in text and "blackbox" not in text
    assert "`include" not in cell_library("LUT4 CCU2C TRELLIS_DPR16X4 TRELLIS_FF", library)


def test_what_there_is_no_netlist_of_is_named(tiny, tmp_path):
    with pytest.raises(InputError, match=r"^Unknown target 'virtex'"):
        netlist_design(tiny.stream, "virtex", tmp_path / "netlist")
    with pytest.raises(InputError, match=r"^Unknown recipe 'abc': ecp5 has 'abc9'$"):
        netlist_design(tiny.stream, "ecp5", tmp_path / "netlist", recipe="abc")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("synthesis", "target", "cells"),
    [
        ("synth_xilinx -family xcup -noiopad", "xcup", ("RAMB18E2", "RAMB36E2", "DSP48E2")),
        ("synth_ecp5 -noiopad", "ecp5", ("DP16KD", "MULT18X18D")),
    ],
)
def test_models_of_memories_and_multipliers(synthesis, target, cells, tmp_path):
    try:
        icarus = find_simulator("icarus")
    except ToolNotFound as error:
        pytest.skip(str(error))
    (tmp_path / "memories.v").write_text(MEMORIES)
    (tmp_path / "bench.v").write_text(BENCH)
    run_script(
        f"read_verilog memories.v\n{synthesis} -top memories\nrename memories netlist\n"
        "write_verilog -noattr netlist.v\n",
        tmp_path,
    )
    netlist = (tmp_path / "netlist.v").read_text()
    assert all(re.search(rf"^  {cell} #?", netlist, re.M) for cell in cells)
    library = cell_library(netlist, library_of(target))
    (tmp_path / "cells.v").write_text(library)
    sources = ["memories.v", "netlist.v", "cells.v", "bench.v"]
    command = [icarus.executable, "-g2005", "-s", "bench", "-o", "bench.vvp", *sources]
    subprocess.run(command, cwd=tmp_path, check=True)
    vvp = icarus.executable.with_name("vvp")
    output = subprocess.run([vvp, "bench.vvp"], cwd=tmp_path, check=True, capture_output=True)
    assert output.stdout.decode().split("\n")[0] == "0 differ of 6000"
