"""``kanhw quantize MODEL --calibration DATA.npz --out PROGRAM``."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from kanhw.cli.common import (
    Commands,
    add_command,
    add_force,
    add_model,
    add_reading,
    given_options,
    load_given,
    show,
)
from kanhw.cli.quality import measure
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.model.network import KanModel
    from kanhw.program import Labels
    from kanhw.quant.config import QuantConfig

# By flag; fields of groups are written in one word (kanhw.quant.config.grouped.flat_names).
_HELP = {
    "base_bits": "bits of base weights, 1 to 12 (default: 8, and 12 in edge tables, whose size "
    "does not depend on it)",
    "spline_bits": "bits of spline coefficients, 1 to 12 (default: likewise)",
    "activation_bits": "bits of the codes between layers, 1 to 16 (beyond 12: evaluators)",
    "input_bits": "bits of the input codes, 1 to 16, those of every feature, as 6,6,4, or auto: "
    "as activations, and two more where these are 8 to 10, features are measured values, "
    "outputs are no classes, and tables of at most 64 edges read them",
    "basis_bits": "bits of basis values, 1 to 14",
    "base_table_bits": "bits of base activation values, 2 to 14",
    "table_bits": "bits of edge table entries, 2 to 16 (default: activation bits + 3)",
    "norm_bits": "bits of the codes in front of a normalisation, 4 to 14",
    "product_bits": "bits of the codes that are multiplied, 4 to 16",
    "multiplier_bits": "bits of the integers that join the branches, 4 to 24",
    "weight_calibration": "how weight ranges are chosen",
    "activation_calibration": "how activation ranges are chosen",
    "percentile": "share of values that 'percentile' keeps inside",
    "weight_granularity": "one weight scale per tensor or per output channel",
    "activation_granularity": "one activation scale per tensor or per feature",
    "input_granularity": "one scale for all features, per group of alike ranges, or per feature",
    "output_granularity": "one unit for all outputs, so that codes can be compared, or one each",
    "symmetric_activations": "centre activation ranges on zero",
    "branch_inputs": "one input code for both branches, or one each",
    "norms": "normalise exactly at run time, or with the calibration data's statistics",
    "realisation": "a table per edge, basis tables and coefficients, shapes that edges share, or "
    "splines by arithmetic",
    "evaluator_pieces": "an evaluator's functions by arithmetic, or from one half table",
    "evaluator_alignment": "fit scales to cells of 2**D codes in front of evaluators (default)",
    "codebook_size": "the most shapes of a codebook, 2 to 4096",
    "codebook_clustering": "edges share a shape by their coefficients or by their functions",
    "codebook_weighting": "an error at a code counts as often as data hit it, or always alike",
    "codebook_scope": "a codebook for every layer, or one for the network",
    "codebook_gain": "what an edge multiplies its shape by",
    "codebook_bias": "an edge adds a bias to its shape (default)",
    "codebook_branches": "base branches apart from the shapes, or in them",
    "shape_bits": "bits of the entries of shapes, 2 to 14",
    "gain_bits": "bits of gains, 2 to 8",
    "bias_bits": "bits of biases, 2 to 12",
    "method": "how weights are rounded, or calibration data are made",
    "quantizer": "what learns in training",
    "shared_quantizers": "one weight step and one code for both branches of a layer",
    "damping": "of the Hessians of gptq: a share of their mean diagonal",
    "iterations": "steps of adaround, brecq and zeroq",
    "seed": "draws batches and halves of the data (adaround, brecq), the inputs that zeroq starts "
    "from, and the first centres of a codebook's clusters; nothing else is random",
}
LEARNED_WIDTHS = ("widths", "fabric_cost", "target")
"""Fields of learned widths, which only training knows."""

# Given to the command in another way, or of no use to it.
_TEXTS = [(end, texts) for texts in ("names", "units") for end in ("input", "output")]
_PYTHON_ONLY = ("layers", "quantizer", *LEARNED_WIDTHS)

__all__ = ["LEARNED_WIDTHS", "add_config", "add_parser", "chosen_config", "config_flags", "run"]


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
        "a checkpoint of EfficientKAN, FastKAN, PyKAN, KAGN ... (of torch.save, safetensors or "
        "npz, whatever its suffix), or a folder that holds one",
    )
    parser.add_argument(
        "--calibration",
        metavar="DATA",
        help="an npz file with x: real features [N, n_in], training data; or a csv; without it, "
        "the batch that a PyKAN checkpoint keeps, or none with --method zeroq",
    )
    parser.add_argument("--out", metavar="PROGRAM", required=True, help="the file to write")
    add_force(parser)
    add_reading(parser)
    for end, texts in _TEXTS:
        own = "feature_names" if (end, texts) == ("input", "names") else f"{end}_{texts}"
        parser.add_argument(
            f"--{end}-{texts}",
            metavar="A,B,...",
            help=f"{texts} of {end}s, which reports, manifest and Verilog show "
            f"(default: the array {own} of DATA.npz, if it has one)",
        )
    add_config(parser.add_argument_group("quantization"))


def add_config(
    group: argparse._ArgumentGroup,
    left_out: Collection[str] = _PYTHON_ONLY,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """The fields of a QuantConfig as flags, those that are left out aside.

    Parameters
    ----------
    group
        What they are added to.
    left_out
        Fields without a flag, by dotted names.
    changes
        Defaults that are others than a QuantConfig's.
    """
    from kanhw.quant.config import QuantConfig
    from kanhw.quant.config.grouped import flat_names

    group.add_argument(
        "--layer",
        metavar="NAME.FIELD=VALUE",
        action="append",
        default=[],
        help="a field that is different in one layer, such as layers.0.spline_bits=4 or "
        "layers.0.codebook.size=16",
    )
    flags, plain = flat_names(), QuantConfig().changed(changes or {})
    for name, hint in _hints().items():
        if name in left_out or name == "layers":
            continue
        word = flags.get(name, name)
        flag, default, help = "--" + word.replace("_", "-"), attrgetter(name)(plain), _HELP[word]
        if hint is bool:
            switch: Any = argparse.BooleanOptionalAction if default else "store_true"
            group.add_argument(flag, action=switch, default=default, help=help)
            continue
        help += "" if default is None else f" (default: {default})"
        if get_args(hint) and isinstance(get_args(hint)[0], str):
            group.add_argument(flag, choices=get_args(hint), default=default, help=help)
        else:
            kind: Any = float if hint is float else bits if name == "input_bits" else int
            group.add_argument(flag, type=kind, default=default, metavar="N", help=help)


def run(options: argparse.Namespace) -> int:
    """Quantize and save."""
    from kanhw.flow.generation import quantize
    from kanhw.flow.overwriting import PROGRAM, check_out
    from kanhw.model.network import KanModel
    from kanhw.program import save_program
    from kanhw.progress import terminal_progress

    inputs = (options.model, options.calibration)
    check_out(options.out, PROGRAM, force=options.force, inputs=inputs)
    config = _comparing(chosen_config(options), options.calibration)
    model = load_given(options)
    if not isinstance(model, KanModel):
        raise InputError(f"{options.model} is quantized already: give it to 'kanhw generate'")
    x = _calibration(options)
    _check_columns(options, model, x)
    labels = _labels(options)
    with terminal_progress(quiet=options.json) as progress:
        program = quantize(model, x, config, labels=labels, progress=progress)
    save_program(program, options.out)
    kinds = [layer.kind for layer in program.layers]
    measured, lines = measure(model, program, x, options.calibration)
    show(
        options,
        {
            "program": str(options.out),
            "n_in": program.n_in,
            "n_out": program.n_out,
            "active_edges": program.active_edges,
            "realisations": kinds,
            "source": program.source,
            "quality": measured,
        },
        f"{program.source}\n{options.out}: {program.n_in} inputs, {program.n_out} outputs, "
        f"{program.active_edges} edges, layers as {', '.join(kinds)}\n" + "\n".join(lines),
    )
    return 0


def chosen_config(
    options: argparse.Namespace, left_out: Collection[str] = _PYTHON_ONLY
) -> QuantConfig:
    """The config that the flags of :func:`add_config` say."""
    from kanhw.quant.config import QuantConfig
    from kanhw.quant.config.grouped import flat_names

    flags = flat_names()
    names = [name for name in _hints() if name not in left_out and name != "layers"]
    chosen = {name: getattr(options, flags.get(name, name)) for name in names}
    return QuantConfig().changed({**chosen, "layers": _layers(options.layer)})


def config_flags(left_out: Collection[str] = _PYTHON_ONLY) -> list[str]:
    """The names of the flags of :func:`add_config`, as options hold them."""
    from kanhw.quant.config.grouped import flat_names

    flags = flat_names()
    names = [name for name in _hints() if name not in left_out and name != "layers"]
    return ["layer", *(flags.get(name, name) for name in names)]


def _check_columns(options: argparse.Namespace, model: KanModel, calibration: Any) -> None:
    """Say which option chooses columns, where PyKAN's prune_input took some away."""
    shape: tuple[int, ...] = getattr(calibration, "shape", ())
    if "prune_input" in model.source and len(shape) == 2 and shape[1] > model.n_in:
        raise InputError(
            f"{options.calibration} has {shape[1]} columns, but prune_input left {model.n_in} of "
            "them to the network, and no file tells which: name them, as in --option input_ids=0,2"
        )


def _labels(options: argparse.Namespace) -> Labels:
    """Names and units as they are given, or as the calibration file has them."""
    from kanhw.files import read_texts
    from kanhw.program import Labels

    arrays = {
        "inputs": ("input_names", "feature_names"),
        "outputs": ("output_names", "output_names"),
        "input_units": ("input_units", "input_units"),
        "output_units": ("output_units", "output_units"),
    }
    path = options.calibration
    names = [name for _, name in arrays.values()]
    found = {} if path is None else read_texts(path, names)
    labels: dict[str, Any] = {}
    for field, (option, name) in arrays.items():
        given = getattr(options, option)
        labels[field] = found.get(name) if given is None else tuple(given.split(","))
    return Labels(**labels)


def _layers(changes: list[str]) -> dict[str, dict[str, Any]]:
    """``NAME.FIELD=VALUE`` as the mapping that QuantConfig takes."""
    hints = _hints()
    groups = {name.partition(".")[0] for name in hints if "." in name}
    layers: dict[str, dict[str, Any]] = {}
    for change in changes:
        path, equals, text = change.partition("=")
        name, dot, field = path.rpartition(".")
        before, _, group = name.rpartition(".")
        if group in groups:
            name, field = before, f"{group}.{field}"
        if not (equals and dot and name) or field.isdigit():
            raise InputError(
                f"--layer takes NAME.FIELD=VALUE, as in layers.0.spline_bits=4, not {change!r}"
            )
        value: Any = text
        hint = hints.get(field)
        if hint is bool and text in ("True", "False"):
            value = text == "True"
        elif field == "activation_bits" and "," in text:
            value = tuple(_number(part, change) for part in text.split(","))
        elif hint is float or int in (hint, *get_args(hint)):
            value = _number(text, change)
        layers.setdefault(name, {})[field] = value
    return layers


def _hints() -> dict[str, Any]:
    """The type of every field of a config, by its name; those of groups by dotted names."""
    from kanhw.quant.config import QuantConfig
    from kanhw.quant.config.grouped import GROUPS

    hints: dict[str, Any] = {}
    for name, hint in get_type_hints(QuantConfig).items():
        if name in GROUPS:
            own = get_type_hints(GROUPS[name])
            hints.update({f"{name}.{field}": kind for field, kind in own.items()})
        else:
            hints[name] = hint
    return hints


def bits(text: str) -> int | str | tuple[int, ...]:
    """One number of bits, one for every feature, or ``auto``."""
    if text == "auto":
        return text
    try:
        each = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"takes a number of bits, one for each feature as 6,6,4, or auto, not {text!r}"
        ) from None
    return each if len(each) > 1 else each[0]


def _number(text: str, change: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise InputError(f"--layer {change}: {text!r} is no number") from None


def _comparing(config: QuantConfig, path: str | None) -> QuantConfig:
    """The config with one unit for all outputs where the data name classes: these are compared."""
    from kanhw.files import read_arrays

    if path is None or config.output_granularity != "auto" or "labels" not in read_arrays(path):
        return config
    return config.changed({"output_granularity": "tensor"})


def _calibration(options: argparse.Namespace) -> Any:
    """The calibration data that were named, or those that the checkpoint brings; None for zeroq."""
    from kanhw.files import read_arrays
    from kanhw.importers.pykan.network import calibration_data

    if options.calibration is not None:
        return read_arrays(options.calibration)["x"]
    if options.method == "zeroq":
        return None
    given = given_options(options)
    saved = calibration_data(options.model, **given)
    if saved is not None and {"input_mean", "input_std"} & set(given):
        raise InputError(
            f"{options.model} brings a batch behind its normalisation, which --input-mean and "
            "--input-std fold in: pass --calibration DATA.npz, in physical units"
        )
    if saved is None:
        raise InputError(
            f"{options.model} brings no calibration data: pass --calibration DATA.npz, an npz file "
            "with x (training data)"
        )
    return saved
