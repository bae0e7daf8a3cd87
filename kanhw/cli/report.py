"""``kanhw report DIR --out report.html``."""

from __future__ import annotations

import argparse
from pathlib import Path

from kanhw.cli.common import (
    Commands,
    add_command,
    add_force,
    add_option,
    add_reading,
    load_given,
    show,
)
from kanhw.errors import InputError


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "report",
        "sum a design up in one self-contained HTML file",
        "kanhw report design --model model.pt --data test.npz --simulation sim.json "
        "--estimate ecp5.json --out report.html",
        run,
    )
    parser.add_argument("design", metavar="DIR", help="a folder made by 'kanhw generate'")
    parser.add_argument("--out", metavar="FILE.html", type=Path, required=True)
    parser.add_argument("--title", metavar="TEXT", help="heading (default: where it came from)")
    parser.add_argument(
        "--date", metavar="TEXT", help="date of the report (default: today; '' leaves it out)"
    )
    parser.add_argument("--model", help="the float model: its curves and its accuracy")
    add_option(parser)
    add_reading(parser)
    add_force(parser)
    parser.add_argument("--data", metavar="DATA.npz", help="x and labels (or y) for the accuracy")
    parser.add_argument(
        "--outputs",
        metavar="FILE.npz",
        help="what 'kanhw simulate --outputs' wrote for the same data: the hardware's accuracy",
    )
    parser.add_argument(
        "--simulation", metavar="FILE.json", type=Path, action="append", default=[],
        help="what 'kanhw simulate --out' kept; may be repeated",
    )
    parser.add_argument(
        "--estimate", metavar="FILE.json", type=Path, action="append", default=[],
        help="what 'kanhw estimate --out' kept; may be repeated",
    )


def run(options: argparse.Namespace) -> int:
    """Write the report."""
    from datetime import date

    from kanhw.flow.overwriting import REPORT, check_out
    from kanhw.flow.reporting import report
    from kanhw.model.network import KanModel

    given = (options.model, options.data, options.outputs)
    inputs = (*given, *options.simulation, *options.estimate)
    check_out(options.out, REPORT, force=options.force, inputs=inputs)
    model = load_given(options) if options.model else None
    if model is not None and not isinstance(model, KanModel):
        raise InputError(
            f"{options.model} is an integer network: --model takes the float one that it came from"
        )
    path = report(
        options.design,
        options.out,
        model=model,
        data=options.data,
        outputs=options.outputs,
        simulations=options.simulation,
        estimates=options.estimate,
        title=options.title,
        date=date.today().isoformat() if options.date is None else options.date,
    )
    show(options, {"report": str(path)}, f"{path} written")
    return 0
