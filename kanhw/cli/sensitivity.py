"""``kanhw sensitivity MODEL --calibration DATA.npz``."""

from __future__ import annotations

import argparse

from kanhw.cli.common import Commands, Parser, add_command, add_model, add_reading, show
from kanhw.cli.data import finite, float_model, held_out_data, integers
from kanhw.cli.quantize import LEARNED_WIDTHS, add_config, chosen_config

__all__ = ["WITHOUT_BITS", "add_data", "add_parser", "run"]

# Bits are what is tried; codebooks and evaluated splines have none that could be.
WITHOUT_BITS = (
    *(f"{name}_bits" for name in ("base", "spline", "activation", "basis", "base_table", "table")),
    *(f"codebook.{name}" for name in ("size", "clustering", "weighting", "scope", "gain")),
    *(f"codebook.{name}" for name in ("bias", "branches", "shape_bits", "gain_bits", "bias_bits")),
    "evaluator.pieces",
    "evaluator.alignment",
    "quantizer",
    *LEARNED_WIDTHS,
)


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "sensitivity",
        "measure what every branch of every layer loses with few bits",
        "kanhw sensitivity model.pt --calibration train.npz --bits 2,3,4",
        run,
    )
    add_data(parser)
    parser.add_argument(
        "--bits", type=integers, default=(2, 3, 4), metavar="N,N", help="to try (default: 2,3,4)"
    )
    parser.add_argument(
        "--rest", type=int, default=8, metavar="N", help="bits of all else (default: 8)"
    )
    parser.add_argument(
        "--branches",
        default="base,spline,basis,activation",
        metavar="NAME,NAME",
        help="of base, spline, basis, table, activation (default: all but table)",
    )
    add_config(parser.add_argument_group("quantization"), WITHOUT_BITS)


def add_data(parser: Parser) -> None:
    """The model, calibration data, and data to measure on."""
    add_model(parser, "a float checkpoint, as 'kanhw quantize' reads it")
    add_reading(parser)
    parser.add_argument(
        "--calibration",
        metavar="DATA.npz",
        required=True,
        help="x: features [N, n_in], training data; optional labels, for accuracies",
    )
    parser.add_argument(
        "--held-out",
        metavar="DATA.npz",
        help="x and optional labels to measure on (default: a fifth of the calibration data, "
        "split off at random by --seed)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print a table."""
    from kanhw.quant import sensitivity

    config = chosen_config(options, WITHOUT_BITS)
    model = float_model(options)
    calibration, held_out, where = held_out_data(options)
    found = sensitivity(
        model,
        calibration["x"],
        held_out["x"],
        held_out.get("labels"),
        config,
        options.bits,
        rest=options.rest,
        branches=tuple(options.branches.split(",")),
    )
    rows = [
        {**row, "loss": finite(row["loss"]), "increase": finite(row["increase"])}
        for row in found.table()
    ]
    data = {
        "rows": rows,
        "rest": found.rest,
        "reference_loss": found.reference_loss,
        "reference_accuracy": found.reference_accuracy,
        "held_out": where,
    }
    what = "loss: mean squared change of the outputs over their variance"
    show(options, data, f"{found.markdown()}\n{what}; on {where}")
    return 0
