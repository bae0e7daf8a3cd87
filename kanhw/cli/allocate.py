"""``kanhw allocate MODEL --calibration DATA.npz --budget bits=N --out PROGRAM``."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

from kanhw.cli.common import Commands, add_command, add_force, show
from kanhw.cli.data import float_model, held_out_data, integers
from kanhw.cli.quantize import add_config, chosen_config
from kanhw.cli.sensitivity import WITHOUT_BITS, add_data
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.quant import BitBudget


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    from kanhw.quant.allocation.allocation import Criterion

    parser = add_command(
        commands,
        "allocate",
        "choose the bits of every branch of every layer under a budget, to a Program of integers",
        "kanhw allocate model.pt --calibration train.npz --budget bits=20000 --out kan.safetensors",
        run,
    )
    add_data(parser)
    parser.add_argument(
        "--budget",
        metavar="WHAT=N",
        required=True,
        help="the most of one of: bits (of all parameters), unrolled_luts, bit_operations, "
        "operation_energy_45nm_pj",
    )
    parser.add_argument(
        "--choices",
        type=integers,
        default=(2, 3, 4, 5, 6, 8),
        metavar="N,N",
        help="bits to choose from (default: 2,3,4,5,6,8)",
    )
    parser.add_argument(
        "--criterion",
        choices=get_args(Criterion),
        default="sensitivity",
        help="losses are measured, or estimated from Hessians (default: sensitivity)",
    )
    parser.add_argument("--out", metavar="PROGRAM", required=True, help="the file to write")
    add_force(parser)
    add_config(parser.add_argument_group("quantization"), WITHOUT_BITS)


def run(options: argparse.Namespace) -> int:
    """Choose, save, and print a table."""
    from kanhw.flow.overwriting import PROGRAM, check_out
    from kanhw.program import save_program
    from kanhw.quant import allocate

    inputs = (options.model, options.calibration)
    check_out(options.out, PROGRAM, force=options.force, inputs=inputs)
    budget = _budget(options.budget)
    config = chosen_config(options, WITHOUT_BITS)
    model = float_model(options)
    calibration, held_out, where = held_out_data(options)
    found = allocate(
        model,
        calibration["x"],
        held_out["x"],
        budget,
        options.criterion,
        held_out.get("labels"),
        config,
        options.choices,
    )
    save_program(found.program, options.out)
    data = {
        "program": str(options.out),
        "layers": found.table(),
        "budget": {budget.what: budget.limit},
        "costs": asdict(found.costs),
        "origin": found.origin,
        "loss": found.verified_loss,
        "uniform_loss": found.uniform_loss,
        "uniform_bits": found.uniform_bits,
        "held_out": where,
    }
    show(options, data, f"{found.markdown()}\non {where}\n{options.out}: written")
    return 0


def _budget(text: str) -> BitBudget:
    """``WHAT=N`` as a budget."""
    from dataclasses import fields

    from kanhw.quant import BitBudget

    what, equals, number = text.partition("=")
    kinds = [field.name for field in fields(BitBudget)]
    try:
        limit = float(number)
    except ValueError:
        limit = math.nan
    if not equals or what not in kinds or math.isnan(limit):
        raise InputError(f"--budget takes WHAT=N, one of {', '.join(kinds)}, not {text!r}")
    return BitBudget(**{what: limit})
