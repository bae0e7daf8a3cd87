"""How many faults the standard testbench finds: mutations by Yosys in a small design a realisation.

    python -m benchmarks.proofs.mutations [--count 500]
        [--designs edge_table/unrolled codebook/folded] [--json FILE]

``mutate`` chooses faults (a bit of a cell's port inverted, stuck, or mixed with another) in each
flattened design, ``--count`` in all. All faults of a design are in one netlist, where a file
chooses one at run time, so that each simulator is built once. The testbench is the usual one:
random vectors through Verilator with stalls, then all vectors that there are, then cocotb with
stalls and a reset in mid-stream. What passes is compared with the original design by ABC, clock by
clock; the columns say what was proved. Exit status 1 if a fault that was not proved equivalent was
not found.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from benchmarks.common.small_networks import (
    REALISATIONS,
    SCHEDULES,
    SMALL,
    all_codes,
    every_code,
    network,
)
from benchmarks.proofs.mutation_proofs import VERDICTS, Comparison
from kanhw.design.design import Design
from kanhw.errors import ToolFailed
from kanhw.estimation import yosys_version
from kanhw.sim import check_design
from kanhw.sim.netlist import with_verilog
from kanhw.tools.yosys import run_script

DEFAULT = [f"{name}/{'folded' if k % 2 else 'unrolled'}" for k, name in enumerate(REALISATIONS)]
# There are 65,536 vectors.
STEPS: dict[str, tuple[str, int | None]] = {
    "fast": ("fast", 2000),
    "all vectors": ("fast", None),
    "cocotb": ("cocotb", 250),
}
# What counts against the testbench.
OPEN = ("vectors", "undecided", "missed")

_TOP = """
module kan(input clk, rst, i__valid, o__ready, input [{i}:0] i__payload,
           output i__ready, o__valid, output [{o}:0] o__payload);
    reg [15:0] chosen [0:0];
    initial $readmemh("{file}", chosen);
    mutated core(.clk(clk), .rst(rst), .i__valid(i__valid), .i__payload(i__payload),
        .i__ready(i__ready), .o__valid(o__valid), .o__payload(o__payload), .o__ready(o__ready),
        .mutation(chosen[0]));
endmodule
"""


@dataclass
class Score:
    """What became of the faults of one design."""

    design: str
    mutations: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    verdicts: dict[str, list[str]] = field(default_factory=lambda: {k: [] for k in VERDICTS})
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return vars(self)


class Mutants:
    """A design with all its faults in one netlist."""

    def __init__(self, name: str, count: int, seed: int, work: Path, seconds: float) -> None:
        realisation, schedule = name.split("/")
        self.program = network(realisation, numbers=SMALL)
        self.work = work
        original = kanhw.generate(self.program, work / "original", schedule=SCHEDULES[schedule])
        (work / "kan.v").write_text(original.verilog_path.read_text(encoding="utf-8"))
        run_script(
            "read_verilog kan.v\nhierarchy -top kan\nproc\nflatten\nopt\nmemory_map\nopt\n"
            f"write_rtlil base.il\nmutate -list {count} -seed {seed} -o list.txt\n",
            work,
        )
        self.commands = (work / "list.txt").read_text().splitlines()
        self._chosen = work / "chosen.hex"
        self.choose(0)
        lines = [
            f"{line.replace('mutate ', f'mutate -ctrl mutation 16 {k} ', 1)}"
            for k, line in enumerate(self.commands, 1)
        ]
        commands = ["read_rtlil base.il", *lines, "rename kan mutated", "opt_clean"]
        commands.append("write_verilog -noattr mutated.v\n")
        run_script("\n".join(commands), work)
        clocks = original.latency_cycles + 2 * original.initiation_interval + 4
        ports = {"i": original.input.width - 1, "o": original.output.width - 1}
        self._comparison = Comparison(work, ports, clocks, seconds)
        text = (work / "mutated.v").read_text(encoding="utf-8")
        top = _TOP.format(file=self._chosen, **ports)
        self.design: Design = with_verilog(original, (text + top).encode(), work / "mutants")

    def choose(self, mutant: int) -> None:
        """Say which fault there is from now on; 0 is none."""
        self._chosen.write_text(f"{mutant:x}\n")

    def passes(self, mutant: int, step: str, seed: int = 1) -> bool:
        """Whether a step of the testbench finds nothing."""
        self.choose(mutant)
        engine: Any
        engine, count = STEPS[step]
        codes = every_code(self.program) if count is None else all_codes(self.program, count, seed)
        build = self.work / "builds"
        reset = {"reset_midstream": True} if engine == "cocotb" else {}
        try:
            report = check_design(
                self.design.path, codes, engine=engine, seed=seed, build_dir=build, **reset
            )
        except ToolFailed as error:
            # A simulation that ends without a result is a fault found, if the design itself runs.
            if mutant == 0:
                raise
            print(f"  {mutant}: {str(error).splitlines()[0]}", file=sys.stderr)
            return False
        return report.passed

    def compare(self, mutant: int) -> str:
        """What is proved of a fault that the testbench did not find: a key of ``VERDICTS``."""
        return self._comparison.verdict(self.commands[mutant - 1])


def measure(name: str, count: int, seed: int, seconds: float) -> Score:
    """Score the testbench on one design."""
    score, started = Score(name), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kanhw-mutations-") as folder:
        mutants = Mutants(name, count, seed, Path(folder), seconds)
        score.mutations = len(mutants.commands)
        left = list(range(1, score.mutations + 1))
        for step in STEPS:
            if not mutants.passes(0, step):
                raise RuntimeError(f"{name} without a fault does not pass ({step})")
            passed = [k for k in left if mutants.passes(k, step)]
            score.found[step] = len(left) - len(passed)
            print(f"  {name}: {step} found {score.found[step]} of {len(left)}", file=sys.stderr)
            left = passed
        for mutant in left:
            begun, verdict = time.perf_counter(), mutants.compare(mutant)
            score.verdicts[verdict].append(mutants.commands[mutant - 1])
            seconds_taken = time.perf_counter() - begun
            print(f"  {name}: {mutant} {verdict} ({seconds_taken:.0f} s)", file=sys.stderr)
    score.seconds = round(time.perf_counter() - started, 1)
    return score


def main() -> int:
    """Print the score; 1 if a fault was missed."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--count", type=int, default=500, help="faults in all designs together")
    parser.add_argument("--designs", nargs="+", default=DEFAULT, metavar="REALISATION/SCHEDULE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60, help="for each proof (default: 60)")
    options = parser.parse_args()
    print(environment_line(yosys_version()) + "\n")
    table, scores = Table(("design", "faults", *STEPS, *VERDICTS, "s"), (26,)), []
    each = [
        options.count * (k + 1) // len(options.designs) - options.count * k // len(options.designs)
        for k in range(len(options.designs))
    ]
    for name, count in zip(options.designs, each, strict=True):
        score = measure(name, count, options.seed, options.seconds)
        scores.append(score)
        counts = [len(commands) for commands in score.verdicts.values()]
        table.add(name, score.mutations, *score.found.values(), *counts, score.seconds)
        for verdict in OPEN:
            for line in score.verdicts[verdict]:
                print(f"  {verdict}: {line}", file=sys.stderr)
    for verdict, meaning in VERDICTS.items():
        print(f"{verdict}: {meaning}")
    found = sum(sum(score.found.values()) for score in scores)
    still = sum(len(score.verdicts[verdict]) for score in scores for verdict in OPEN)
    print(f"\n{found} of {found + still} faults that are not proved equivalent were found")
    write_results(options.json, [score.to_json() for score in scores])
    return 1 if still or not found else 0


if __name__ == "__main__":
    sys.exit(main())
