"""Evaluated splines through the public verbs: from a float network to verified Verilog."""

from itertools import pairwise

import numpy as np
import pytest

import kanhw
from kanhw import QuantConfig
from kanhw.errors import ToolNotFound
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer, KanModel
from kanhw.quant.config import EvaluatorConfig
from kanhw.schedule.schedule import Schedule
from kanhw.sim import find_simulator


def _model(rng, sizes):
    """Cubic splines on [-1, 1]."""
    layers = []
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        knots = np.tile(np.arange(-3, 9) * 0.4 - 1, (n_in, 1))
        layers.append(
            KanLayer(
                BSplineBasis(knots, 3),
                rng.normal(0, 0.4, (n_out, n_in, 8)),
                rng.normal(0, 0.3, (n_out, n_in)),
                Activation("silu"),
                np.zeros(n_out),
                f"layers.{k}",
            )
        )
    return KanModel(tuple(layers), "made up")


@pytest.mark.wide
@pytest.mark.parametrize(
    ("bits", "sizes", "schedule"),
    [
        (10, (2, 1, 1), Schedule()),
        (12, (2, 2, 1), Schedule(kind="folded", parallel_inputs=1, parallel_outputs=2)),
    ],
)
def test_from_a_float_network_to_verified_verilog(bits, sizes, schedule, tmp_path):
    try:
        find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(bits)
    model, x = _model(rng, sizes), rng.uniform(-1.2, 1.2, (300, 2))
    config = QuantConfig(
        realisation="spline_evaluator",
        activation_bits=bits,
        spline_bits=5,
        base_bits=5,
        evaluator=EvaluatorConfig(alignment=bits == 10),
    )
    program = kanhw.quantize(model, x, config)
    assert [layer.kind for layer in program.layers] == ["spline_evaluator"] * 2
    assert [layer.depths for layer in program.layers] == [(1 << bits, 1 << bits)] * 2
    error = np.abs(program.decode_output(program(program.input.encode(x))) - model(x)).max()
    assert error < 0.1 * np.ptp(model(x))
    design = kanhw.generate(program, tmp_path / "design", schedule=schedule)
    result = kanhw.simulate(design, x[:40])
    assert result.passed, result.equivalence.problems
    np.testing.assert_array_equal(result.outputs, program(program.input.encode(x[:40])))
    page = kanhw.report(design, tmp_path / "report.html", model=model, simulations=[result])
    text = page.read_text(encoding="utf-8")
    assert "order 3 by " in text and "basis within 0." in text
    assert ("no power of two of codes" in text) == (bits == 12)
