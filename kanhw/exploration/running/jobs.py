"""The two kinds of job, as pure functions: a quantization, and a Program as hardware."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.errors import InputError, ToolFailed, ToolNotFound, TrainingDiverged
from kanhw.exploration.space.configuration import Configuration
from kanhw.exploration.space.plans import schedule_of
from kanhw.exploration.study.estimators import MODEL
from kanhw.exploration.study.point import Point, Stage
from kanhw.exploration.study.quantizing import program_for, worth_of
from kanhw.exploration.study.study import Study
from kanhw.formats import FloatArray
from kanhw.program import Program
from kanhw.schedule.schedule import Schedule
from kanhw.values import in_one_line

__all__ = ["Job", "Outcome", "failed", "perform", "told"]

# Errors whose one line says what is wrong; any other is a fault of ours, and is said with its
# place.
_TOLD = (InputError, ToolFailed, ToolNotFound, TrainingDiverged)


@dataclass(frozen=True)
class Job:
    """What is to be computed.

    Parameters
    ----------
    name
        A digest of everything that makes the result.
    configuration
        The point; of a stage, one of those that share it.
    stage
        The name of the stage of a point; empty where the job is a stage itself.
    """

    name: str
    configuration: Configuration
    stage: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a job gave.

    Parameters
    ----------
    record
        What became of it.
    program
        The Program of a stage; None of points, and of stages that failed.
    """

    record: Stage | Point
    program: Program | None = None


def perform(study: Study, job: Job, given: tuple[Stage, Program] | None) -> Outcome:
    """Do a job; whatever goes wrong becomes a line in its record.

    Parameters
    ----------
    study
        Model and data.
    job
        What.
    given
        The stage of a point and its Program; None for a stage.
    """
    start = time.perf_counter()
    if given is None:
        return _stage(study, job, start)
    return Outcome(_point(job, given[0], given[1], study.held_out["x"], start))


def _stage(study: Study, job: Job, start: float) -> Outcome:
    try:
        program = program_for(study, job.configuration)
        worth = worth_of(study, program)
    except Exception as error:
        return Outcome(Stage(name=job.name, error=told(error), seconds=_since(start)))
    record = Stage(
        name=job.name,
        figures=worth.figures,
        output_rms=worth.output_rms,
        reference=worth.reference,
        seconds=_since(start),
    )
    return Outcome(record, program)


def _point(
    job: Job, stage: Stage, program: Program, x: FloatArray, start: float
) -> Point:
    own = job.configuration
    known: dict[str, Any] = {"name": job.name, "configuration": own, "stage": job.stage}
    try:
        base = Schedule(adder_levels=own.adder_levels, fabric=own.fabric)
        schedule = schedule_of(own.plan, program, base, own.target)
        figures = {**stage.figures, **MODEL(program, schedule, own.target, x)}
    except Exception as error:
        return Point(**known, error=told(error), seconds=_since(start))
    return Point(**known, figures=figures, schedule=schedule.to_json(), seconds=_since(start))


def failed(job: Job, error: str) -> Stage | Point:
    """The record of a job that could not be done."""
    if not job.stage:
        return Stage(name=job.name, error=error)
    return Point(name=job.name, configuration=job.configuration, stage=job.stage, error=error)


def told(error: Exception) -> str:
    """An error as one line."""
    text = in_one_line(str(error)) or type(error).__name__
    if isinstance(error, _TOLD):
        return text
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)
