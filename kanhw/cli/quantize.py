"""``kanhw quantize MODEL --calibration DATA.npz --out PROGRAM``."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, get_args, get_type_hints

from kanhw.cli.common import Commands, add_command, add_model, given_options, load_given, show
from kanhw.errors import InputError

_HELP = {
    "base_bits": "bits of base weights, 1 to 12",
    "spline_bits": "bits of spline coefficients, 1 to 12",
    "activation_bits": "bits of the codes between layers, 1 to 12",
    "input_bits": "bits of the input codes, 1 to 12 (default: as activations)",
    "basis_bits": "bits of basis table values, 1 to 14",
    "base_table_bits": "bits of the tabulated base activation, 2 to 14",
    "table_bits": "bits of edge table entries, 2 to 16 (default: activation bits + 3)",
    "norm_bits": "bits of the codes in front of a normalisation, 4 to 14",
    "product_bits": "bits of the codes that are multiplied, 4 to 16",
    "multiplier_bits": "bits of the integers that join the branches, 4 to 24",
    "weight_calibration": "how weight ranges are chosen",
    "activation_calibration": "how activation ranges are chosen",
    "percentile": "share of values that 'percentile' keeps inside",
    "weight_granularity": "one weight scale per tensor or per output channel",
    "activation_granularity": "one activation scale per tensor or per feature",
    "symmetric_activations": "centre activation ranges on zero",
    "branch_inputs": "one input code for both branches, or one each",
    "norms": "normalise exactly at run time, or with the calibration data's statistics",
    "realisation": "a table per edge, or basis tables and coefficients",
}


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "quantize",
        "quantize a float model to a Program of integers",
        "kanhw quantize model.pt --calibration train.npz --activation-bits 6 --out kan.safetensors",
        run,
    )
    add_model(
        parser,
        "a checkpoint of EfficientKAN, FastKAN, PyKAN, KAGN ... (.pt, .safetensors, .npz), or a "
        "folder that holds one",
    )
    parser.add_argument(
        "--calibration",
        metavar="DATA.npz",
        help="an npz file with x: real features [N, n_in], training data; without it, the batch "
        "that a PyKAN checkpoint keeps",
    )
    parser.add_argument("--out", metavar="PROGRAM", required=True, help="the file to write")
    _add_config(parser.add_argument_group("quantization"))


def _add_config(group: argparse._ArgumentGroup) -> None:
    from kanhw.quant.config import QuantConfig

    hints = get_type_hints(QuantConfig)
    for field in dataclasses.fields(QuantConfig):
        flag = "--" + field.name.replace("_", "-")
        hint, default, help = hints[field.name], field.default, _HELP[field.name]
        if hint is bool:
            group.add_argument(flag, action="store_true", help=help)
            continue
        help += "" if default is None else f" (default: {default})"
        if get_args(hint) and isinstance(get_args(hint)[0], str):
            group.add_argument(flag, choices=get_args(hint), default=default, help=help)
        else:
            kind = float if hint is float else int
            group.add_argument(flag, type=kind, default=default, metavar="N", help=help)


def run(options: argparse.Namespace) -> int:
    """Quantize and save."""
    from kanhw.files import check_place
    from kanhw.flow import quantize
    from kanhw.model import KanModel
    from kanhw.program import save_program
    from kanhw.quant.config import QuantConfig

    check_place(options.out)
    names = [field.name for field in dataclasses.fields(QuantConfig)]
    config = QuantConfig(**{name: getattr(options, name) for name in names})
    model = load_given(options)
    if not isinstance(model, KanModel):
        raise InputError(f"{options.model} is quantized already: give it to 'kanhw generate'")
    program = quantize(model, _calibration(options), config)
    save_program(program, options.out)
    kinds = [layer.kind for layer in program.layers]
    show(
        options,
        {
            "program": str(options.out),
            "n_in": program.n_in,
            "n_out": program.n_out,
            "active_edges": program.active_edges,
            "realisations": kinds,
            "source": program.source,
        },
        f"{program.source}\n{options.out}: {program.n_in} inputs, {program.n_out} outputs, "
        f"{program.active_edges} edges, layers as {', '.join(kinds)}",
    )
    return 0


def _calibration(options: argparse.Namespace) -> Any:
    """The calibration data that were named, or those that the checkpoint brings."""
    from kanhw.files import read_arrays
    from kanhw.importers.pykan import calibration_data

    if options.calibration is not None:
        return read_arrays(options.calibration)["x"]
    saved = calibration_data(options.model, **given_options(options))
    if saved is None:
        raise InputError(
            f"{options.model} brings no calibration data: pass --calibration DATA.npz, an npz file "
            "with x (training data)"
        )
    return saved
