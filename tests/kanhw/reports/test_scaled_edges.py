"""Curves of a layer whose inputs have scales of their own, as a folded normalisation leaves it."""

import numpy as np
from float_models import MODELS

from kanhw.model.rescaling import with_input_map
from kanhw.reports.float_edges import FloatEdges


def test_every_edge_has_its_own_scale():
    model = MODELS["efficient_kan"](np.random.default_rng(0))
    mapped = with_input_map(model, np.array([2.0, 1.0, 0.5]), np.array([0.0, 1.0, -1.0]))
    layer = mapped.layers[0]
    points = np.linspace(-3, 3, 21)
    expected = layer.edges(np.repeat(points[:, None], 3, axis=1))
    for j in range(layer.n_out):
        for i in range(3):
            curve = FloatEdges(layer)("edge", j, i, points)
            np.testing.assert_allclose(curve, expected[j, i], atol=1e-12)
