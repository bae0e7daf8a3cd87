"""Methods after training on the reference networks, on the whole test part of their data.

    python -m benchmarks.quantization.references [--parts reconstruction gptq allocation]

reconstruction: AdaRound and BRECQ at 8 bits beside uniform rounding: accuracy, and the largest
change of an output in percent of the outputs' range; 'activations' has the float weights and only
the codes between layers quantized, so no rounding of weights can be better. gptq: the mean squared
error that rounding weights to 4 bits makes in the sums of all layers, on rows that were not
calibrated with, over that of uniform rounding. allocation: chosen bits against the same everywhere
at equal parameter bits; calibrated on one half of the training part, chosen on the other half.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.common.experiments import everywhere, in_parallel
from benchmarks.common.reference_networks import FASHION, NAMES, parts
from benchmarks.common.results import ResultTable, table_parser
from kanhw.quant import BitBudget, QuantConfig, allocate, lower, quantize_model
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods import round_with_data
from kanhw.quant.methods.problem import RoundingProblem, layer_error, walk_layers
from kanhw.quant.planning.plan import Plan, make_plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.realise import RoundedLayer

CALIBRATION_ROWS = 1024


def calibration(x: Any) -> Any:
    """At most so many rows, drawn by a seed."""
    order = np.random.default_rng(0).permutation(len(x))
    return x[order[:CALIBRATION_ROWS]]


def in_rows(model: Any, x: Any, rows: int = 2000) -> Any:
    """Outputs of a model, some rows at a time."""
    return np.concatenate([model(x[i : i + rows]) for i in range(0, len(x), rows)])


def compared(exact: Any, outputs: Any, labels: Any) -> str:
    """Accuracy and largest change as a cell."""
    change = 100 * np.abs(outputs - exact).max() / np.ptp(exact)
    if labels is None:
        return f"{change:.2f}"
    accuracy = 100 * (outputs.argmax(axis=1) == labels).mean()
    return f"{accuracy:.2f} / {change:.2f}"


def reconstruction(name: str) -> list[str]:
    """Cells of a row."""
    model, train_x, test_x, labels = parts(name)
    x = calibration(train_x)
    exact = in_rows(model, test_x.reshape(-1, *model.input_shape))
    cells = ["" if labels is None else f"{100 * (exact.argmax(axis=1) == labels).mean():.2f}"]
    fine = QuantConfig(base_bits=12, spline_bits=12, table_bits=16, realisation="edge_table")
    configs = [fine, *(QuantConfig(method=m) for m in ("uniform", "adaround", "brecq"))]
    configs += [
        QuantConfig(method=m, base_bits=10, spline_bits=10, activation_bits=10, norm_bits=14)
        for m in ("adaround", "brecq")
    ]
    for config in configs:
        if config.activation_bits == 10 and name == FASHION:
            # Tables of 10 address bits for 50,000 edges.
            cells.append("")
            continue
        cells.append(compared(exact, in_rows(quantize_model(model, x, config), test_x), labels))
    return cells


def gptq(name: str) -> list[float]:
    """Held-out error of uniform rounding, and of the others over it."""
    model, train_x, test_x, _ = parts(name)
    x, held = (
        model.flat(calibration(part).reshape(-1, *model.input_shape)) for part in (train_x, test_x)
    )
    errors = []
    for method in ("uniform", "gptq", "gptq_joint"):
        fields = everywhere(4, 8, method=method, realisation="basis_table")
        plan = make_plan(model, x, QuantConfig(**fields))
        rounded = walk_layers(plan, x, nearest) if method == "uniform" else round_with_data(plan)
        errors.append(held_out_error(plan, rounded, held))
    return [errors[0], errors[1] / errors[0], errors[2] / errors[0]]


def nearest(_: int, step: SumStep, problem: RoundingProblem) -> RoundedLayer:
    """Uniform rounding of a layer to 4 bits."""
    config = QuantConfig(**everywhere(4, 8))
    return RoundedLayer(problem.branches, nearest_weights(problem.branches, config))


def held_out_error(plan: Plan, rounded: tuple[RoundedLayer | None, ...], x: Any) -> float:
    """Mean squared error of all sums of all layers, at the codes that other rows lead to."""
    errors = []

    def look(index: int, _: SumStep, problem: RoundingProblem) -> RoundedLayer:
        own = rounded[index]
        if own is None:
            raise RuntimeError(f"Step {index} has weights, but none were rounded")
        errors.append(float(layer_error(problem, own.weights).sum()))
        return own

    walk_layers(plan, x, look)
    return sum(errors)


def allocation(name: str) -> list[Any]:
    """Losses on the test part at equal cost."""
    model, train_x, test_x, _ = parts(name)
    train_x = model.flat(train_x.reshape(-1, *model.input_shape))
    test_x = model.flat(test_x.reshape(-1, *model.input_shape))
    order = np.random.default_rng(0).permutation(len(train_x))
    first, second = np.array_split(train_x[order[: 2 * CALIBRATION_ROWS]], 2)
    exact = in_rows(model, test_x.reshape(-1, *model.input_shape))
    cells: list[Any] = []
    for bits in (3, 4, 6):
        fields = everywhere(bits, bits, basis_bits=bits, base_table_bits=bits)
        config = QuantConfig(realisation="basis_table", method="uniform", **fields)
        uniform = quantize_model(model, first, config)
        found = allocate(
            model,
            first,
            second,
            BitBudget.of(lower(uniform)),
            config=QuantConfig(realisation="basis_table"),
        )
        losses = [
            float(np.square(in_rows(one, test_x) - exact).mean() / exact.var())
            for one in (uniform, found.quantized)
        ]
        cells += [100 * losses[0], losses[1] / losses[0]]
    return cells


def main() -> None:
    """Run."""
    parser = table_parser(__doc__)
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--parts", nargs="+", choices=sorted(TABLES), default=sorted(TABLES))
    options = parser.parse_args()
    for part in options.parts:
        work, columns, note = TABLES[part]
        table = ResultTable(f"references-{part}", ("network", *columns), note, (20,))
        rows = in_parallel(work, options.networks)
        for name, cells in zip(options.networks, rows, strict=True):
            table.add(name, *cells)
        table.write(options.out)


TABLES: dict[str, Any] = {
    "reconstruction": (
        reconstruction,
        (
            "float",
            "activations",
            "uniform W8A8",
            "AdaRound W8A8",
            "BRECQ W8A8",
            "AdaRound W10A10",
            "BRECQ W10A10",
        ),
        "Accuracy in %, largest change of an output in % of the range; activations: float weights",
    ),
    "gptq": (
        gptq,
        ("uniform", "gptq / uniform", "gptq_joint / uniform"),
        "Mean squared error of all sums, W4A8, basis tables, on rows that were not calibrated with",
    ),
    "allocation": (
        allocation,
        tuple(
            text
            for bits in (3, 4, 6)
            for text in (f"uniform {bits} bits, loss %", "allocated / uniform")
        ),
        "Mean squared change of the outputs over their variance, test part, equal parameter bits",
    ),
}


if __name__ == "__main__":
    main()
