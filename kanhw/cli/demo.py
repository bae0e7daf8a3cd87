"""``kanhw demo --out DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kanhw.cli.common import Commands, add_command, show


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "demo",
        "train a KAN on digits and take it all the way to verified Verilog",
        "kanhw demo --out demo-output",
        run,
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("kanhw-demo"), help="the folder to make"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="draws which digits are for testing, the first weights of the network, and the order "
        "of the samples in training (default: 0)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; status 1 if the Verilog differs from its Program."""
    from kanhw.flow.demonstration import run_demonstration
    from kanhw.reports.terminal import summary_table, summary_text

    result = run_demonstration(options.out, seed=options.seed, quiet=options.json)
    if sys.stdout.isatty() and not options.json:
        from rich.console import Console

        Console().print(summary_table(result.summary))
        print(f"report: {result.report}")
    else:
        text = f"{summary_text(result.summary)}\nreport: {result.report}"
        show(options, result.to_json(), text)
    return 0 if result.passed else 1
