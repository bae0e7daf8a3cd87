"""Proofs by what registers hold of which words: what is always another word, and what is not."""

import re
from pathlib import Path

import pytest

from benchmarks.proofs.flow_proofs import altered_graph
from benchmarks.proofs.stage_cuts import altered_stages, boundaries
from benchmarks.proofs.vector_proofs import same_for_vectors
from kanhw.tools.yosys import run_script

# A vector is two words; their sum, without its low bit, is handed out. ``spare`` is not.
STAGE = """
module stage(input clk, rst, i__valid, o__ready, input [1:0] i__payload,
             output i__ready, o__valid, output [1:0] o__payload);
    reg half = 0, full = 0; reg [2:0] sum = 0; reg [1:0] spare = 0, word = 0;
    wire [2:0] before;
    assign before = half ? sum : 3'd0;
    assign i__ready = !full | o__ready, o__valid = full;
    assign o__payload = full ? sum[2:1] : spare;
    always @(posedge clk) begin
        if (i__ready) full <= i__valid & half;
        if (i__ready & i__valid) begin
            half <= !half; sum <= before + i__payload; spare <= i__payload;
        end
        if (rst) begin half <= 0; full <= 0; end
    end
endmodule
"""
ONE = STAGE.replace("module stage", "module kan")
# The second stage takes what the first hands out.
TWO = (
    STAGE
    + """
module kan(input clk, rst, i__valid, o__ready, input [1:0] i__payload,
           output i__ready, o__valid, output [1:0] o__payload);
    wire ready, valid; wire [1:0] payload;
    stage stage0(.clk(clk), .rst(rst), .i__valid(i__valid), .i__ready(i__ready),
        .i__payload(i__payload), .o__valid(valid), .o__ready(ready), .o__payload(payload));
    stage stage1(.clk(clk), .rst(rst), .i__valid(valid), .i__ready(ready), .i__payload(payload),
        .o__valid(o__valid), .o__ready(o__ready), .o__payload(o__payload));
endmodule
"""
)


def altering(work: Path, verilog: str, pattern: str) -> str:
    """A command of Yosys that alters a place of a design, which is now in ``work``."""
    (work / "kan.v").write_text(verilog)
    run_script(
        "read_verilog kan.v\nhierarchy -top kan\nproc\nflatten\nopt\nwrite_rtlil base.il\n"
        "mutate -list 2000 -none -o list.txt\n",
        work,
    )
    commands = (work / "list.txt").read_text().splitlines()
    return next(c for c in commands if re.fullmatch(f"mutate {pattern}", c))


@pytest.mark.some(2)
@pytest.mark.parametrize(
    "place, same",
    [
        # Not handed out, or always in the same way.
        (r"-mode inv .* -port Q -portbit 0 .*-wire spare -wirebit 0 .*", True),
        (r"-mode inv .* -port Q -portbit 0 .*-wire sum -wirebit 0 .*", True),
        (r"-mode const0 .* -port Q -portbit 1 .*-wire sum -wirebit 1 .*", True),
        # What was there before is added, or the handshake changes.
        (r"-mode const1 .*ternary.kan.v:6.* -port S .*", False),
        (r"-mode inv .* -port Q -portbit 0 .*-wire half -wirebit 0 .*", False),
        (r"-mode inv .* -port Q -portbit 0 .*-wire o__valid -wirebit 0 .*", False),
    ],
)
def test_what_hangs_on_its_vector_alone(tmp_path: Path, place: str, same: bool) -> None:
    graph = altered_graph(tmp_path, altering(tmp_path, ONE, place))
    assert same_for_vectors(graph) is same


@pytest.mark.parametrize("stage", [0, 1])
def test_the_stage_that_is_altered_stands_alone(tmp_path: Path, stage: int) -> None:
    command = altering(tmp_path, TWO, rf"-mode inv .* -port Q .*-wire stage{stage}\.sum .*")
    cuts = boundaries("kan.v", tmp_path)
    assert len(cuts) == 1
    (found,) = altered_stages(tmp_path, command, cuts)
    assert sorted(found.inputs) == ["altered", "i__payload", "i__valid", "o__ready", "rst"]
    assert {name.split(".")[0] for name in found.names.values() if name} >= {f"stage{stage}"}
    assert {len(found.inputs["i__payload"]), len(found.outputs["o__payload"])} == {2}
    assert same_for_vectors(found)
