"""Quantization: from float models to the integers of a Program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kanhw.program.costs import costs_of
from kanhw.quant.allocation import BitBudget, allocate
from kanhw.quant.analysis.sensitivity_sweep import sensitivity
from kanhw.quant.config import CodebookConfig, EvaluatorConfig, QuantConfig
from kanhw.quant.lowering import lower
from kanhw.quant.post_training import quantize_model
from kanhw.quant.record.model import QuantModel

if TYPE_CHECKING:
    from kanhw.quant.training import QuantizedNetwork, Training, convert, prepare, train

__all__ = [
    "BitBudget",
    "CodebookConfig",
    "EvaluatorConfig",
    "QuantConfig",
    "QuantModel",
    "QuantizedNetwork",
    "Training",
    "allocate",
    "convert",
    "costs_of",
    "lower",
    "prepare",
    "quantize_model",
    "sensitivity",
    "train",
]

_TRAINING = ("QuantizedNetwork", "Training", "convert", "prepare", "train")


def __getattr__(name: str) -> Any:
    if name == "Budget":
        # kanhw.Budget limits what a design takes; this one limits what a network's integers take.
        raise AttributeError("kanhw.quant.Budget has another name: kanhw.quant.BitBudget")
    # Only training needs torch, so it is imported when it is asked for.
    if name not in _TRAINING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kanhw.quant import training

    return getattr(training, name)
