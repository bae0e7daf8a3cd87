"""Training tables of a layer whose base activation reads inputs through scales of their own."""

import numpy as np
from float_models import MODELS

from kanhw.formats import CodeFormat
from kanhw.model.rescaling import with_input_map
from kanhw.quant.config import QuantConfig
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.layer_tables import LayerTables


def test_one_code_for_all_inputs_is_not_one_function():
    model = MODELS["efficient_kan"](np.random.default_rng(0))
    mapped = with_input_map(model, np.array([2.0, 1.0, 0.5]), np.array([0.0, 1.0, -1.0]))
    layer = mapped.layers[0]
    quantizer = ActivationQuantizer(CodeFormat(4, True), np.full(3, 0.3), np.zeros(3, np.int64))
    table = LayerTables(layer, "edge_table", QuantConfig()).base(quantizer).table
    expected = layer.base_activation(quantizer.grid()).T
    np.testing.assert_allclose(table[:, :, 0].numpy(), expected, atol=1e-6)
