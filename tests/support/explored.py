"""A small model and data to explore, and a space of a few points."""

import numpy as np
from float_models import efficient_kan

SPACE = {
    "quantize": {"realisation": "edge_table", "activation_bits": [3, 4], "table_bits": [3, 5]},
    "hardware": {"plan": ["folded", "inputs=3,outputs=2"]},
}
POINTS, STAGES = 8, 4


def small_model():
    return efficient_kan(np.random.default_rng(0))


def small_data(seed=1, rows=60):
    x = np.random.default_rng(seed).uniform(-2, 2, (rows, 3))
    return {"x": x, "labels": small_model()(x).argmax(axis=1)}


def front(found):
    """What must be the same however a run went."""
    return [(each.point.name, dict(each.figures)) for each in found.front]
