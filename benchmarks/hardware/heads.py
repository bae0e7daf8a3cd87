"""What task heads of one resident codebook take in hardware.

    python -m benchmarks.hardware.heads [--sizes 64 16 10] [--heads 1 2 5 10] [--writable]
        [--target ecp5]

Networks of random integers (16 shapes of 4-bit codes, 4-bit gains) are joined, made a folded
design, and simulated with another head at every vector. A design whose outputs are not the
Program's, or that takes a clock more than the formula says, ends the run. The resources are
post-synthesis estimates. "bits" are those of all parameter memories: of the heads, and of the
shapes, of which the design has a copy per edge that it computes in a clock.
"""

import argparse
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

import kanhw
from benchmarks.common.measuring import Table, argument_parser, environment_line, write_results
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import CodebookLayer, InputEncoder, Program, Requantizer, join_heads
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design

CODE = CodeFormat(4, True)
SHAPES = 16


def network(rng: np.random.Generator, books: list[np.ndarray], sizes: list[int]) -> Program:
    """A network of random integers that has these shapes."""
    layers = []
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = k == len(sizes) - 2
        join = Requantizer(
            rng.integers(200, 255, (2, n_out)),
            rng.integers(-999, 999, n_out),
            0 if last else 14,
            None if last else CODE,
        )
        layers.append(
            CodebookLayer(
                shapes=books[k],
                index=rng.integers(0, SHAPES, (n_out, n_in)),
                gains=rng.integers(-8, 8, (n_out, n_in)),
                base=rng.integers(-8, 8, (1, CODE.count, 1)),
                base_index=np.zeros(n_in, int),
                base_weights=rng.integers(-8, 8, (n_out, n_in, 1)),
                requantizers=(join,),
                name=f"layers.{k}",
            )
        )
    return Program(tuple(layers), InputEncoder(CODE, sizes[0]), argmax=True)


def stored(program: Program, schedule: Schedule) -> tuple[int, int]:
    """Bits of a head in all memories, and how many copies of the shapes there are."""
    stages = [s for s in StreamTop(program, schedule).stages if isinstance(s, ResidentStage)]
    held = sum(region.words * region.width for stage in stages for region in stage.regions)
    return held, sum(s.fold.parallel_inputs * s.fold.parallel_outputs for s in stages)


def measured(count: int, options: argparse.Namespace, folder: Path) -> dict[str, int]:
    """One design, simulated and synthesised."""
    rng = np.random.default_rng(count)
    books = [rng.integers(-8, 8, (SHAPES, CODE.count)) for _ in options.sizes[1:]]
    networks = [network(rng, books, options.sizes) for _ in range(count)]
    program = join_heads(networks, writable=options.writable)
    inputs, outputs = options.parallel
    schedule = Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs)
    design = kanhw.generate(program, folder, schedule=schedule, interface="axi4-stream")
    codes = rng.integers(CODE.lo, CODE.hi + 1, (options.vectors, options.sizes[0]))
    report = check_design(
        design.path,
        codes,
        heads=rng.integers(0, count, len(codes)),
        engine="fast",
        stalls=False,
    )
    if not report.passed or report.cycles_per_inference != design.initiation_interval:
        sys.exit(f"{count} heads: {report.problems}, {report.cycles_per_inference} clocks a vector")
    estimate = kanhw.estimate(design, options.target)
    with unbuilt():
        held, copies = stored(program, schedule)
    return {
        "heads": count,
        "lut": estimate.lut,
        "ff": estimate.ff,
        "dsp": estimate.dsp,
        "bram": estimate.bram,
        "head_bits": held * (count + options.writable),
        "shape_bits": SHAPES * CODE.count * 4 * copies,
        "clocks": design.initiation_interval,
    }


def main() -> None:
    """Print a row per number of heads."""
    parser = argument_parser(__doc__, json_file=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 16, 10])
    parser.add_argument("--heads", type=int, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--parallel", type=int, nargs=2, default=[2, 2], help="inputs and outputs")
    parser.add_argument("--vectors", type=int, default=1000)
    parser.add_argument("--writable", action="store_true")
    parser.add_argument("--target", default="ecp5")
    options = parser.parse_args()
    print(environment_line(), end=f", {options.target}, {options.vectors} vectors each\n\n")
    head = ("heads", "LUT", "FF", "DSP", "block RAM", "bits of heads", "of shapes", "clocks")
    table, rows = Table(head, (5, 6, 6, 4, 9, 13, 9, 6)), []
    for count in options.heads:
        with tempfile.TemporaryDirectory() as folder:
            row = measured(count, options, Path(folder) / "design")
        table.add(*row.values())
        rows.append(row)
    write_results(options.json, rows)


if __name__ == "__main__":
    main()
