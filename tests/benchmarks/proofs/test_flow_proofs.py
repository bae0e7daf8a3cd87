"""Proofs that an altered place is never seen: only of those that are not."""

import re
from pathlib import Path

import pytest

from benchmarks.proofs.flow_proofs import altered_graph, never_seen
from kanhw.tools.yosys import run_script

# The fourth turn never comes; what would be handed out then is ``spare``.
DESIGN = """
module kan(input clk, rst, i__valid, o__ready, input [1:0] i__payload,
           output i__ready, o__valid, output [1:0] o__payload);
    reg valid = 0; reg [1:0] turn = 0, word = 0, spare = 0;
    assign i__ready = !valid | o__ready, o__valid = valid;
    assign o__payload = turn == 3 ? spare : word;
    always @(posedge clk) begin
        if (i__ready) begin
            valid <= i__valid; word <= i__payload; spare <= ~i__payload;
        end
        if (valid & o__ready) turn <= turn == LAST ? 0 : turn + 1;
        if (rst) begin valid <= 0; turn <= 0; end
    end
endmodule
"""


def made(work: Path, last: int) -> list[str]:
    """The design as a file of Yosys, and commands that alter what its registers give."""
    (work / "kan.v").write_text(DESIGN.replace("LAST", str(last)))
    run_script(
        "read_verilog kan.v\nhierarchy -top kan\nproc\nflatten\nopt\nwrite_rtlil base.il\n"
        "mutate -list 1000 -none -o list.txt\n",
        work,
    )
    return (work / "list.txt").read_text().splitlines()


def altering(commands: list[str], register: str) -> str:
    """The command that inverts the low bit that a register gives."""
    pattern = rf"mutate -mode inv .* -port Q -portbit 0 .*-wire {register} -wirebit 0 .*"
    return next(command for command in commands if re.fullmatch(pattern, command))


@pytest.mark.parametrize("last, seen", [(2, False), (3, True)])
def test_what_no_turn_hands_out_is_never_seen(tmp_path: Path, last: int, seen: bool) -> None:
    command = altering(made(tmp_path, last), "spare")
    assert never_seen(altered_graph(tmp_path, command), tmp_path, 10) is not seen


@pytest.mark.some(2)
@pytest.mark.parametrize("register", ["word", "o__valid", "turn"])
def test_what_is_handed_out_is_not_proved(tmp_path: Path, register: str) -> None:
    command = altering(made(tmp_path, 2), register)
    assert not never_seen(altered_graph(tmp_path, command), tmp_path, 10)
