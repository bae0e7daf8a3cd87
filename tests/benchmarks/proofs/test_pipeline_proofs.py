"""Proofs over every vector of a pipeline: of what is never seen, and only where it is one."""

import re
from pathlib import Path

import pytest

from benchmarks.proofs.flow_proofs import altered_graph
from benchmarks.proofs.pipeline_proofs import same_pipeline
from kanhw.tools.yosys import run_script

# A sum of 1 to 4 is never 0; what would be handed out then is ``spare``.
DESIGN = """
module kan(input clk, rst, i__valid, o__ready, input [1:0] i__payload,
           output i__ready, o__valid, output [1:0] o__payload);
    reg [1:0] valid = 0, word = 0, spare = 0, result = 0; reg [2:0] sum = 0;
    assign i__ready = !valid[1] | o__ready, o__valid = valid[1];
    assign o__payload = result;
    always @(posedge clk) begin
        if (i__ready) begin
            valid <= {valid[0], i__valid};
            sum <= i__payload + 3'd1; word <= i__payload; spare <= ~i__payload;
        end
        if (MOVES) result <= sum == NEVER ? spare : word;
        if (rst) valid <= 0;
    end
endmodule
"""


def graph_altered_at(work: Path, register: str, never: int = 0, moves: str = "i__ready"):
    """The design, with the low bit that a register gives inverted."""
    text = DESIGN.replace("NEVER", str(never)).replace("MOVES", moves)
    (work / "kan.v").write_text(text)
    run_script(
        "read_verilog kan.v\nhierarchy -top kan\nproc\nflatten\nopt\nwrite_rtlil base.il\n"
        "mutate -list 1000 -none -o list.txt\n",
        work,
    )
    pattern = rf"mutate -mode inv .* -port Q -portbit 0 .*-wire {register} -wirebit 0 .*"
    commands = (work / "list.txt").read_text().splitlines()
    return altered_graph(work, next(c for c in commands if re.fullmatch(pattern, c)))


@pytest.mark.some(2)
@pytest.mark.parametrize("never, same", [(0, True), (5, True), (4, False), (1, False)])
def test_what_no_vector_hands_out_is_never_seen(tmp_path: Path, never: int, same: bool) -> None:
    assert same_pipeline(graph_altered_at(tmp_path, "spare", never)) is same


@pytest.mark.some(2)
@pytest.mark.parametrize("register", ["word", "o__payload", "sum", "valid"])
def test_what_is_handed_out_is_seen(tmp_path: Path, register: str) -> None:
    assert not same_pipeline(graph_altered_at(tmp_path, register))


@pytest.mark.some(2)
@pytest.mark.parametrize("moves", ["1'b1", "i__valid", "i__ready & sum != 3"])
def test_what_moves_by_itself_is_no_pipeline(tmp_path: Path, moves: str) -> None:
    assert not same_pipeline(graph_altered_at(tmp_path, "spare", moves=moves))
