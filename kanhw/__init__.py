"""kanhw puts a trained Kolmogorov-Arnold Network on an FPGA.

Five verbs make the flow: :func:`load` a checkpoint, :func:`quantize` it to a :class:`Program` of
integers, :func:`generate` Verilog, :func:`simulate` it against the Program, :func:`estimate` what
it takes; :func:`report` writes all of it down. Training with rounding has three in place of
quantize: :func:`prepare`, :func:`train` (or a loop of one's own), :func:`convert`; with learned
widths :func:`train_for_fabric` is one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kanhw.design.design import Design, load_design
    from kanhw.errors import InputError, ToolFailed, ToolNotFound
    from kanhw.estimation.schedule_choice import ScheduleChoice, schedule_for
    from kanhw.exploration.answers.exploration import Exploration
    from kanhw.exploration.exploring import explore
    from kanhw.flow.estimating import estimate
    from kanhw.flow.fitting.fabric_run import TrainedFront, train_for_fabric
    from kanhw.flow.generation import generate, quantize
    from kanhw.flow.power import estimate_power
    from kanhw.flow.reporting import report
    from kanhw.flow.training import convert, prepare, train
    from kanhw.flow.verification import Verification, simulate
    from kanhw.importers.load import load_model as load
    from kanhw.measures.quality import Quality, quality
    from kanhw.model.network import KanModel
    from kanhw.model.sampling import from_callable
    from kanhw.program import Labels, Program, load_program, save_program, with_formats
    from kanhw.quant.config import CodebookConfig, EvaluatorConfig, QuantConfig
    from kanhw.schedule.budget import Budget
    from kanhw.schedule.schedule import Schedule

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "CodebookConfig",
    "Design",
    "EvaluatorConfig",
    "Exploration",
    "InputError",
    "KanModel",
    "Labels",
    "Program",
    "Quality",
    "QuantConfig",
    "Schedule",
    "ScheduleChoice",
    "ToolFailed",
    "ToolNotFound",
    "TrainedFront",
    "Verification",
    "convert",
    "estimate",
    "estimate_power",
    "explore",
    "from_callable",
    "generate",
    "load",
    "load_design",
    "load_program",
    "prepare",
    "quality",
    "quantize",
    "report",
    "save_program",
    "schedule_for",
    "simulate",
    "train",
    "train_for_fabric",
    "with_formats",
]

# Where each public name lives. They are imported when first used, so that 'kanhw --help', or
# loading a Program, needs none of the heavy packages.
_HOMES = {
    "Budget": "schedule.budget",
    "CodebookConfig": "quant.config",
    "Design": "design.design",
    "EvaluatorConfig": "quant.config",
    "Exploration": "exploration.answers.exploration",
    "InputError": "errors",
    "KanModel": "model.network",
    "Labels": "program",
    "Program": "program",
    "Quality": "measures.quality",
    "QuantConfig": "quant.config",
    "Schedule": "schedule.schedule",
    "ToolFailed": "errors",
    "ToolNotFound": "errors",
    "TrainedFront": "flow.fitting.fabric_run",
    "ScheduleChoice": "estimation.schedule_choice",
    "Verification": "flow.verification",
    "convert": "flow.training",
    "estimate": "flow.estimating",
    "estimate_power": "flow.power",
    "explore": "exploration.exploring",
    "from_callable": "model.sampling",
    "generate": "flow.generation",
    "load": "importers.load:load_model",
    "load_design": "design.design",
    "load_program": "program",
    "prepare": "flow.training",
    "quality": "measures.quality",
    "quantize": "flow.generation",
    "report": "flow.reporting",
    "save_program": "program",
    "schedule_for": "estimation.schedule_choice",
    "simulate": "flow.verification",
    "train": "flow.training",
    "train_for_fabric": "flow.fitting.fabric_run",
    "with_formats": "program",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'kanhw' has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    return getattr(importlib.import_module(f"kanhw.{module}"), attribute or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
