"""``kanhw simulate DIR --vectors DATA.npz``."""

from __future__ import annotations

import argparse
from pathlib import Path

from kanhw.cli.common import Commands, add_command, add_force, show
from kanhw.targets.table import names_of_simulated


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "simulate",
        "simulate a design and compare every output with its Program",
        "kanhw simulate design --vectors test.npz",
        run,
    )
    parser.add_argument("design", metavar="DIR", help="a folder made by 'kanhw generate'")
    parser.add_argument(
        "--vectors",
        metavar="DATA.npz",
        required=True,
        help="x: features (or codes); optional y: outputs to reproduce if they are codes, else an "
        "error figure; optional labels",
    )
    integers = parser.add_mutually_exclusive_group()
    for word, meaning in (("codes", "the network's codes"), ("reals", "values that are whole")):
        integers.add_argument(
            f"--{word}",
            dest="integers",
            action="store_const",
            const=word,
            help=f"integers in x and y are {meaning}",
        )
    parser.add_argument(
        "--engine",
        choices=("auto", "cocotb", "fast", "exact", "native"),
        default="auto",
        help="cocotb with the stream rules checked, Verilator without Python, or cocotb unless "
        "that would take many minutes (default: auto); C++ for HLS: exact widths, or native "
        "integers of 64 bits where these would take long",
    )
    parser.add_argument(
        "--netlist",
        metavar="TARGET",
        help=f"synthesise for a target first and simulate the cells: {names_of_simulated()}",
    )
    parser.add_argument("--simulator", help="icarus, verilator or a path (default: what is found)")
    parser.add_argument("--no-stalls", action="store_true", help="never pause either end")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="draws the clocks in which the sender offers nothing and those in which the consumer "
        "is not ready (default: 1); vectors are not drawn",
    )
    add_force(parser)
    parser.add_argument("--waves", metavar="FILE", type=Path, help="write waves (cocotb)")
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="also keep the result here")
    parser.add_argument(
        "--outputs", metavar="FILE.npz", type=Path, help="write what the hardware gave, as y"
    )


def run(options: argparse.Namespace) -> int:
    """Simulate; status 1 on any difference."""
    from kanhw.files import write_arrays, write_json
    from kanhw.flow.overwriting import OUTPUTS, SIMULATION, check_out
    from kanhw.flow.verification import simulate
    from kanhw.progress import terminal_progress

    for path, product in ((options.out, SIMULATION), (options.outputs, OUTPUTS)):
        check_out(path, product, force=options.force, inputs=[options.vectors])
    through = f" through its {options.netlist} netlist" if options.netlist else ""
    with (
        terminal_progress(quiet=options.json) as progress,
        progress.step(f"simulate {options.design}{through}"),
    ):
        result = simulate(
            options.design,
            options.vectors,
            integers=options.integers,
            engine=options.engine,
            simulator=options.simulator,
            stalls=not options.no_stalls,
            seed=options.seed,
            waves=options.waves,
            netlist=options.netlist,
        )
    data = result.to_json()
    if options.out:
        write_json(options.out, data)
    if options.outputs:
        write_arrays(options.outputs, y=result.outputs)
    report = result.equivalence
    verdict = "passed" if result.passed else "FAILED"
    engine = f"{report.simulator} {report.simulator_version}"
    if report.engine in ("exact", "native"):
        engine += f" with {report.engine} integers"
    what = f" through its {result.netlist} netlist" if result.netlist else ""
    text = [
        f"{verdict}: {report.vectors} vectors{what} on {engine}, {report.mismatches} outputs differ"
    ]
    text += [f"  {problem}" for problem in report.problems]
    if result.accuracy is not None:
        text.append(f"  accuracy {100 * result.accuracy:.2f} %")
    if result.max_error is not None and result.error_of_range is not None:
        text.append(
            f"  largest error against y {result.max_error:.4g} "
            f"({100 * result.error_of_range:.2f} % of its range)"
        )
    text += [f"warning: {line}" for line in result.warnings]
    show(options, data, "\n".join(text))
    return 0 if result.passed else 1
