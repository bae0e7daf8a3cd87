"""A point as a design: Program, Verilog, simulation, synthesis and report, in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kanhw.entries import read_json_object
from kanhw.errors import InputError, ToolNotFound
from kanhw.estimation import ResourceEstimate
from kanhw.exploration.running.store import Store, load_store
from kanhw.exploration.study.point import Point
from kanhw.files import write_json
from kanhw.flow.estimating import estimate
from kanhw.flow.generation import generate
from kanhw.flow.reporting import report
from kanhw.flow.verification import Verification, simulate
from kanhw.places import resolved, written_by
from kanhw.program import load_program, save_program
from kanhw.progress import Progress
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import model_of

__all__ = ["MadePoint", "differences_from", "make_point"]

_FILES = (
    *("design", "estimate.json", "point.json", "program.safetensors", "report.html"),
    "simulation.json",
)
_RESOURCES = ("lut", "bram", "dsp")


@dataclass(frozen=True, eq=False, kw_only=True)
class MadePoint:
    """A point that became a design.

    Parameters
    ----------
    folder
        Where everything lies.
    point
        As it was explored.
    verification
        The Verilog against its Program, on the held-out data.
    synthesised
        What synthesis made of it.
    """

    folder: Path
    point: Point
    verification: Verification
    synthesised: ResourceEstimate

    @property
    def passed(self) -> bool:
        """Whether every simulated output equals the Program's."""
        return self.verification.passed

    @property
    def differences(self) -> tuple[str, ...]:
        """Resources of which synthesis made more or less than the model's range, as text."""
        return differences_from(self.point, self.synthesised)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "folder": str(self.folder),
            "point": self.point.name,
            "choices": self.point.configuration.choices,
            "modelled": {name: self.point.figures.get(name) for name in _RESOURCES},
            "synthesised": {name: getattr(self.synthesised, name) for name in _RESOURCES},
            "band": model_of(self.point.configuration.target).weights.errors.get("lut"),
            "differences": list(self.differences),
            "accuracy": self.verification.accuracy,
            "vectors": self.verification.equivalence.vectors,
            "passed": self.passed,
        }


def differences_from(point: Point, synthesised: ResourceEstimate) -> tuple[str, ...]:
    """Resources of which synthesis made more or less than the model's range, as text.

    The range is that of nine of ten designs on the target; what has none is expected as modelled.
    """
    weights = model_of(point.configuration.target).weights
    found = []
    for name in _RESOURCES:
        modelled, made = point.figures.get(name), int(getattr(synthesised, name))
        if modelled is None:
            continue
        low, high = weights.range_of(name, modelled) or (modelled, modelled)
        if not low <= made <= high:
            share = f", {100 * (modelled - made) / made:+.0f} %" if made else ""
            found.append(f"{name}: modelled {modelled:,.0f}, synthesised {made:,}{share}")
    return tuple(found)


def make_point(
    folder: str | Path, point: str, out: str | Path, *, progress: Progress | None = None
) -> MadePoint:
    """Make the design of a point of an exploration, verify it, and synthesise it.

    Parameters
    ----------
    folder
        Of the exploration.
    point
        The beginning of its name, as tables and the page show it.
    out
        The folder to make; it must be empty or absent, or hold what was made of this point before.
    progress
        Where the steps are shown.

    Raises
    ------
    InputError
        If there is no such point, or more than one, or it failed; or the folder holds something
        else.
    ToolNotFound, ToolFailed
        If there is no simulator or no Yosys, or one fails.
    """
    store = load_store(folder)
    chosen = _point_named(store, point)
    place = _empty(out)
    steps = progress or Progress(quiet=True)
    program = load_program(store.program_path(chosen.stage))
    save_program(program, place / "program.safetensors")
    own, target = store.study, chosen.configuration.target
    with steps.step(f"write {program.active_edges} edges as Verilog"):
        schedule = Schedule.from_json(chosen.schedule)
        design = generate(program, place / "design", schedule=schedule)
    with steps.step(f"simulate {len(own.held_out['x'])} held-out samples"):
        labels = own.held_out.get("labels")
        verification = simulate(design, own.held_out["x"], labels=labels, engine=_engine())
        write_json(place / "simulation.json", verification.to_json())
    with steps.step(f"synthesise for {target}"):
        synthesised = estimate(design, target)
        write_json(place / "estimate.json", synthesised.to_json())
    with steps.step("write the report"):
        report(
            design,
            place / "report.html",
            model=own.model,
            data=(own.held_out["x"], own.held_out.get("labels", own.held_out.get("y"))),
            outputs=verification.outputs,
            simulations=[verification],
            estimates=[synthesised],
            title=f"Point {chosen.short}",
        )
    made = MadePoint(
        folder=Path(out), point=chosen, verification=verification, synthesised=synthesised
    )
    write_json(place / "point.json", {**chosen.to_json(), "made": made.to_json()})
    return made


def _engine() -> Literal["auto", "fast"]:
    """The one that takes whole data sets, where it is installed."""
    from kanhw.tools.simulators import find_verilator

    try:
        find_verilator()
    except ToolNotFound:
        return "auto"
    return "fast"


def _point_named(store: Store, beginning: str) -> Point:
    found = [path for path in store.point_files() if path.stem.startswith(beginning.lower())]
    if not beginning or not found:
        raise InputError(
            f"{store.folder} has no point {beginning!r}: front.csv, points.csv and the page name "
            "them"
        )
    if len(found) > 1:
        raise InputError(
            f"{store.folder} has {len(found)} points that begin with {beginning!r}: write more of "
            f"the name, such as {found[0].stem[:16]}"
        )
    point = Point.from_json(read_json_object(found[0]), str(found[0]))
    if point.error:
        raise InputError(f"The point {point.short} failed: {point.error}")
    if not store.program_path(point.stage).is_file():
        raise InputError(f"{store.folder} has lost the Program of {point.short}: explore it again")
    return point


def _empty(out: str | Path) -> Path:
    place = resolved(out, "a folder")
    with written_by(out):
        place.mkdir(parents=True, exist_ok=True)
        others = sorted({entry.name for entry in place.iterdir()} - set(_FILES))
    if others:
        raise InputError(
            f"{out} already holds something else ({', '.join(others[:4])}): remove it, or name "
            "another folder"
        )
    return place
