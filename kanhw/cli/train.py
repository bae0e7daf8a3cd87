"""``kanhw train MODEL --data DATA.npz --out PROGRAM``, and with learned widths ``--out DIR``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kanhw.cli.common import Commands, add_command, add_force, add_model, add_reading, show
from kanhw.cli.data import HELD_OUT_SHARE, float_model, targets_in
from kanhw.cli.fabric.learned_widths import (
    add_fabric,
    refuse_chosen,
    refuse_without,
    run_fabric,
)
from kanhw.cli.quantize import LEARNED_WIDTHS, add_config, chosen_config, config_flags

if TYPE_CHECKING:
    from kanhw.flow.fitting.training_run import TrainedProgram
    from kanhw.program import Program
    from kanhw.quant import Training
    from kanhw.quant.training import Measured

_DEFAULTS = {
    "epochs": 50,
    "learning_rate": 0.001,
    "batch_size": 64,
    "patience": 10,
    "seed": 0,
}
# What training does not know: how weights are rounded after it, and evaluated splines.
_LEFT_OUT = (
    "method",
    "damping",
    "iterations",
    "seed",
    "evaluator.pieces",
    "evaluator.alignment",
    *LEARNED_WIDTHS,
)


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "train",
        "train a float model with the rounding that is deployed, to a Program of integers",
        "kanhw train model.pt --data train.npz --activation-bits 4 --out kan.safetensors",
        run,
    )
    add_model(
        parser,
        "a float checkpoint, as 'kanhw quantize' reads it; with --fabric-cost also a shape such as "
        "16-3-7 or 1x8x8-4@3x3-max2x2-10",
    )
    add_reading(parser)
    parser.add_argument(
        "--data",
        metavar="DATA.npz",
        required=True,
        help="x: features [N, n_in]; labels or y: classes as integers, or reals [N, n_out]",
    )
    parser.add_argument("--targets", metavar="NAME", help="the array of targets in DATA.npz")
    parser.add_argument(
        "--out",
        metavar="PROGRAM|DIR",
        required=True,
        help="the file to write; with --fabric-cost the folder, where the same command goes on if "
        "it was ended",
    )
    add_force(parser)
    group = parser.add_argument_group("training")
    for flag, kind, what in (
        ("--epochs", int, "the most passes over the data; of 12,000 steps with --fabric-cost"),
        ("--learning-rate", float, "of Adam at the start, 0.01 with --fabric-cost"),
        ("--batch-size", int, "samples of a step, 256 with --fabric-cost"),
        ("--patience", int, "epochs without a smaller validation loss before it stops"),
        ("--seed", int, "of the split, the order of the samples, and codebooks"),
    ):
        default = _DEFAULTS[flag[2:].replace("-", "_")]
        help = f"{what} (default: {default})"
        group.add_argument(flag, type=kind, metavar="N", help=help)
    group.add_argument(
        "--validation",
        type=float,
        default=HELD_OUT_SHARE,
        metavar="SHARE",
        help=f"share of the data, split off at random (default: {HELD_OUT_SHARE})",
    )
    add_fabric(parser)
    # Started at the calibrated ranges, a short training loses nothing by where it starts.
    add_config(parser.add_argument_group("quantization"), _LEFT_OUT, {"quantizer": "lsq+"})


def run(options: argparse.Namespace) -> int:
    """Train and save."""
    if options.fabric_cost is not None:
        refuse_chosen(options, ("patience", *config_flags(_LEFT_OUT)))
        return run_fabric(options)
    refuse_without(options)
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Train with the widths that were chosen."""
    from dataclasses import replace

    from kanhw.files import read_arrays
    from kanhw.flow.fitting.training_run import train_program
    from kanhw.flow.overwriting import PROGRAM, check_out
    from kanhw.program import save_program
    from kanhw.progress import Progress

    inputs = (options.model, options.data)
    check_out(options.out, PROGRAM, force=options.force, inputs=inputs)
    for name, value in _DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    config = replace(chosen_config(options, _LEFT_OUT), seed=options.seed)
    model = float_model(options)
    arrays = read_arrays(options.data)
    targets = targets_in(arrays, options.data, options.targets)
    with (
        Progress(quiet=options.json) as progress,
        progress.step("training", of=options.epochs) as advance,
    ):
        trained = train_program(
            model,
            arrays["x"],
            targets,
            config,
            share=options.validation,
            seed=options.seed,
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            batch_size=options.batch_size,
            patience=options.patience,
            on_epoch=lambda *_: advance(),
        )
    program = trained.program
    save_program(program, options.out)
    data = {
        "program": str(options.out),
        "n_in": program.n_in,
        "n_out": program.n_out,
        "active_edges": program.active_edges,
        "realisations": [layer.kind for layer in program.layers],
        "source": program.source,
        "seed": options.seed,
        **trained.to_json(),
    }
    show(options, data, "\n".join(_lines(options, program, trained)))
    return 0


def _lines(options: argparse.Namespace, program: Program, trained: TrainedProgram) -> list[str]:
    training, kinds = trained.training, ", ".join(layer.kind for layer in program.layers)
    early = f", stopped early after {len(training.losses)}" if training.stopped_early else ""
    measured = (
        f"epoch {training.kept_epoch} of {options.epochs} kept{early}; trained on "
        f"{trained.samples} samples, measured on {trained.validation_samples} that were split off "
        f"(seed {options.seed}):"
    )
    lines = [
        program.source,
        f"{training.task}: loss {training.loss}, metric {training.metric}",
        measured,
    ]
    names: dict[str, str] = {
        "float": "float",
        "rounded": "rounded without training",
        "trained": "trained, in integers",
    }
    for name, figure in trained.figures.items():
        lines.append(f"  {names[name]:<26} loss {figure.loss:<12.6g} {_metric(training, figure)}")
    if not trained.helped:
        lines.append(
            "  rounding alone does better here: try more --epochs, another --learning-rate or "
            "--quantizer, or 'kanhw quantize'"
        )
    lines.append(
        f"{options.out}: {program.n_in} inputs, {program.n_out} outputs, {program.active_edges} "
        f"edges, layers as {kinds}"
    )
    return lines


def _metric(training: Training, figure: Measured) -> str:
    if training.metric == "accuracy":
        return f"accuracy {100 * figure.metric:.2f} %"
    return f"{training.metric} {figure.metric:.4f}"
