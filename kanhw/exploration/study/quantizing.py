"""From a configuration to a Program, and what that is worth on the held-out data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kanhw.errors import InputError
from kanhw.exploration.space.configuration import Configuration, Value
from kanhw.exploration.study.objectives import Figures
from kanhw.exploration.study.study import Study
from kanhw.flow.generation import quantize
from kanhw.flow.verification import predicted_classes
from kanhw.formats import FloatArray, IntArray
from kanhw.measures.outputs import output_errors, target_errors
from kanhw.program import Program
from kanhw.program.costs import costs_of

__all__ = ["Worth", "base_fields", "program_for", "worth_of"]

# Started at the calibrated ranges, a short training loses nothing by where it starts.
_TRAINED: Mapping[str, Value] = {"quantizer": "lsq+"}
_TRAINING_SEED = 0


def base_fields(study: Study, epochs: int = 0) -> Mapping[str, Value]:
    """Fields of a quantization that hold where nothing else is chosen.

    Outputs that are compared with each other have one unit.
    """
    compared = {"output_granularity": "tensor"} if "labels" in study.calibration else {}
    return {**compared, **(_TRAINED if epochs else {})}


def program_for(study: Study, configuration: Configuration) -> Program:
    """Quantize, or train with rounding, as a configuration says.

    Raises
    ------
    InputError
        If it cannot be.
    TrainingDiverged
        If a training loses its loss.
    """
    config = configuration.config(base_fields(study, configuration.epochs))
    if not configuration.epochs:
        program = quantize(study.model, study.calibration["x"], config)
    else:
        program = _trained(study, configuration.epochs, config)
    return replace(program, argmax=study.argmax)


def _trained(study: Study, epochs: int, config: Any) -> Program:
    from kanhw.flow.fitting.training_run import train_program

    targets = study.calibration.get("labels", study.calibration.get("y"))
    if targets is None:
        raise InputError("Training needs labels or y in the data: give them, or epochs = 0")
    return train_program(
        study.model, study.calibration["x"], targets, config, seed=_TRAINING_SEED, epochs=epochs
    ).program


class Worth:
    """Figures of a Program, and the RMS error of every output.

    Parameters
    ----------
    figures
        Accuracy where there are labels, the worst output's RMS error over its deviation where an
        output varies, and parameter bits.
    output_rms
        Of every output, in its units.
    reference
        What outputs are compared with: ``y`` or ``float model``.
    """

    def __init__(self, figures: Figures, output_rms: tuple[float, ...], reference: str) -> None:
        self.figures, self.output_rms, self.reference = figures, output_rms, reference


def worth_of(study: Study, program: Program) -> Worth:
    """Run the integers of a Program on the held-out data."""
    x = study.held_out["x"]
    plain = program.with_argmax(False)
    codes = plain(plain.input.encode(x))
    rms, deviations, reference = _errors(study, plain.decode_output(codes))
    shares = [each / own for each, own in zip(rms, deviations, strict=True) if own > 0]
    figures = {
        "accuracy": _accuracy(plain, codes, study.held_out.get("labels")),
        "rmse_of_deviation": max(shares) if shares else None,
        "parameter_bits": float(costs_of(plain).parameter_bits),
    }
    return Worth(figures, rms, reference)


def _errors(study: Study, real: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """RMS errors and deviations of every output, and what they were compared with."""
    y = study.held_out.get("y")
    if y is not None:
        against = target_errors(study.exact, real, y)
        return tuple(each.rms for each in against), tuple(y.std(axis=0).tolist()), "y"
    errors = output_errors(study.exact, real)
    return tuple(e.rms for e in errors), tuple(e.deviation for e in errors), "float model"


def _accuracy(program: Program, codes: IntArray, labels: IntArray | None) -> float | None:
    if labels is None:
        return None
    return float(np.mean(predicted_classes(program, codes) == labels))
