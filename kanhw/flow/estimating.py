"""The verb ``estimate``: a Program or a design, modelled, synthesised or placed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy.typing as npt

from kanhw.design.backend_design import BackendDesign
from kanhw.design.derivation import checked_program
from kanhw.design.design import Design
from kanhw.design.manifest import MANIFEST
from kanhw.errors import InputError
from kanhw.estimation.clocks import design_clocks
from kanhw.estimation.estimate import COUNTS, GRADES, Estimate, Figure, Power, timed
from kanhw.estimation.modelled import ModelledStimulus, given_clock, model_estimate
from kanhw.estimation.resources import ResourceEstimate
from kanhw.estimation.runs import estimate_design
from kanhw.flow.generation import generate, given_design
from kanhw.flow.power import PowerWanted, check_clock, stimulus_of, synthesise_with_power
from kanhw.importers.load import load_model
from kanhw.interruption import temporary_folder
from kanhw.power.propagation import VECTORLESS_RATE
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import TARGETS, place_and_route_of, target_named
from kanhw.values import meant

if TYPE_CHECKING:
    from kanhw.power.energy import PowerEstimate
    from kanhw.sim import Integers

__all__ = [
    "Subject",
    "estimate",
    "estimate_at",
    "estimates_of",
    "estimates_up_to",
    "subject_of",
]


@overload
def estimate(
    design: Design | str | Path, target: str, *, fmax: bool = False, seeds: int = 3
) -> ResourceEstimate: ...


@overload
def estimate(
    design: Program | Design | str | Path,
    target: str,
    schedule: Schedule | None = None,
    *,
    grade: str,
    seeds: int = 3,
    clock_mhz: float | None = None,
    power: bool = False,
    vectors: str | Path | npt.ArrayLike | None = None,
    toggle_rate: float | None = None,
    integers: Integers | None = None,
    part: str | None = None,
    vectorless: bool = False,
) -> Estimate: ...


def estimate(
    design: Program | Design | str | Path,
    target: str,
    schedule: Schedule | None = None,
    *,
    fmax: bool = False,
    seeds: int = 3,
    grade: str | None = None,
    clock_mhz: float | None = None,
    power: bool = False,
    vectors: str | Path | npt.ArrayLike | None = None,
    toggle_rate: float | None = None,
    integers: Integers | None = None,
    part: str | None = None,
    vectorless: bool = False,
) -> ResourceEstimate | Estimate:
    """Say what a design costs: modelled, synthesised with Yosys, or placed and routed.

    Without a grade the design is synthesised and its cells are counted.

    Parameters
    ----------
    design
        From :func:`kanhw.generate`, or its folder; with a grade also a Program, or its file.
    target
        A key of ``kanhw.estimation.TARGETS``, such as ``xcup`` (UltraScale+).
    schedule
        With a grade: of a Program; None is ``Schedule()``. A design has its own.
    fmax
        Without a grade: whether to place and route too (minutes for a large design), for the clock
        that the design reaches, where the target can be: ``ecp5``.
    seeds
        How many times it is placed; the clock is the median.
    grade
        ``model`` (milliseconds, nothing is made), ``synthesis``, or ``place``.
    clock_mhz
        With a grade: the clock that time and power are told at; None: that of place and route, if
        there is one.
    power
        With a grade: whether to estimate power and energy per inference as well.
    vectors, toggle_rate, integers, part, vectorless
        What power hangs on, as for :func:`kanhw.estimate_power`.

    Returns
    -------
    ResourceEstimate or Estimate
        Without a grade a post-synthesis estimate in cells of the target: ``lut``, ``ff``, ``dsp``,
        ``bram`` and more; the smallest of the target's recipes, which it names. ``fmax_mhz`` is
        None unless it was asked for. With a grade an :class:`~kanhw.estimation.Estimate`: these
        and carry cells, clock, clocks, latency, inferences a second, power and energy, each with
        how it is known; what is not known is None.

    Raises
    ------
    InputError
        If the target is unknown or has no place and route, ``seeds`` is no positive integer, or
        the folder holds no design, one of another back end than Verilog's, or its files were
        changed.
    ToolNotFound, ToolFailed
        If there is no Yosys or nextpnr, or one fails.
    TypeError
        If the design is neither, or the target is no string.
    """
    if grade is not None:
        wanted = None
        if power:
            wanted = PowerWanted(
                clock_mhz=clock_mhz,
                vectors=vectors,
                toggle_rate=toggle_rate,
                integers=integers,
                part=part,
                vectorless=vectorless,
            )
        return estimate_at(
            design, target, schedule, grade=grade, clock_mhz=clock_mhz, power=wanted, seeds=seeds
        )
    _check_target(target)
    loaded = given_design(design)
    checked_program(loaded)
    return estimate_design(loaded.path, target, fmax=fmax, seeds=seeds)


def _check_target(target: str) -> None:
    if not isinstance(target, str):
        raise TypeError(f"target must be the name of one ({', '.join(TARGETS)}), not {target!r}")
    target_named(target)


@dataclass(frozen=True)
class Subject:
    """What is estimated: a Program under a schedule, and the design if there is one.

    Parameters
    ----------
    program, schedule
        The network, and how it is laid out.
    design
        None: it is generated where a grade needs it.
    """

    program: Program
    schedule: Schedule
    design: Design | None = None

    @contextmanager
    def made(self) -> Iterator[Design]:
        """The design, in its folder or in one that is gone afterwards."""
        if self.design is not None:
            yield self.design
            return
        with temporary_folder("kanhw-estimate-") as folder:
            yield generate(self.program, folder / "design", schedule=self.schedule)


@dataclass(frozen=True)
class _Asked:
    """What the estimates of every grade have in common."""

    subject: Subject
    target: str
    clock_mhz: float | None
    power: PowerWanted | None
    seeds: int


def subject_of(
    given: Program | Design | BackendDesign | str | Path, schedule: Schedule | None
) -> Subject:
    """What a Program, a design, or the path of either is.

    Raises
    ------
    InputError
        If there is no such file, it is neither, or a design is given another schedule.
    """
    if isinstance(given, str | Path) and not (Path(given) / MANIFEST).exists():
        loaded = load_model(given)
        if not isinstance(loaded, Program):
            raise InputError(
                f"{given} is a float model and hardware needs integers: first 'kanhw quantize "
                f"{given} --calibration DATA.npz --out PROGRAM'"
            )
        given = loaded
    if isinstance(given, Program):
        return Subject(given, schedule or Schedule())
    design = given_design(given)
    program = checked_program(design)
    if schedule is not None and schedule != design.schedule:
        raise InputError(
            f"{design.path} is a design and has its own schedule: leave the schedule, or estimate "
            "the Program in its place"
        )
    return Subject(program, design.schedule, design)


def estimate_at(
    given: Program | Design | BackendDesign | str | Path,
    target: str,
    schedule: Schedule | None = None,
    *,
    grade: str,
    clock_mhz: float | None = None,
    power: PowerWanted | None = None,
    seeds: int = 3,
) -> Estimate:
    """One estimate; see :func:`kanhw.estimate`.

    Parameters
    ----------
    given, target, schedule, grade, clock_mhz, seeds
        As there.
    power
        What power is asked for; None: none.
    """
    record = _grade(grade)
    asked = _checked(subject_of(given, schedule), target, clock_mhz, power, seeds, grade)
    return record(asked)


def estimates_up_to(
    subject: Subject,
    target: str,
    grade: str,
    *,
    clock_mhz: float | None = None,
    power: PowerWanted | None = None,
    seeds: int = 3,
) -> list[Estimate]:
    """The estimates of a grade and of all cheaper ones that the target has.

    Parameters
    ----------
    subject, target, grade
        What of what.
    clock_mhz, power, seeds
        As for :func:`estimate_at`. A clock that place and route finds is that of the others too.
    """
    _grade(grade)
    asked = _checked(subject, target, clock_mhz, power, seeds, grade)
    highest = _GRADES[grade](asked)
    if highest.resources is None:
        return [highest]
    return estimates_of(
        subject, highest.resources, highest.power, clock_mhz=clock_mhz, grade=grade, wanted=power
    )


def estimates_of(
    subject: Subject,
    resources: ResourceEstimate,
    power: Power | None,
    *,
    clock_mhz: float | None = None,
    grade: str = "synthesis",
    wanted: PowerWanted | None = None,
) -> list[Estimate]:
    """The estimates that a synthesis gives, and the model's where the target has one.

    Parameters
    ----------
    subject
        What was synthesised.
    resources, power
        What came of it; placed as well if it has a timing.
    clock_mhz, grade
        As for :func:`estimates_up_to`.
    wanted
        What power the model is asked for; None: none.
    """
    target = resources.target
    if wanted is not None and wanted.clock_mhz is None and resources.fmax_mhz is not None:
        wanted = replace(wanted, clock_mhz=resources.fmax_mhz)
    asked = _Asked(subject, target, clock_mhz, wanted, 0)
    found = [replace(_of_resources(asked, resources), power=power)]
    if resources.timing is not None or grade == "place":
        found.append(_of_placed(found[0], clock_mhz))
    own = target_named(target)
    if own.block_rams is not None and own.weights is not None:
        found.insert(0, _modelled(asked))
    return found


def _grade(grade: str) -> Callable[[_Asked], Estimate]:
    record = _GRADES.get(grade)
    if record is None:
        raise InputError(
            f"Unknown grade {grade!r}: the grades are {', '.join(GRADES)}{meant(grade, GRADES)}"
        )
    return record


def _checked(
    subject: Subject,
    target: str,
    clock_mhz: float | None,
    power: PowerWanted | None,
    seeds: int,
    grade: str,
) -> _Asked:
    _check_target(target)
    check_clock(clock_mhz)
    if grade == "place":
        place_and_route_of(target)
    if power is not None:
        power.check(target)
        if power.clock_mhz is None and grade != "place":
            raise InputError("Power hangs on the clock: give clock_mhz (--clock-mhz 100)")
    return _Asked(subject, target, clock_mhz, power, seeds)


def _modelled(asked: _Asked) -> Estimate:
    program, wanted, stimulus = asked.subject.program, asked.power, None
    if wanted is not None and wanted.vectorless:
        # Inputs that change as often, whatever they are.
        rate = wanted.toggle_rate or VECTORLESS_RATE
        wanted = replace(wanted, vectorless=False, toggle_rate=rate)
    if wanted is not None:
        codes, what = stimulus_of(program, wanted)
        stimulus = ModelledStimulus(codes, what, wanted.part)
    clock = asked.clock_mhz if asked.power is None else asked.power.clock_mhz
    return model_estimate(
        program, asked.subject.schedule, asked.target, clock_mhz=clock, stimulus=stimulus
    )


def _synthesised(asked: _Asked) -> Estimate:
    with asked.subject.made() as design:
        if asked.power is None:
            return _of_resources(asked, estimate_design(design.path, asked.target))
        resources, power = synthesise_with_power(design, asked.target, asked.power)
    return replace(_of_resources(asked, resources), power=power)


def _placed(asked: _Asked) -> Estimate:
    power: PowerEstimate | None = None
    with asked.subject.made() as design:
        if asked.power is None:
            resources = estimate_design(design.path, asked.target, fmax=True, seeds=asked.seeds)
        else:
            resources, power = synthesise_with_power(
                design, asked.target, asked.power, fmax=True, seeds=asked.seeds
            )
    return _of_placed(replace(_of_resources(asked, resources), power=power), asked.clock_mhz)


def _of_placed(synthesised: Estimate, clock_mhz: float | None) -> Estimate:
    """What place and route says besides: the clock, and the cells that were packed."""
    figures, resources = dict(synthesised.figures), synthesised.resources
    timing = None if resources is None else resources.timing
    if timing is not None:
        by_seed = timing.fmax_by_seed
        clock = Figure(timing.fmax_mhz, "place", timing.tool, min(by_seed), max(by_seed))
        if synthesised.clocks is not None:
            figures |= timed(synthesised.clocks, given_clock(clock_mhz) or clock)
        for name, count in timing.counted.items():
            figures[name] = Figure(count, "place", timing.tool)
    return replace(synthesised, grade="place", figures=figures)


def _of_resources(asked: _Asked, resources: ResourceEstimate) -> Estimate:
    """What synthesis made, and the clocks of the layout."""
    subject = asked.subject
    clocks = design_clocks(subject.program, subject.schedule)
    figures = {
        name: Figure(getattr(resources, name), "synthesis", resources.tool) for name in COUNTS
    }
    return Estimate(
        target=asked.target,
        grade="synthesis",
        bram_unit=resources.bram_unit,
        figures=figures | timed(clocks, given_clock(asked.clock_mhz)),
        resources=resources,
        clocks=clocks,
    )


_GRADES: Mapping[str, Callable[[_Asked], Estimate]] = {
    "model": _modelled,
    "synthesis": _synthesised,
    "place": _placed,
}
