"""Heads that quantization made: one Program, every head of which equals its quantized network."""

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.quant import QuantConfig
from kanhw.quant.config import CodebookConfig
from kanhw.quant.task_heads import lower_heads, quantize_heads


def layer(rng, n_in, n_out, name):
    basis = BSplineBasis(np.tile(np.linspace(-2, 2, 8), (n_in, 1)), 2)
    return KanLayer(
        basis,
        rng.normal(size=(n_out, n_in, basis.count)),
        rng.normal(size=(n_out, n_in)),
        Activation("silu"),
        rng.normal(size=n_out),
        name,
    )


@pytest.mark.parametrize("branches", ["separate", "joint"])
def test_level_1_of_every_head(branches):
    rng = np.random.default_rng(0)
    models = [KanModel((layer(rng, 3, 4, "0"), layer(rng, 4, 2, "1"))) for _ in range(3)]
    data = [rng.normal(size=(60, 3)) * (1 + k) for k in range(3)]
    config = QuantConfig(
        realisation="codebook",
        activation_bits=4,
        codebook=CodebookConfig(size=4, branches=branches),
    )
    quantized = quantize_heads(models, data, config)
    for writable in (False, True):
        program = lower_heads(quantized, writable=writable)
        for head, (model, x) in enumerate(zip(quantized, data, strict=True)):
            codes = program.head(head).input.encode(x)
            expected = model.activations(x)
            np.testing.assert_array_equal(expected[0][0], codes)
            np.testing.assert_array_equal(program(codes, head=head), expected[-1][0])
            real = program.head(head).decode_output(program(codes, head=head))
            assert np.abs(real - model(x)).max() <= 1e-9 * np.abs(real).max()


def test_no_heads():
    with pytest.raises(InputError, match="Heads need at least one Program"):
        lower_heads([])
