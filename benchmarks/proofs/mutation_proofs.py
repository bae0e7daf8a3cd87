"""Whether a faulty design can be told from the original at all: compared by ABC, clock by clock."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.proofs.flow_proofs import altered_graph, never_seen
from benchmarks.proofs.pipeline_proofs import same_pipeline
from benchmarks.proofs.stage_cuts import altered_stages, boundaries
from benchmarks.proofs.vector_proofs import same_for_vectors
from kanhw.sim.proofs.stream_proofs import find_abc
from kanhw.tools.processes import run_logged
from kanhw.tools.yosys import run_script

VERDICTS = {
    "proved": "equal to the original for ever, for all inputs, stalls and resets",
    "bounded": "so for as many clocks as a reset and two vectors take",
    "vectors": "not proved: valid and ready equal for ever, outputs on every vector that there is",
    "undecided": "nothing was proved in time",
    "missed": "not equal, and not found",
}

# The original next to the faulty one, under one sender and one consumer; what is seen is compared.
_MITER = """
module miter(input clk, rst, begin_, ready, input [{i}:0] payload,
             output bad, control, output [{last_hint}:0] hints);
    reg offering = 0, was_reset = 0; reg [{i}:0] held = 0;
    wire valid = offering | begin_; wire [{i}:0] word = offering ? held : payload;
    wire ready1, ready2, valid1, valid2; wire [{o}:0] word1, word2;
    always @(posedge clk) begin
        offering <= valid & ~ready1 & ~rst;
        held <= word;
        was_reset <= was_reset | rst;
    end
    {hint_wires}
    original one(.clk(clk), .rst(rst), .i__valid(valid), .i__payload(word), .i__ready(ready1),
        .o__valid(valid1), .o__payload(word1), .o__ready(ready){hint_ports});
    faulty two(.clk(clk), .rst(rst), .i__valid(valid), .i__payload(word), .i__ready(ready2),
        .o__valid(valid2), .o__payload(word2), .o__ready(ready));
    assign control = was_reset & ~rst & ((ready1 != ready2) | (valid1 != valid2));
    assign bad = control | (was_reset & ~rst & valid1 & (word1 != word2));
    assign hints = {{{hints}}};
endmodule
"""
# Registers of so many bits may be counters. That one never holds a value, ABC finds out by itself,
# if something asks for it; and often that is the reason why a fault changes nothing.
_COUNTER_BITS = range(2, 6)
_EXPOSE = f"expose -dff s:{_COUNTER_BITS[0]}:{_COUNTER_BITS[-1]}\n"
# Registers that are equal in both are joined, often until nothing is left to compare.
_JOIN = "scorr; scorr -F 2; cone -O 0; strash; scorr"


class Comparison:
    """A design and its faults, none of which any vector shows when one follows the other.

    Parameters
    ----------
    work
        Where files are; it has the original as ``kan.v``, and as ``base.il`` of Yosys.
    widths
        Highest bit of the input ``i`` and of the output ``o``.
    clocks
        From a reset over a vector to the end of the next.
    seconds
        For each proof.
    """

    def __init__(self, work: Path, widths: Mapping[str, int], clocks: int, seconds: float) -> None:
        self._work = work
        self._clocks = clocks
        self._seconds = seconds
        self._cuts = boundaries("kan.v", work)
        run_script(f"read_rtlil base.il\n{_EXPOSE}write_json exposed.json\n", work)
        ports = json.loads((work / "exposed.json").read_text())["modules"]["kan"]["ports"]
        own = ("clk", "rst", "i__valid", "i__payload", "i__ready")
        own += ("o__valid", "o__payload", "o__ready")
        counters = [(name, len(port["bits"])) for name, port in ports.items() if name not in own]
        wires = [f"wire [{bits - 1}:0] h{k};" for k, (_, bits) in enumerate(counters)]
        hints = [f"h{k} == {v}" for k, (_, bits) in enumerate(counters) for v in range(1 << bits)]
        miter = _MITER.format(
            **widths,
            last_hint=max(len(hints) - 1, 0),
            hint_wires=" ".join(wires),
            hint_ports="".join(f", .\\{name} (h{k})" for k, (name, _) in enumerate(counters)),
            hints=", ".join(hints) or "1'b0",
        )
        (work / "miter.v").write_text(miter)

    def verdict(self, command: str) -> str:
        """What is proved of a fault that Yosys makes with this command: a key of ``VERDICTS``."""
        run_script(
            f"read_rtlil base.il\n{_EXPOSE}rename kan original\ndesign -stash one\n"
            f"read_rtlil base.il\n{command}\nrename kan faulty\ndesign -stash two\n"
            "design -copy-from one original\ndesign -copy-from two faulty\nread_verilog miter.v\n"
            # What registers hold before the reset is not compared; with values of their own they
            # could not be joined.
            "setattr -unset init w:*\nhierarchy -top miter\nproc\nflatten\n"
            "setundef -zero -init\nopt\ntechmap\nopt\nasync2sync\ndffunmap\nabc -g AND\n"
            "opt_clean\ndesign -save both\ndelete -output miter/control\nopt_clean\n"
            "write_aiger -zinit bad.aig\ndesign -load both\ndelete -output miter/bad\nopt_clean\n"
            "write_aiger -zinit control.aig\n",
            self._work,
        )
        if self._never("bad"):
            return "proved"
        graph = altered_graph(self._work, command)
        if same_pipeline(graph) or never_seen(graph, self._work, self._seconds):
            return "proved"
        if all(map(same_for_vectors, altered_stages(self._work, command, self._cuts))):
            return "proved"
        log = self._abc("bad", f"bmc3 -F {self._clocks} -T {self._seconds:g}")
        if "was asserted in frame" in log:
            return "missed"
        found = re.search(r"asserted in (\d+) frames|after (\d+) frames", log)
        if found is not None and int(found[1] or found[2]) >= self._clocks:
            return "bounded"
        return "vectors" if self._never("control") else "undecided"

    def _never(self, name: str) -> bool:
        """Whether an output of the miter is proved never to rise."""
        log = self._abc(name, f"print_stats; pdr -T {self._seconds:g}")
        nothing = re.search(r"lat = +0 .*and = +0 ", log) is not None
        return nothing or "Property proved" in log

    def _abc(self, name: str, commands: str) -> str:
        words = [str(find_abc()), "-c", f"read {name}.aig; {_JOIN}; {commands}"]
        limit = 20 * self._seconds + 60
        return run_logged("ABC", words, self._work / "abc.log", timeout=limit)[1]
