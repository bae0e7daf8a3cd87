"""A regression in physical units, from sensors in Q format to physical outputs: error of integers.

    python -m benchmarks.quantization.physics [--seeds 0 1 2 3]

Temperature in K, pressure in Pa and relative humidity in percent, of ranges 1000 times apart, give
the density of moist air in kg/m3 and its dew point in degrees Celsius (Magnus' formula, and the
equation of state of two ideal gases). EfficientKAN networks that were trained for a short and for
a long time learn both from 2000 samples; normalisations are buffers of the checkpoint, folded in.
Errors are those of the design's golden model, with codes of fixed point at both ends, on 4000 other
samples: its RMS distance from the truth over the float network's own, and its RMS distance from the
float network in percent of an output's standard deviation. ``codes of hidden values alone`` is the
float network with nothing rounded but its hidden values, each to the codes that calibration chose:
no choice of weights or tables comes below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import kanhw
from benchmarks.common.experiments import in_parallel
from benchmarks.common.results import Average, ResultTable, average, table_parser
from kanhw.layers import KAN
from kanhw.program import Labels
from kanhw.program.costs import costs_of
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.plan import make_plan

Array = npt.NDArray[np.float64]

LOW, HIGH = np.array([260.0, 5.0e4, 5.0]), np.array([320.0, 1.05e5, 100.0])
LABELS = Labels(
    inputs=("temperature", "pressure", "humidity"),
    outputs=("density", "dew_point"),
    input_units=("K", "Pa", "%"),
    output_units=("kg/m3", "degC"),
)
INPUT_FORMAT = "temperature=uq9.7,pressure=uq17.3,humidity=uq7.9"
OUTPUT_FORMAT = "density=q2.14,dew_point=q8.8"
SAMPLES, TESTED = 2000, 4000
SEEDS = (0, 1, 2, 3)
# Epochs of a float network that is as good as a quick training makes it, and of a good one.
EPOCHS = (12, 60)
SHAPES = ((3, 5, 2), (3, 8, 2))
EIGHT: dict[str, Any] = {
    "input_bits": 8,
    "spline_bits": 8,
    "base_bits": 8,
    "activation_granularity": "tensor",
    "realisation": "edge_table",
}
# Fields of a QuantConfig; one line of the table each.
CONFIGS: dict[str, dict[str, Any]] = {
    "default flags": {},
    "input codes of 8 bits": {"input_bits": 8},
    "... and weights of 8 bits": {"input_bits": 8, "spline_bits": 8, "base_bits": 8},
    "... and one scale for hidden codes": EIGHT,
    "these, but weights of 12 bits": {**EIGHT, "spline_bits": 12, "base_bits": 12},
    "these, but input codes of 12 bits": {**EIGHT, "input_bits": 12},
    "these, but hidden codes of 12 bits": {**EIGHT, "activation_bits": 12},
    "these, but tables of 16 bits": {**EIGHT, "table_bits": 16},
    "input codes of 12 bits": {"input_bits": 12},
    "hidden codes of 10 bits": {"activation_bits": 10, "input_bits": 10},
    "hidden codes of 12 bits": {"activation_bits": 12, "input_bits": 12},
    "weights and hidden codes of 6 bits": {
        "input_bits": 12,
        "spline_bits": 6,
        "base_bits": 6,
        "activation_bits": 6,
    },
    "hidden codes of 6 bits": {"input_bits": 12, "activation_bits": 6},
}


def truth(x: Array) -> Array:
    """Density and dew point ``[N, 2]`` of temperature, pressure and humidity ``[N, 3]``."""
    kelvin, pascal, percent = x.T
    celsius = kelvin - 273.15
    vapour = percent / 100 * 610.94 * np.exp(17.625 * celsius / (celsius + 243.04))
    density = (pascal - vapour) / (287.05 * kelvin) + vapour / (461.5 * kelvin)
    log = np.log(vapour / 610.94)
    return np.stack([density, 243.04 * log / (17.625 - log)], axis=1)


def samples(count: int, seed: int) -> tuple[Array, Array]:
    """Features ``[N, 3]``, uniform in their ranges, and the truth."""
    x = np.random.default_rng(seed).uniform(LOW, HIGH, (count, 3))
    return x, truth(x)


def float_state(
    shape: tuple[int, ...], epochs: int, seed: int, x: Array, y: Array
) -> dict[str, torch.Tensor]:
    """A checkpoint of a trained network, its normalisations among the tensors."""
    means, spans = (LOW + HIGH) / 2, (HIGH - LOW) / 2
    centre, deviation = y.mean(axis=0), y.std(axis=0)
    torch.manual_seed(seed)
    model = KAN(list(shape))
    inputs = torch.tensor((x - means) / spans, dtype=torch.float32)
    targets = torch.tensor((y - centre) / deviation, dtype=torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(model(inputs[rows]), targets[rows]).backward()
            optimiser.step()
        schedule.step()
    around = {"x_mean": means, "x_std": spans, "y_mean": centre, "y_std": deviation}
    return {**model.state_dict(), **{name: torch.tensor(a) for name, a in around.items()}}


def loaded(state: dict[str, torch.Tensor]) -> Any:
    """The float network in physical units."""
    return kanhw.load(
        state, input_mean="x_mean", input_std="x_std", output_mean="y_mean", output_std="y_std"
    )


def rms(errors: Array) -> Array:
    """Root mean square of every output."""
    return np.asarray(np.sqrt(np.square(errors).mean(axis=0)))


@dataclass(frozen=True)
class Figures:
    """Of one quantization, ``[2]`` of density and dew point.

    Parameters
    ----------
    ratios
        RMS error against the truth over the float network's.
    errors
        RMS distance from the float network, in percent of the deviation.
    luts
        LUT6 of the unrolled network.
    """

    ratios: Array
    errors: Array
    luts: float


def measured(case: tuple[tuple[int, ...], int, int]) -> tuple[Array, dict[str, Figures]]:
    """The float network's error in percent of the deviation, and the figures of every config.

    Parameters
    ----------
    case
        Layer widths, epochs of the float network, and the seed.
    """
    shape, epochs, seed = case
    torch.set_num_threads(1)
    x, y = samples(SAMPLES, 100 + seed)
    test_x, test_y = samples(TESTED, 999)
    model = loaded(float_state(shape, epochs, seed, x, y))
    exact, deviation = model(test_x), test_y.std(axis=0)
    own = rms(exact - test_y)
    found = {}
    for name, changes in CONFIGS.items():
        program = kanhw.quantize(model, x, QuantConfig().changed(changes), labels=LABELS)
        physical = kanhw.with_formats(program, inputs=INPUT_FORMAT, outputs=OUTPUT_FORMAT)
        outputs = physical.decode_output(physical(physical.input.encode(test_x)))
        found[name] = Figures(
            rms(outputs - test_y) / own,
            100 * rms(outputs - exact) / deviation,
            costs_of(program).unrolled_luts,
        )
    for bits in (8, 6):
        outputs = _hidden_alone(model, x, test_x, bits)
        found[f"{bits}-bit codes of hidden values alone"] = Figures(
            rms(outputs - test_y) / own, 100 * rms(outputs - exact) / deviation, 0.0
        )
    return 100 * own / deviation, found


def _hidden_alone(model: Any, x: Array, test_x: Array, bits: int) -> Array:
    plan = make_plan(model, x, QuantConfig(activation_bits=bits, realisation="edge_table"))
    value = test_x
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        if index:
            (quantizer,) = consumer.streams
            value = quantizer.dequantize(quantizer.quantize(value))
        value = step(value)
    return value


def main() -> None:
    """Run."""
    parser = table_parser(__doc__, seeds=SEEDS)
    options = parser.parse_args()
    table = ResultTable(
        "physics",
        (
            "network",
            "float error %",
            "integers",
            "density: error / float's",
            "dew point: error / float's",
            "density: distance %",
            "dew point: distance %",
            "LUTs",
        ),
        "Moist air: RMS error against the truth over the float network's own, and RMS distance "
        "from the float network in percent of the standard deviation, on 4000 samples that had no "
        "part in anything; the float network's errors are those of density and dew point, in "
        "percent of the deviation; LUTs are the resource model's, unrolled, without conversions; "
        f"seeds {', '.join(map(str, options.seeds))}.",
        (9, 24, 42),
    )
    cases = [(shape, epochs) for shape in SHAPES for epochs in EPOCHS]
    tasks = [(shape, epochs, seed) for shape, epochs in cases for seed in options.seeds]
    results = in_parallel(measured, tasks)
    for shape, _ in cases:
        runs = [next(results) for _ in options.seeds]
        own = " and ".join(str(_mean(runs, lambda run, k=k: run[0][k])) for k in range(2))
        for name in runs[0][1]:
            figures = [
                _mean(
                    runs, lambda run, k=k, field=field, name=name: getattr(run[1][name], field)[k]
                )
                for field in ("ratios", "errors")
                for k in range(2)
            ]
            luts = round(_mean(runs, lambda run, name=name: run[1][name].luts).mean)
            table.add("-".join(map(str, shape)), own, name, *figures, luts or "")
    table.write(options.out)


def _mean(runs: list[Any], figure: Any) -> Average:
    return average(figure(run) for run in runs)


if __name__ == "__main__":
    main()
