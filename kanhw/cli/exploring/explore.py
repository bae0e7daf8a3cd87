"""``kanhw explore MODEL --data DATA.npz --out DIR``, and ``kanhw explore DIR --write POINT``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kanhw.cli.common import (
    Commands,
    Parser,
    add_command,
    add_model,
    add_reading,
    load_given,
    show,
)
from kanhw.errors import InputError

if TYPE_CHECKING:
    from kanhw.exploration.answers.exploration import Exploration
    from kanhw.model.network import KanModel


def add_parser(commands: Commands) -> None:
    """Describe the command to argparse."""
    parser = add_command(
        commands,
        "explore",
        "measure quantizations and schedules of a model, and find those that no other beats",
        "kanhw explore model.pt --data train.npz --out exploration",
        run,
    )
    add_model(parser, "a float checkpoint, as 'kanhw quantize' reads it; with --write the folder")
    add_reading(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="the folder to make, or go on")
    parser.add_argument(
        "--write",
        metavar="POINT",
        help="make the Program, design, report and verification of a point of the folder MODEL",
    )
    _add_data(parser)
    _add_space(parser)
    _add_comparison(parser)
    _add_workers(parser)


def _add_data(parser: Parser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        metavar="DATA.npz",
        help="x: features [N, n_in]; labels or y: classes as integers, or reals [N, n_out]",
    )
    group.add_argument(
        "--held-out",
        metavar="DATA.npz",
        help="the same, to measure points on (default: a fifth of the data, split off at random by "
        "--seed)",
    )
    group.add_argument("--targets", metavar="NAME", help="the array of targets in DATA.npz")
    group.add_argument("--argmax", action="store_true", help="hand out the class index")


def _add_space(parser: Parser) -> None:
    from kanhw.exploration.space.defaults import SWEEPS
    from kanhw.exploration.space.sampling import SAMPLERS

    group = parser.add_argument_group("what is tried")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--space",
        metavar="SPACE.toml",
        help="values to try, docs/explore.md is the reference (default: bits, realisations and "
        "schedules that suit the model)",
    )
    which.add_argument(
        "--sweep",
        choices=tuple(SWEEPS),
        help="precision: bits of codes against bits of functions, all of them",
    )
    group.add_argument(
        "--sampler",
        choices=SAMPLERS,
        help="all points, or Optuna's samplers (default: grid where it has no more points than "
        "--points, else nsga2)",
    )
    group.add_argument(
        "--points", type=int, default=200, metavar="N", help="to sample (default: 200)"
    )
    group.add_argument(
        "--train",
        type=int,
        metavar="EPOCHS",
        help="also train every quantization with its rounding for so many epochs",
    )
    group.add_argument(
        "--seed", type=int, default=0, help="of the split and the sampler (default: 0)"
    )


def _add_comparison(parser: Parser) -> None:
    group = parser.add_argument_group("what is compared")
    group.add_argument(
        "--objectives",
        metavar="A,B,...",
        help="by which points are compared, of accuracy, rmse_of_deviation, parameter_bits, lut, "
        "bram, dsp, interval_cycles, latency_cycles, latency_ns, inferences_per_second, "
        "utilisation (default: the error, lut and, where schedules differ, interval_cycles)",
    )
    for flag, what in (("--at-most", "lut=2000"), ("--at-least", "accuracy=0.95")):
        group.add_argument(
            flag,
            metavar="NAME=N",
            action="append",
            default=[],
            help=f"a limit, such as {what}; may be repeated",
        )
    group.add_argument("--fit", metavar="BOARD", help="only what fits a board ('kanhw boards')")
    group.add_argument(
        "--clock-mhz",
        type=float,
        metavar="F",
        help="for times and rates (default: the oscillator of the board)",
    )


def _add_workers(parser: Parser) -> None:
    group = parser.add_argument_group("who computes")
    group.add_argument(
        "--processes", type=int, metavar="N", help="on this machine (default: one a processor)"
    )
    group.add_argument(
        "--dask", metavar="ADDRESS", help="the workers of a dask scheduler, as tcp://host:8786"
    )


def run(options: argparse.Namespace) -> int:
    """Explore, write the answers, and print the front."""
    from kanhw.exploration.answers.surfaces import surfaces_of, write_surfaces
    from kanhw.exploration.answers.tables import columns_of, text_table
    from kanhw.exploration.answers.writing import write_answers
    from kanhw.exploration.exploring import explore
    from kanhw.exploration.watching import Watch

    if options.write is not None:
        return _write(options)
    if options.data is None:
        raise InputError("--data is missing: give features and targets, as --data train.npz")
    arrays, held_out = _arrays(options.data, options), None
    if options.held_out is not None:
        held_out = _arrays(options.held_out, options)
    found = explore(
        _model(options),
        arrays,
        options.out,
        held_out=held_out,
        space=options.space,
        sweep=options.sweep,
        objectives=options.objectives.split(",") if options.objectives else None,
        sampler=options.sampler,
        points=options.points,
        at_most=_limits("--at-most", options.at_most),
        at_least=_limits("--at-least", options.at_least),
        fit=options.fit,
        clock_mhz=options.clock_mhz,
        argmax=options.argmax,
        seed=options.seed,
        train=options.train,
        processes=options.processes,
        dask=options.dask,
        watch=Watch(quiet=options.json),
    )
    surfaces = surfaces_of(found, options.sweep) if options.sweep else []
    written = [*write_answers(found), *write_surfaces(found, surfaces)]
    data = {**found.to_json(), "files": [str(path) for path in written]}
    if surfaces:
        data["surfaces"] = [surface.to_json() for surface in surfaces]
    tables = [text_table(found.front, columns_of(found.points), found.objectives)]
    tables += [surface.text() for surface in surfaces]
    show(options, data, "\n\n".join(tables) + f"\n\n{_summary(found)}")
    return 0


def _write(options: argparse.Namespace) -> int:
    """Make the design of a point; status 1 if it differs from its Program."""
    from kanhw.exploration.making import make_point
    from kanhw.progress import Progress

    if options.data is not None:
        raise InputError("--write needs no --data: the folder has the point's own")
    with Progress(quiet=options.json) as progress:
        made = make_point(options.model, options.write, options.out, progress=progress)
    checked = made.verification.equivalence
    verdict = "passed" if made.passed else "FAILED"
    own = made.synthesised
    counts = f"{own.lut} LUT, {own.bram} {own.bram_unit}, {own.dsp} DSP"
    samples = f"{checked.vectors} held-out samples simulated, {checked.mismatches} outputs differ"
    lines = [
        f"{made.folder}: point {made.point.short}, {made.point.configuration}",
        f"  {verdict}: {samples}",
        f"  synthesised for {own.target}: {counts}",
        *(f"warning: beyond the band of the model: {line}" for line in made.differences),
    ]
    show(options, made.to_json(), "\n".join(lines))
    return 0 if made.passed else 1


def _summary(found: Exploration) -> str:
    """What the front was chosen from."""
    kept = sum(each.kept for each in found.points)
    lines = [
        f"{len(found.front)} of {len(found.points)} points on the front"
        + (f", {kept} within the limits" if kept < len(found.points) - len(found.failed) else "")
        + (f", {len(found.failed)} failed" if found.failed else "")
    ]
    for error, count in _errors(found).items():
        lines.append(f"  {count} failed: {error}")
    return "\n".join(lines)


def _errors(found: Exploration) -> dict[str, int]:
    """The commonest errors, and how many points have each."""
    counts: dict[str, int] = {}
    for point in found.failed:
        counts[point.error] = counts.get(point.error, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1])[:_MOST_ERRORS])


_MOST_ERRORS = 3


def _model(options: argparse.Namespace) -> KanModel:
    from kanhw.model.network import KanModel

    model = load_given(options)
    if not isinstance(model, KanModel):
        raise InputError(f"{options.model} is quantized already: give the float model")
    return model


def _arrays(path: str, options: argparse.Namespace) -> dict[str, Any]:
    """Features and targets of a file."""
    from kanhw.files import read_arrays

    arrays = read_arrays(path)
    names = ("labels", "y") if options.targets is None else (options.targets,)
    found = [name for name in names if name in arrays]
    if options.targets is not None and not found:
        raise InputError(f"{path} has no {options.targets!r} (it has {', '.join(arrays)})")
    if len(found) > 1:
        raise InputError(f"{path} has both labels and y: say which with --targets labels or y")
    targets = {name: arrays[name] for name in found}
    if options.targets is not None and options.targets not in ("labels", "y"):
        own = targets[options.targets]
        targets = {"labels" if own.dtype.kind in "iu" and own.ndim == 1 else "y": own}
    return {"x": arrays["x"], **targets}


def _limits(flag: str, texts: list[str]) -> dict[str, float]:
    """``NAME=NUMBER`` as a mapping."""
    from kanhw.exploration.study.objectives import limit_from_text

    limits: dict[str, float] = {}
    for text in texts:
        limit = limit_from_text(text, most=flag == "--at-most")
        if limit.objective.name in limits:
            raise InputError(f"{flag} names {limit.objective.name} twice: leave one out")
        limits[limit.objective.name] = limit.bound
    return limits
