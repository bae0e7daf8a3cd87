"""Fashion-MNIST on a 784-64-10 EfficientKAN: few-bit training, its speed, and GPTQ's.

    python -m benchmarks.quantization.fashion [--seeds 0 1 2] [--epochs 4]

Every network starts from the same float network of its seed and trains for the same epochs with the
same schedule: the float one on, and those with weights of 4 or 2 bits, activations of 4, and basis
tables of 8 or 3. Each quantized one is lowered, and all outputs for all test images are compared
with its Program's (level 1). Then the seconds of an epoch, float and quantized, alternating, and
the time and memory of GPTQ with its Hessians of 6,272 columns.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common.data import Dataset, load
from benchmarks.common.experiments import EPOCHS, RATE, calibration, everywhere
from benchmarks.common.networks import float_network, outputs, score, to_model
from benchmarks.common.results import SEEDS, ResultTable, average, table_parser
from kanhw.quant import QuantConfig, convert, lower, prepare, quantize_model, train

BATCH = 256
QUANTIZER = "lsq+"
# Bits of weights, activations and basis values.
SETTINGS = ((4, 4, 8), (4, 4, 3), (2, 4, 8))
CHUNK = 2000


def settings(weights: int, activations: int, basis: int) -> QuantConfig:
    """The configuration of one row."""
    fields = everywhere(weights, activations, basis_bits=basis, quantizer=QUANTIZER)
    return QuantConfig(realisation="basis_table", **fields)


def trained_float(data: Dataset, seed: int, epochs: int) -> Any:
    """The float network, trained on by the same schedule; its losses."""
    network = float_network("EfficientKAN", data, seed)
    training = train(
        network,
        data.train_x,
        data.train_y,
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        seed=seed,
    )
    return network, list(training.losses)


def trained_quantized(data: Dataset, seed: int, epochs: int, config: QuantConfig) -> Any:
    """The quantized network, frozen."""
    model = to_model(float_network("EfficientKAN", data, seed), data)
    network = prepare(model, calibration(data), config)
    train(
        network,
        data.train_x,
        data.train_y,
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=RATE,
        seed=seed,
    )
    return convert(network)


def verified(model: Any, x: Any) -> tuple[Any, int]:
    """Outputs of a quantized network for all features, and how many differ from its Program's."""
    program = lower(model)
    parts, different = [], 0
    for start in range(0, len(x), CHUNK):
        rows = x[start : start + CHUNK]
        real = model(rows)
        integers = program.decode_output(program(program.input.encode(rows)))
        different += int((real != integers).sum())
        parts.append(real)
    return np.concatenate(parts), different


def accuracies(data: Dataset, seeds: list[int], epochs: int, folder: Path) -> int:
    """Accuracy of every setting, over seeds; how many outputs differ from their Program's."""
    table = ResultTable(
        "fashion",
        (
            "network",
            "basis bits",
            "validation",
            "test",
            "test - float",
            "outputs compared",
            "differ",
        ),
        f"Accuracy in percent of 784-64-10 EfficientKANs on Fashion-MNIST after {epochs} epochs of "
        f"fine-tuning ({QUANTIZER}, batches of {BATCH}, rate {RATE}), seeds "
        f"{', '.join(map(str, seeds))}.",
        (12, 10, 13, 13, 13, 16, 6),
    )
    floats = []
    validation = []
    for seed in seeds:
        network, _ = trained_float(data, seed, epochs)
        floats.append(score(outputs(network, data.test_x), data.test_y))
        validation.append(score(outputs(network, data.validation_x), data.validation_y))
    table.add("float", "", average(validation), average(floats), "", "", "")
    total = 0
    for weights, activations, basis in SETTINGS:
        rows = []
        for seed in seeds:
            model = trained_quantized(data, seed, epochs, settings(weights, activations, basis))
            y, different = verified(model, data.test_x)
            held, _ = verified(model, data.validation_x)
            own = score(y, data.test_y), score(held, data.validation_y), different, y.size
            rows.append(own)
        change = average(row[0] - reference for row, reference in zip(rows, floats, strict=True))
        table.add(
            f"W{weights}A{activations}",
            basis,
            average(row[1] for row in rows),
            average(row[0] for row in rows),
            change,
            sum(row[3] for row in rows),
            sum(row[2] for row in rows),
        )
        total += sum(row[2] for row in rows)
    table.write(folder)
    return total


def speed(data: Dataset, folder: Path, rounds: int) -> None:
    """Seconds of an epoch, float and quantized in turns."""
    table = ResultTable(
        "fashion-speed",
        ("network", "seconds per epoch, median", "least", "most", "ratio to float"),
        f"Epochs of {len(data.train_x)} images in batches of {BATCH}, {rounds} of each in turns, "
        f"{torch.get_num_threads()} threads.",
        (12, 25, 7, 7, 14),
    )
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        start = time.monotonic()
        trained_float(data, 0, 1)
        times.setdefault("float", []).append(time.monotonic() - start)
        for weights, activations, basis in SETTINGS[:2]:
            config = settings(weights, activations, basis)
            model = to_model(float_network("EfficientKAN", data, 0), data)
            network = prepare(model, calibration(data), config)
            start = time.monotonic()
            train(network, data.train_x, data.train_y, epochs=1, batch_size=BATCH)
            name = f"W{weights}A{activations}B{basis}"
            times.setdefault(name, []).append(time.monotonic() - start)
    reference = statistics.median(times["float"])
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        table.add(name, middle, min(seconds), max(seconds), middle / reference)
    table.write(folder)


def gptq(data: Dataset, folder: Path) -> None:
    """Time and memory of GPTQ, and what it is worth at 4 bits."""
    table = ResultTable(
        "fashion-gptq",
        ("method", "seconds", "peak memory so far, MiB", "test accuracy"),
        "W4A4 after training, 1,024 calibration images; memory is that of the whole process, with "
        "the data and PyTorch in it.",
        (11, 7, 23, 13),
    )
    model = to_model(float_network("EfficientKAN", data, 0), data)
    for method in ("uniform", "gptq", "gptq_joint"):
        config = QuantConfig(realisation="basis_table", method=method, **everywhere(4, 4))
        start = time.monotonic()
        quantized = quantize_model(model, calibration(data), config)
        seconds = time.monotonic() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        y, _ = verified(quantized, data.test_x)
        table.add(method, seconds, round(memory), score(y, data.test_y))
    table.write(folder)


def main() -> int:
    """Run; 1 if an output differs from its Program's."""
    parser = table_parser(__doc__, seeds=SEEDS)
    parser.add_argument("--epochs", type=int, default=EPOCHS["fashion_mnist"])
    parser.add_argument("--rounds", type=int, default=3, help="of timed epochs")
    parser.add_argument(
        "--parts", nargs="+", default=["gptq", "speed", "accuracies"], help="which tables"
    )
    options = parser.parse_args()
    data = load("fashion_mnist")
    # GPTQ first: memory is the most that the process has had.
    if "gptq" in options.parts:
        gptq(data, options.out)
    if "speed" in options.parts:
        speed(data, options.out, options.rounds)
    if "accuracies" in options.parts:
        return int(accuracies(data, options.seeds, options.epochs, options.out) > 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
