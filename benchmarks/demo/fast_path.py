"""How many inferences a second the fast simulation does, on the network of 'kanhw demo'.

    python -m benchmarks.demo.fast_path [--demo FOLDER] [--vectors 1000000] [--runs 5] [--json FILE]

FOLDER is what 'kanhw demo' made; without it the demonstration is run first, which takes some
minutes. The design is compiled with Verilator once and fed random codes without stalls. What is
timed is the simulation itself, vectors read from and written to memory; the build is stated beside
it. Some outputs of the first run are compared with the Program, too.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from kanhw.sim import run_fast

COMPARED = 20_000


def main() -> int:
    """Run; 1 if an output differs from the Program's."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--demo", type=Path, metavar="FOLDER", help="made by 'kanhw demo'")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the codes")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as work:
        demo = options.demo or Path(work) / "demo"
        if options.demo is None:
            from kanhw.flow.demonstration import run_demonstration

            run_demonstration(demo)
        design = kanhw.load_design(demo / "design")
        program = design.load_program()
        form = program.input.format
        random = np.random.default_rng(options.seed)
        shape = (options.vectors, program.n_in)
        codes = random.integers(form.lo, form.hi, shape, np.int16, endpoint=True)
        runs = [run_fast(design.path, codes, build_dir=work) for _ in range(options.runs)]
    expected = program(codes[:COMPARED])
    exact = np.array_equal(runs[0].outputs[:COMPARED], expected)
    complete = all(len(run.outputs) == len(codes) and not run.violations for run in runs)

    print(environment_line(str(runs[0].simulator)) + "\n")
    head = ("edges", "vectors", "runs", "inferences/s, median", "least", "most", "build, s")
    table = Table(head, (0, 9, 0, 0, 9, 9))
    rates = [run.inferences_per_second for run in runs]
    table.add(
        program.active_edges,
        len(codes),
        len(runs),
        round(statistics.median(rates)),
        round(min(rates)),
        round(max(rates)),
        f"{runs[0].seconds_building:.1f}",
    )
    compared = min(COMPARED, len(codes))
    verdict = "equal" if exact and complete else "NOT EQUAL"
    print(f"\n{compared} outputs compared with the Program: {verdict}")
    write_results(options.json, {"edges": program.active_edges, "inferences_per_second": rates})
    return 0 if exact and complete else 1


if __name__ == "__main__":
    sys.exit(main())
