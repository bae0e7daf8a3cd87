"""Quantized networks as solutions of differential equations: error, and residual of the equation.

    python -m benchmarks.quantization.formulas [--seeds 0 1 2]

Networks of two inputs that learned a solution of the heat equation and of Poisson's, as a
physics-informed network would be used. A quantized network is piecewise constant, so the residual
is taken by differences over a step of 1/4, in percent of the largest term of the equation; that of
the float network, by the same differences, stands beside it. (0 solves the heat equation, too:
look at the error as well.)
"""

from __future__ import annotations

from typing import Any

from benchmarks.common.data import FORMULAS
from benchmarks.common.experiments import (
    VARIANTS,
    Experiment,
    evaluated,
    everywhere,
    in_parallel,
    network,
    quantized,
)
from benchmarks.common.results import SEEDS, ResultTable, average, table_parser

BITS = ((4, 4), (4, 8), (8, 8), (8, 10))


def measured(experiment: Experiment) -> tuple[float, float, float, float]:
    """Error and residual of the float network and of the quantized one."""
    formula = FORMULAS[experiment.dataset]
    figures = []
    exact: Any = network(experiment.variant, experiment.dataset, experiment.seed)
    for model in (exact, quantized(experiment)):
        figures += [evaluated(model, experiment.dataset), formula.relative_residual(model)]
    return figures[0], figures[1], figures[2], figures[3]


def main() -> None:
    """Run."""
    parser = table_parser(__doc__, seeds=SEEDS)
    options = parser.parse_args()
    table = ResultTable(
        "formulas",
        (
            "equation",
            "network",
            "when",
            "bits",
            "RMSE % of range",
            "float",
            "residual %",
            "float residual %",
        ),
        "Uniform rounding after training, and training with LSQ+ (to 8 bits); basis tables of 12 "
        f"bits; seeds {', '.join(map(str, options.seeds))}.",
        (8, 12, 8, 6, 15, 13, 15, 16),
    )
    cases = [
        (equation, variant, trained, weights, bits)
        for equation in FORMULAS
        for variant in VARIANTS
        for trained in (False, True)
        for weights, bits in BITS
        if bits <= 8 or not trained
    ]
    tasks = [
        Experiment(
            variant,
            equation,
            seed,
            trained,
            everywhere(weights, bits, basis_bits=12, base_table_bits=12, quantizer="lsq+"),
        )
        for equation, variant, trained, weights, bits in cases
        for seed in options.seeds
    ]
    results = in_parallel(measured, tasks)
    for equation, variant, trained, weights, bits in cases:
        rows = [next(results) for _ in options.seeds]
        exact, exact_residual, error, residual = (average(r[k] for r in rows) for k in range(4))
        when = "training" if trained else "after"
        name = f"W{weights}A{bits}"
        table.add(equation, variant, when, name, error, exact, residual, exact_residual)
    table.write(options.out)


if __name__ == "__main__":
    main()
