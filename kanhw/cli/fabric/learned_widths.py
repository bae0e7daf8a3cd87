"""``kanhw train MODEL|SHAPE --data DATA.npz --fabric-cost lut --out DIR``: the front."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.cli.common import show
from kanhw.cli.data import float_model, integers, targets_in, two_reals
from kanhw.errors import InputError
from kanhw.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kanhw.flow.fitting.fabric_run import TrainedFront
    from kanhw.model.network import KanModel
    from kanhw.quant.fabric.stages import RunState
    from kanhw.quant.fabric.training import FabricTraining

__all__ = ["add_fabric", "refuse_chosen", "refuse_without", "run_fabric"]

# A line is said of the front as it is now whenever costs have fallen by this share.
_SAID_EVERY = 0.9
_SWITCHES = ("encoder", "merge_tables")
_SETTINGS = ("target", "fabric", "seeds", "folds", "starts", "jitter", "pressure", "most_bits")
_NAMES = ("at_most", "device", *_SWITCHES, *_SETTINGS)


def add_fabric(parser: argparse.ArgumentParser) -> None:
    """The options of learned widths."""
    group = parser.add_argument_group("learned widths (with --fabric-cost)")
    group.add_argument(
        "--fabric-cost",
        choices=("lut", "bram", "bit-operations"),
        help="learn all widths while this is kept small; MODEL may be a shape such as 16-3-7 or "
        "1x8x8-4@3x3-max2x2-10, and --out is a folder of points from cheap to good",
    )
    group.add_argument("--target", help="the FPGA family (default: xcup)")
    group.add_argument("--fabric", help="portable or ultrascale+ (default: portable)")
    group.add_argument("--at-most", type=float, metavar="COST", help="what it may cost at most")
    group.add_argument("--seeds", type=integers, metavar="A,B,...", help="trainings (default: 0)")
    group.add_argument(
        "--folds", type=int, metavar="K", help="every seed holds out another Kth of the data"
    )
    group.add_argument("--starts", type=int, metavar="N", help="random starts a seed (default: 8)")
    group.add_argument(
        "--jitter", type=float, metavar="SHARE", help="noise on features, in their deviations"
    )
    group.add_argument(
        "--pressure",
        type=two_reals,
        metavar="LOW,HIGH",
        help="the weight of a LUT at the start and at the end (default: by task and size)",
    )
    group.add_argument(
        "--most-bits", type=int, metavar="N", help="the most address bits, 1 to 8 (default: 6)"
    )
    group.add_argument(
        "--encoder",
        action="store_true",
        default=None,
        help="real inputs are encoded on chip, and the encoder counts",
    )
    group.add_argument(
        "--device", metavar="NAME", help="cpu or cuda: where steps are made (default: cpu)"
    )
    group.add_argument(
        "--merge-tables",
        action="store_true",
        default=None,
        help="tables of one output become one where that takes fewer LUTs, and cost as little",
    )


def run_fabric(options: argparse.Namespace) -> int:
    """Train, write the folder, and show its points."""
    from kanhw.files import read_arrays
    from kanhw.flow.fitting.fabric_run import train_for_fabric

    if options.folds is not None and options.validation != options.parser.get_default("validation"):
        raise InputError(
            f"--validation {options.validation:g} says nothing with --folds {options.folds}, where "
            "every seed holds out another part: leave one of them out"
        )
    arrays = read_arrays(options.data)
    targets = targets_in(arrays, options.data, options.targets)
    network = _network(options)
    given = {name: getattr(options, name) for name in ("device", *_SWITCHES, *_SETTINGS)}
    given |= {"learning_rate": options.learning_rate}
    given |= {"batch_size": options.batch_size, "epochs": options.epochs}
    if options.seeds is None and options.seed is not None:
        given["seeds"] = (options.seed,)
    with Progress(quiet=options.json) as progress, ExitStack() as steps:
        trained = train_for_fabric(
            network,
            arrays["x"],
            targets,
            out=options.out,
            validation=options.validation,
            force=options.force,
            on_epoch=_reporting(progress, steps),
            fabric_cost=options.fabric_cost,
            **{name: value for name, value in given.items() if value is not None},
        )
    best = trained.front.best(options.at_most)
    file = Path(options.out) / "points" / f"{best.name}.safetensors"
    data = {**trained.front.to_json(), "best": best.name, "program": str(file)}
    show(options, data, "\n".join(_lines(trained, options.at_most, file)))
    return 0


def refuse_without(options: argparse.Namespace) -> None:
    """Refuse options of learned widths where widths are not learned."""
    for name in _NAMES:
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} belongs to learned widths: add --fabric-cost, or "
                "leave it out"
            )


def refuse_chosen(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Refuse options that choose what is learned here."""
    for name in names:
        if getattr(options, name) != options.parser.get_default(name):
            raise InputError(
                f"--{name.replace('_', '-')} says nothing where widths are learned: leave it out, "
                "or train without --fabric-cost"
            )


def _network(options: argparse.Namespace) -> KanModel | str:
    """A shape if MODEL reads like one and is no file, else the float model of the file."""
    from kanhw.quant.fabric.learned.shape import is_shape

    model: str = options.model
    return model if is_shape(model) and not Path(model).exists() else float_model(options)


def _reporting(progress: Progress, steps: ExitStack) -> Callable[[FabricTraining, RunState], None]:
    """Says how far a training is, and what networks on the ramp are like."""
    said: dict[str, Any] = {"stage": "", "cost": float("inf"), "bar": None}

    def tell(training: FabricTraining, state: RunState) -> None:
        stages, count = training.stages, len(state.fitted.rows)
        if state.stage not in stages.epochs:
            progress.say(f"what {count} networks cost is counted")
            return
        if sys.stderr.isatty():
            if said["bar"] is None:
                whole = sum(stages.epochs.values())
                said["bar"] = steps.enter_context(progress.step("training", of=whole))
            said["bar"]()
        if state.stage != said["stage"]:
            said["stage"] = state.stage
            progress.say(f"{state.stage}: {count} networks, {stages.epochs[state.stage]} epochs")
        if not state.snapshots or state.stage != "ramp":
            return
        latest = {seed: own for (seed, _), own in state.snapshots.items()}.values()
        cost = sum(own.cost for own in latest) / len(latest)
        if cost <= said["cost"] * _SAID_EVERY:
            said["cost"] = cost
            merit = sum(own.merit for own in latest) / len(latest)
            progress.say(
                f"  epoch {state.epoch}: {cost:.0f} {training.networks.cost.unit}, "
                f"validation {_merit(training.task.metric, merit)}"
            )

    return tell


def _lines(trained: TrainedFront, at_most: float | None, file: Path) -> list[str]:
    front = trained.front
    unit = front.unit
    head = (
        f"{front.metric} on {front.validation_samples} validation samples, modelled {unit}; of "
        "every seed the best point at most so dear:"
    )
    lines = [
        head,
        f"  {'at most':>10} {unit:>10} {'mean':>10} {'sd':>8} {'seeds':>6}  best point",
    ]
    for own in front.limits():
        deviation = "-" if own.deviation is None else f"{100 * own.deviation:.2f}"
        lines.append(
            f"  {own.at_most:>10.1f} {own.cost:>10.1f} {_merit(front.metric, own.validation):>10} "
            f"{deviation:>8} {own.seeds:>6}  {own.best}"
        )
    best = front.best(at_most)
    lines.append(
        f"{best.name}: {best.cost:.1f} {unit}, validation "
        f"{_merit(front.metric, best.validation)}, {best.edges} edges; generate it with"
    )
    fabric, target = front.settings["fabric"], front.settings["target"]
    merged = f" --merge-tables {target}" if front.settings["merge_tables"] else ""
    lines.append(f"  kanhw generate {file} --fabric {fabric}{merged} --adder-levels 2 --out design")
    return lines


def _merit(metric: str, value: float) -> str:
    return f"{100 * value:.2f} %" if metric == "accuracy" else f"{value:.4f}"
