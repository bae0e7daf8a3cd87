"""One quantization of one network, and many of them on all processors.

Every figure is of the integers: the network is quantized (after training, or trained on), frozen,
and scored as the hardware will compute it. Networks, data and orders are drawn by seeds; scores are
those of test parts, which select nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks.common.data import Dataset, load
from benchmarks.common.networks import float_model, score
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig, QuantModel, convert, prepare, quantize_model, train

__all__ = [
    "METHODS",
    "QUANTIZERS",
    "VARIANTS",
    "Experiment",
    "calibration",
    "evaluated",
    "everywhere",
    "in_parallel",
    "measure",
    "network",
    "part",
    "quantized",
]

VARIANTS = ("EfficientKAN", "FastKAN", "KAGN", "PyKAN")
METHODS = ("uniform", "gptq", "gptq_joint", "adaround", "brecq", "awq", "smoothquant", "zeroq")
QUANTIZERS = ("lsq", "lsq+", "pact", "qil", "dorefa", "dsq")

# Rows that methods after training see, and of those that reconstruct, steps for every block.
CALIBRATION_ROWS = 1024
ITERATIONS = 500
# Epochs of quantization-aware training: about as many steps for every set of data.
EPOCHS = {"digits": 20, "dry_bean": 4, "heat": 15, "poisson": 15, "wine": 40, "fashion_mnist": 4}
RATE = 2e-3

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Experiment:
    """What is quantized and how.

    Parameters
    ----------
    variant, dataset, seed
        Of the float network; the seed draws its weights, too.
    trained
        Whether it is trained on, with the config's quantizer, or quantized after training.
    config
        Fields of the QuantConfig that differ from the benchmarks' own (basis tables).
    """

    variant: str
    dataset: str
    seed: int
    trained: bool = False
    config: dict[str, Any] = field(default_factory=dict)


@cache
def part(name: str) -> Dataset:
    """A set of data, read once in every process."""
    return load(name)


@cache
def network(variant: str, dataset: str, seed: int) -> KanModel:
    """A float network, read once in every process."""
    return float_model(variant, part(dataset), seed)


def calibration(data: Dataset) -> Any:
    """The rows that quantization after training sees: of the training part, drawn by a seed."""
    order = np.random.default_rng(0).permutation(len(data.train_x))
    return data.train_x[order[:CALIBRATION_ROWS]]


def everywhere(weights: int, activations: int, **others: Any) -> dict[str, Any]:
    """Config fields for one number of bits in all weights and one in all activations."""
    return {
        "base_bits": weights,
        "spline_bits": weights,
        "activation_bits": activations,
        "input_bits": None,
        **others,
    }


def quantized(experiment: Experiment) -> QuantModel:
    """The quantized network of an experiment."""
    data = part(experiment.dataset)
    model = network(experiment.variant, experiment.dataset, experiment.seed)
    options = {"realisation": "basis_table", "iterations": ITERATIONS, "seed": experiment.seed}
    options["method"] = "uniform"
    config = QuantConfig().changed({**options, **experiment.config})
    if not experiment.trained:
        own = config.method == "zeroq"
        return quantize_model(model, None if own else calibration(data), config)
    prepared = prepare(model, calibration(data), config)
    train(
        prepared,
        data.train_x.reshape(-1, *model.input_shape),
        data.train_y,
        epochs=EPOCHS[experiment.dataset],
        learning_rate=RATE,
        seed=experiment.seed,
    )
    return convert(prepared)


def evaluated(model: QuantModel | KanModel, dataset: str) -> float:
    """The score on the test part."""
    data = part(dataset)
    x = data.test_x
    if isinstance(model, KanModel):
        x = x.reshape(-1, *model.input_shape)
    return score(model(x), data.test_y)


def measure(experiment: Experiment) -> tuple[float, float]:
    """Scores on the test part: of the float network, and of the quantized one."""
    float_score = evaluated(
        network(experiment.variant, experiment.dataset, experiment.seed), experiment.dataset
    )
    return float_score, evaluated(quantized(experiment), experiment.dataset)


def in_parallel(work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
    """Results in order, a process for every processor and a thread in each."""
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        yield from pool.map(work, tasks)


def _one_thread() -> None:
    torch.set_num_threads(1)
