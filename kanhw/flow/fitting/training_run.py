"""A whole training: split data, prepare, train, convert, and measure beside what else there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanhw.flow.fitting.held_out import split_off
from kanhw.flow.training import convert
from kanhw.model.network import KanModel
from kanhw.program import Program

if TYPE_CHECKING:
    from kanhw.quant import QuantConfig, Training
    from kanhw.quant.training import Measured

__all__ = ["TrainedProgram", "train_program"]


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedProgram:
    """What :func:`train_program` made.

    Parameters
    ----------
    program
        The network as it was kept.
    training
        Losses, their names, and the epoch that was kept.
    figures
        Loss and metric on the validation part: of the ``float`` network, of the one that is
        ``rounded`` without training, and of the ``trained`` Program.
    samples, validation_samples
        How many were trained on, and how many were split off.
    """

    program: Program
    training: Training
    figures: dict[str, Measured]
    samples: int
    validation_samples: int

    @property
    def helped(self) -> bool:
        """Whether training made less of a loss than rounding alone."""
        return self.figures["trained"].loss <= self.figures["rounded"].loss

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        training = self.training.to_json()
        return {
            **{name: training[name] for name in ("task", "loss", "metric", "losses")},
            **{name: training[name] for name in ("kept_epoch", "stopped_early")},
            "figures": {name: vars(own) for name, own in self.figures.items()},
            "samples": self.samples,
            "validation_samples": self.validation_samples,
        }


def train_program(
    model: KanModel,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    config: QuantConfig,
    *,
    share: float = 0.2,
    seed: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
    **options: Any,
) -> TrainedProgram:
    """Train a float model with rounding on a part of the data, and measure on the rest.

    Parameters
    ----------
    model
        The float model.
    x, y
        Features ``[N, *input_shape]`` and targets as :func:`kanhw.train` takes them.
    config
        Bits, realisation, and the quantizer that learns.
    share
        Of the samples, split off for validation.
    seed
        Of the split and of the order of the samples.
    on_epoch, **options
        As :func:`kanhw.train` takes them.

    Raises
    ------
    InputError
        If data and model do not fit, or a number is out of its range.
    TrainingDiverged
        If the loss is lost.
    """
    own, held_out = split_off({"x": model.flat(np.asarray(x)), "y": np.asarray(y)}, share, seed)
    from kanhw.quant import lower, prepare, quantize_model, train
    from kanhw.quant.training import targets_of

    network = prepare(model, own["x"], config)
    validation = held_out["x"], held_out["y"]
    training = train(
        network,
        own["x"],
        own["y"],
        validation=validation,
        seed=seed,
        on_epoch=on_epoch,
        **options,
    )
    program = convert(network)
    targets = targets_of(own["y"], held_out["y"], model.n_out)[1]
    rounded = lower(quantize_model(model, own["x"], config))
    outputs = {
        "float": model(held_out["x"]),
        "rounded": _outputs(rounded, held_out["x"]),
        "trained": _outputs(program, held_out["x"]),
    }
    figures = {name: targets.measured_on(values) for name, values in outputs.items()}
    return TrainedProgram(
        program=program,
        training=training,
        figures=figures,
        samples=len(own["x"]),
        validation_samples=len(held_out["x"]),
    )


def _outputs(program: Program, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return program.decode_output(program(program.input.encode(x)))
