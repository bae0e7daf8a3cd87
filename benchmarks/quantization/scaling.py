"""Scaling tensors folded into what they scale, against quantized on their own.

    python -m benchmarks.quantization.scaling [--datasets digits dry_bean] [--seeds 0 1 2]

EfficientKAN's spline_scaler, PyKAN's scale_sp and the beta of KAGN's polynomials are folded by
kanhw before anything is quantized. Here they are quantized instead, to the bits of the weights with
one max-abs scale per tensor, before the rest is, as a quantizer would that treats them as
parameters. FastKAN has none.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.experiments import (
    Experiment,
    calibration,
    evaluated,
    everywhere,
    in_parallel,
    part,
)
from benchmarks.common.networks import float_network, to_model
from benchmarks.common.plots import line_plot
from benchmarks.common.results import ResultTable, average, tabulate_datasets
from kanhw.quant import QuantConfig, quantize_model

SCALINGS = {"EfficientKAN": "spline_scaler", "PyKAN": "scale_sp", "KAGN": "beta_weights"}
BITS = {2: 4, 3: 4, 4: 4, 8: 8}


def rounded(tensor: Any, bits: int) -> Any:
    """To symmetric codes of one scale, by the largest magnitude; half up."""
    top = max((1 << (bits - 1)) - 1, 1)
    step = tensor.abs().max() / top
    return torch.floor(tensor / step + 0.5).clamp(-top, top) * step


def measure(experiment: Experiment) -> tuple[float, float, float]:
    """Scores of the float network, of the folded and of the unfolded quantization."""
    data = part(experiment.dataset)
    folded = float_network(experiment.variant, data, experiment.seed)
    unfolded = copy.deepcopy(folded)
    name, found = SCALINGS[experiment.variant], 0
    with torch.no_grad():
        for key, tensor in unfolded.named_parameters():
            if key.rpartition(".")[2] == name:
                tensor.copy_(rounded(tensor, experiment.config["spline_bits"]))
                found += 1
    if not found:
        raise RuntimeError(f"{experiment.variant} has no parameter {name}")
    config = QuantConfig(realisation="basis_table", method="uniform").changed(experiment.config)
    scores = [evaluated(to_model(folded, data), experiment.dataset)]
    for network in (folded, unfolded):
        model = quantize_model(to_model(network, data), calibration(data), config)
        scores.append(evaluated(model, experiment.dataset))
    return scores[0], scores[1], scores[2]


def tabulate(dataset: str, seeds: list[int], folder: Path) -> None:
    """Measure and write one table and its plot."""
    table = ResultTable(
        f"scaling-{dataset}",
        ("network", "scaling tensor", "bits", "float", "folded", "unfolded", "folded - unfolded"),
        f"Test {part(dataset).unit} on {dataset}, uniform rounding after training, mean and "
        f"deviation over seeds {', '.join(map(str, seeds))}.",
        (12, 14, 5, 13, 13, 13, 17),
    )
    cases = [(variant, bits) for variant in SCALINGS for bits in BITS.items()]
    results = in_parallel(
        measure,
        [
            Experiment(variant, dataset, seed, config=everywhere(*bits))
            for variant, bits in cases
            for seed in seeds
        ],
    )
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for variant, (weights, activations) in cases:
        rows = [next(results) for _ in seeds]
        change = average(folded - unfolded for _, folded, unfolded in rows)
        scores = [average(column) for column in zip(*rows, strict=True)]
        bits = f"W{weights}A{activations}"
        table.add(variant, SCALINGS[variant], bits, *scores, change)
        line = lines.setdefault(variant, ([], []))
        line[0].append(weights)
        line[1].append(change.mean)
    table.write(folder)
    line_plot(
        lines,
        folder / f"scaling-{dataset}.svg",
        x_label="bits of weights and scaling tensor",
        y_label=f"{part(dataset).unit}, folded - unfolded",
        title=dataset,
    )


def main() -> None:
    """Run."""
    tabulate_datasets(__doc__, tabulate)


if __name__ == "__main__":
    main()
