"""What 8-bit codes cost whatever the weights are: one quantizer alone, everything else in float.

    python -m benchmarks.quantization.limits [--networks kagn_digits ...] [--bits 8]

Rows are the quantizers of sums. The largest change of an output on the test part, in percent of the
outputs' range, first with the range that AdaRound and BRECQ start from (calibrated, with headroom),
then with the best of 361 ranges *chosen on the test part itself*: no calibration can know that one,
and no rounding of weights takes the change back, so that it bounds from below what these methods
can reach. Layers behind a norm that passes its input on have two quantizers and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from benchmarks.common.experiments import in_parallel
from benchmarks.common.results import ResultTable, table_parser
from benchmarks.quantization.references import FASHION, NAMES, calibration, parts
from kanhw.quant import QuantConfig
from kanhw.quant.planning.headroom import with_headroom
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.planning.steps import SumStep
from kanhw.quant.quantizers.calibration import step_and_origin
from kanhw.quant.quantizers.quantizer import ActivationQuantizer

# Both ends of a range, as shares of the calibrated ones.
SHARES = np.linspace(0.6, 1.5, 19)


def limits(task: tuple[str, int]) -> list[tuple[str, float, float]]:
    """Layer, change with the calibrated range, and with the best one, of every quantizer."""
    name, bits = task
    model, train_x, test_x, _ = parts(name)
    x = calibration(train_x)
    config = QuantConfig(activation_bits=bits, activation_granularity="tensor")
    plan = with_headroom(make_plan(model, x, config))
    value = model.flat(test_x.reshape(-1, *model.input_shape))
    values = [value]
    for step in plan.steps:
        values.append(step(values[-1]))
    exact = values[-1]

    def change(index: int, quantizer: ActivationQuantizer) -> float:
        value = quantizer.dequantize(quantizer.quantize(values[index]))
        for step in plan.steps[index:]:
            value = step(value)
        return 100 * float(np.abs(value - exact).max() / np.ptp(exact))

    found = []
    for index, (step, consumer) in enumerate(zip(plan.steps, plan.consumers, strict=True)):
        if not isinstance(step, SumStep) or len(consumer.streams) > 1:
            continue
        own = consumer.streams[0]
        best = min(change(index, other) for other in ranges(own))
        found.append((step.name, change(index, own), best))
    return found


def ranges(quantizer: ActivationQuantizer) -> Iterator[ActivationQuantizer]:
    """The quantizer with other ends: every pair of shares."""
    count = len(quantizer.scale)
    codes = np.array([[quantizer.format.lo], [quantizer.format.hi]])
    low, high = quantizer.dequantize(np.repeat(codes, count, axis=1))[:, 0]
    for below, above in product(SHARES, SHARES):
        reach = (float(low * below), float(high * above))
        step, origin = step_and_origin(*reach, quantizer.format, symmetric=False)
        yield replace(
            quantizer,
            scale=np.full(count, step),
            zero_point=np.full(count, origin, np.int64),
        )


def main() -> None:
    """Run."""
    parser = table_parser(__doc__)
    names: list[Any] = [name for name in NAMES if name != FASHION]
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--bits", type=int, default=8)
    options = parser.parse_args()
    table = ResultTable(
        "limits",
        ("network", "codes in front of", "calibrated", f"best of {len(SHARES) ** 2} on the test"),
        f"Largest change of an output in % of the range, codes of {options.bits} bits in one place "
        "and float everywhere else, test part",
        (20, 18),
    )
    tasks = [(name, options.bits) for name in options.networks]
    for name, rows in zip(options.networks, in_parallel(limits, tasks), strict=True):
        for row in rows:
            table.add(name, *row)
    table.write(options.out)


if __name__ == "__main__":
    main()
