"""Codebooks: how many shapes edges need, and one codebook for the heads of many tasks.

    python -m benchmarks.quantization.codebooks [--seeds 0 1 2 3 4] [--heads 1 2 5 10 50]

First: accuracy and storage over K on digits, five seeds of the clustering, every variant, without
and with fine-tuning at frozen indices, dense weights of 4 bits beside it. Then: networks of as many
tasks as there are heads (is a digit in a set of five that the task's number draws?), all sharing
one codebook a layer: storage of a head, error of its outputs, and accuracy; the sets of heads are
the first so many of the same fifty tasks.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.data import Dataset
from benchmarks.common.experiments import (
    VARIANTS,
    calibration,
    evaluated,
    everywhere,
    in_parallel,
    network,
    part,
)
from benchmarks.common.networks import Recipe, float_model, score
from benchmarks.common.plots import line_plot
from benchmarks.common.results import ResultTable, average, table_parser
from kanhw.quant import QuantConfig, quantize_model
from kanhw.quant.codebook import codebook_storage
from kanhw.quant.config import CodebookConfig
from kanhw.quant.task_heads import quantize_heads
from kanhw.quant.training.codebook_tuning import fine_tune

SIZES = (4, 8, 16, 32, 64, 128)
ACTIVATION_BITS = 4
DATASET = "digits"
EPOCHS = 10
HEAD_RECIPE = Recipe(sizes=(64, 8, 2), epochs=20)
HEAD_SIZE = 32


def settings(size: int, seed: int) -> QuantConfig:
    """K shapes a layer, everything else as it is by default."""
    fields = everywhere(4, ACTIVATION_BITS)
    return QuantConfig(
        realisation="codebook",
        seed=seed,
        codebook=CodebookConfig(size=size),
        **fields,
    )


def measured(task: tuple[str, int, int, bool]) -> tuple[float, float, float, float]:
    """Accuracy, bits, compression over dense INT4 and over float32 of one codebook network."""
    variant, size, seed, tuned = task
    data, model = part(DATASET), network(variant, DATASET, 0)
    config = settings(size, seed)
    if tuned:
        x = data.train_x.reshape(-1, *model.input_shape)
        quantized = fine_tune(model, x, data.train_y, config, epochs=EPOCHS, seed=seed)
    else:
        quantized = quantize_model(model, calibration(data), config)
    storage = codebook_storage(quantized)
    accuracy = evaluated(quantized, DATASET)
    return accuracy, storage.total, storage.compression_over_int4, storage.compression_over_float32


def sizes(seeds: list[int], folder: Path) -> None:
    """The table over K."""
    table = ResultTable(
        "codebooks",
        ("network", "K", "accuracy", "fine-tuned", "bits", "INT4 / bits", "float32 / bits"),
        f"Test accuracy in percent on {DATASET}, A{ACTIVATION_BITS}, base weights of 4 bits, mean "
        f"and deviation over clustering seeds {', '.join(map(str, seeds))} of one float network; "
        f"fine-tuned for {EPOCHS} epochs. Rows K = 0 are dense weights of 4 "
        "bits (after training, and trained with LSQ+ for as many epochs).",
        (12, 4, 13, 13, 7, 11, 14),
    )
    tasks = [
        (v, k, s, tuned) for v in VARIANTS for k in SIZES for tuned in (False, True) for s in seeds
    ]
    results = in_parallel(measured, tasks)
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for variant in VARIANTS:
        dense = dense_scores(variant)
        table.add(variant, 0, dense[0], dense[1], "dense INT4", "", "")
        for size in SIZES:
            plain, tuned = ([next(results) for _ in seeds] for _ in range(2))
            accuracy, fine = (average(row[0] for row in rows) for rows in (plain, tuned))
            bits, dense_ratio, float_ratio = (
                average(row[k] for row in plain).mean for k in (1, 2, 3)
            )
            table.add(variant, size, accuracy, fine, round(bits), dense_ratio, float_ratio)
            line = lines.setdefault(variant, ([], []))
            line[0].append(size)
            line[1].append(fine.mean)
    table.write(folder)
    line_plot(
        lines,
        folder / "codebooks.svg",
        x_label="K, shapes of a layer",
        y_label="test accuracy (%), fine-tuned",
        title=DATASET,
        log_x=True,
    )


def dense_scores(variant: str) -> tuple[float, float]:
    """Accuracy of dense weights of 4 bits, after training and trained on."""
    from kanhw.quant import convert, prepare, train

    data, model = part(DATASET), network(variant, DATASET, 0)
    config = QuantConfig(
        realisation="basis_table", quantizer="lsq+", **everywhere(4, ACTIVATION_BITS)
    )
    after = quantize_model(model, calibration(data), config)
    prepared = prepare(model, calibration(data), config)
    x = data.train_x.reshape(-1, *model.input_shape)
    train(prepared, x, data.train_y, epochs=EPOCHS)
    return evaluated(after, DATASET), evaluated(convert(prepared), DATASET)


def task_data(number: int) -> Dataset:
    """Digits with two classes: whether the digit is in a set of five."""
    chosen = np.random.default_rng(number).permutation(10)[:5]
    data = part(DATASET)
    labels = {
        name: np.isin(getattr(data, name), chosen).astype(np.int64)
        for name in ("train_y", "validation_y", "test_y")
    }
    return replace(data, name=f"{DATASET}-set-{number}", classes=2, **labels)


def head(number: int) -> Any:
    """The float network of a task."""
    return float_model("EfficientKAN", task_data(number), number, HEAD_RECIPE)


def shared(task: tuple[int, int]) -> tuple[float, float, float, float, float]:
    """Bits a head, ratios, error of outputs in percent of variance, accuracy, of so many heads."""
    count, seed = task
    models = [head(number) for number in range(count)]
    x = calibration(part(DATASET))
    quantized = quantize_heads(models, [x] * count, settings(HEAD_SIZE, seed))
    storage = codebook_storage(quantized)
    errors, accuracies = [], []
    for number, (model, own) in enumerate(zip(models, quantized, strict=True)):
        data = task_data(number)
        exact, y = model(data.test_x), own(data.test_x)
        errors.append(100 * float(((y - exact) ** 2).mean() / exact.var()))
        accuracies.append(score(y, data.test_y) - score(exact, data.test_y))
    return (
        storage.total / count,
        storage.compression_over_int4,
        storage.compression_over_float32,
        float(np.mean(errors)),
        float(np.mean(accuracies)),
    )


def heads(counts: list[int], seeds: list[int], folder: Path) -> None:
    """The table over heads."""
    table = ResultTable(
        "codebook-heads",
        ("heads", "bits a head", "INT4 / bits", "float32 / bits", "error %", "accuracy - float"),
        f"EfficientKANs 64-8-2, K = {HEAD_SIZE} shapes a layer shared by all heads, "
        f"A{ACTIVATION_BITS}, after training; error is the mean squared change of the outputs in "
        f"percent of their variance; seeds {', '.join(map(str, seeds))} of the clustering.",
        (5, 11, 11, 14, 13, 16),
    )
    list(in_parallel(head, range(max(counts))))  # trains what the cache lacks
    tasks = [(count, seed) for count in counts for seed in seeds]
    results = in_parallel(shared, tasks)
    line: tuple[list[float], list[float]] = ([], [])
    for count in counts:
        rows = [next(results) for _ in seeds]
        bits, dense_ratio, float_ratio = (average(row[k] for row in rows).mean for k in range(3))
        error, change = (average(row[k] for row in rows) for k in (3, 4))
        table.add(count, round(bits), dense_ratio, float_ratio, error, change)
        line[0].append(count)
        line[1].append(bits)
    table.write(folder)
    line_plot(
        {"bits a head": line},
        folder / "codebook-heads.svg",
        x_label="heads that share a codebook",
        y_label="bits a head",
        title=f"K = {HEAD_SIZE}",
        log_x=True,
    )


def main() -> None:
    """Run."""
    parser = table_parser(__doc__, seeds=(0, 1, 2, 3, 4))
    parser.add_argument("--heads", nargs="+", type=int, default=[1, 2, 5, 10, 50])
    parser.add_argument("--parts", nargs="+", default=["sizes", "heads"], help="which tables")
    options = parser.parse_args()
    if "sizes" in options.parts:
        sizes(options.seeds, options.out)
    if "heads" in options.parts:
        heads(options.heads, options.seeds, options.out)


if __name__ == "__main__":
    main()
