"""The front of sampled points against uniform choices: the same bits everywhere.

    python -m benchmarks.exploration.front [--dataset dry_bean] [--variant EfficientKAN]
        [--points 200] [--seed 0] [--processes 2] [--synthesise 0] [--out DIR]

Points are measured on the validation part, by accuracy and modelled LUTs of the unrolled network.
The uniform choices are 4, 5, 6 and 8 bits as edge tables and as basis tables. Printed are which of
them some point of the front dominates (is no worse in both, and better in one), and both
hypervolumes as shares of the box between no LUTs at full accuracy and the worst figures of the
uniform choices. With --synthesise so many points, evenly spread over the front, are made as Verilog
and synthesised: the modelled LUTs beside those, and the range that the model states. A folder of an
earlier run is gone on with.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import kanhw
from benchmarks.common.data import load
from benchmarks.common.measuring import Table, argument_parser, environment_line
from benchmarks.common.networks import float_model
from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.front import dominates, hypervolume, losses_of
from kanhw.exploration.making import differences_from
from kanhw.exploration.running.store import load_store
from kanhw.exploration.watching import Watch
from kanhw.program import load_program
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import model_of

OBJECTIVES = ("accuracy", "lut")
UNIFORM = (4, 5, 6, 8)
BRANCHES = ("input", "activation", "spline", "base", "basis", "base_table", "table")
FIELDS = [f"{name}_bits" for name in BRANCHES]
BITS = [3, 4, 5, 6, 7, 8]


def sampled_space() -> dict[str, Any]:
    """Every branch with bits of its own."""
    edge, basis = ({"realisation": name} for name in ("edge_table", "basis_table"))
    return {
        "quantize": {
            "realisation": ["edge_table", "basis_table"],
            "input_bits": BITS,
            "activation_bits": BITS,
        },
        "axis": {
            "table_bits": {"fields": ["table_bits"], "values": BITS, "only": edge},
            "weight_bits": {"fields": ["spline_bits", "base_bits"], "values": BITS, "only": edge},
            "spline_bits": {"fields": ["spline_bits"], "values": BITS, "only": basis},
            "base_bits": {"fields": ["base_bits"], "values": BITS, "only": basis},
            "function_bits": {
                "fields": ["basis_bits", "base_table_bits"],
                "values": BITS,
                "only": basis,
            },
        },
    }


def uniform_space() -> dict[str, Any]:
    """The same bits everywhere."""
    return {
        "quantize": {"realisation": ["edge_table", "basis_table"]},
        "axis": {"uniform": {"fields": FIELDS, "values": list(UNIFORM)}},
    }


def main() -> None:
    """Explore twice and print."""
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", default="dry_bean")
    parser.add_argument("--variant", default="EfficientKAN")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--synthesise", type=int, default=0, metavar="N")
    parser.add_argument("--out", type=Path, help="keep everything here (default: nowhere)")
    options = parser.parse_args()
    print(environment_line() + "\n")
    with tempfile.TemporaryDirectory() as temporary:
        _measure(options, options.out or Path(temporary))


def _measure(options: Any, folder: Path) -> None:
    data = load(options.dataset)
    model = float_model(options.variant, data)
    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {
        "held_out": {"x": data.validation_x, "labels": data.validation_y},
        "objectives": OBJECTIVES,
        "processes": options.processes,
        "seed": options.seed,
    }
    train = {"x": data.train_x, "labels": data.train_y}
    uniform = kanhw.explore(
        model, train, folder / "uniform", space=uniform_space(), watch=Watch(), **given
    )
    sampled = kanhw.explore(
        model,
        train,
        folder / "sampled",
        space=sampled_space(),
        points=options.points,
        watch=Watch(),
        **given,
    )
    _print(options, uniform, sampled)
    if options.synthesise:
        _synthesise(sampled, folder / "sampled", options.synthesise)


def _synthesise(sampled: Exploration, folder: Path, count: int) -> None:
    store, front = load_store(folder), sampled.front
    places = sorted({round(place) for place in np.linspace(0, len(front) - 1, count)})
    print()
    table = Table(("point", "modelled LUT", "range", "synthesised LUT", "ratio", "within"), (10,))
    within = 0
    for point in (front[place].point for place in places):
        with tempfile.TemporaryDirectory() as temporary:
            program = load_program(store.program_path(point.stage))
            schedule = Schedule.from_json(point.schedule)
            design = kanhw.generate(program, Path(temporary) / "design", schedule=schedule)
            made = kanhw.estimate(design, point.configuration.target)
        modelled, target = point.figures["lut"], model_of(point.configuration.target)
        low, high = target.weights.range_of("lut", modelled) or (modelled, modelled)
        bounds = f"{low:,.0f} to {high:,.0f}"
        good = not differences_from(point, made)
        within += good
        ratio = f"{made.lut / modelled:.2f}"
        table.add(point.short, f"{modelled:,.0f}", bounds, made.lut, ratio, "yes" if good else "no")
    print(f"\n{within} of {len(places)} are within the model's range")


def _print(options: Any, uniform: Exploration, sampled: Exploration) -> None:
    objectives = sampled.objectives
    front = {each.point.short: losses_of(each, objectives) for each in sampled.front}
    print(f"front of {len(sampled.points)} points, {options.variant} on {options.dataset}\n")
    table = Table(("point", "accuracy", "LUT", "choices"), (10, 8, 8))
    for each in sampled.front:
        figures = [own.text(each.figures[own.name]) for own in objectives]
        table.add(each.point.short, *figures, each.point.configuration)
    print()
    table = Table(("uniform", "accuracy", "LUT", "dominated by"), (30, 8, 8))
    beaten = 0
    for each in uniform.points:
        own = losses_of(each, objectives)
        by = [name for name, losses in front.items() if own and losses and dominates(losses, own)]
        same = [name for name, losses in front.items() if losses == own]
        beaten += bool(by)
        quantize = each.point.configuration.quantize
        name = f"{quantize.get('realisation')}, {each.point.configuration.value('input_bits')} bits"
        figures = [objective.text(each.figures[objective.name]) for objective in objectives]
        table.add(name, *figures, ", ".join(by[:3]) or (f"equal to {same[0]}" if same else "none"))
    print(f"\n{beaten} of {len(uniform.points)} uniform choices are dominated")
    all_uniform = [own for each in uniform.points if (own := losses_of(each, objectives))]
    worst = [max(own[place] for own in all_uniform) for place in range(2)]
    reference = (worst[0] + 1e-9, worst[1] + 1e-9)
    box = (reference[0] + 1.0) * reference[1]
    volumes = [
        hypervolume(losses, reference) / box
        for losses in (all_uniform, [own for own in front.values() if own])
    ]
    print(f"hypervolume: uniform {volumes[0]:.4f}, front {volumes[1]:.4f}")


if __name__ == "__main__":
    main()
