"""A float network of physical quantities, whose units are far apart."""

import numpy as np

from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel

# Kelvin, pascal, percent.
LOW, HIGH = np.array([250.0, 9e4, 0.0]), np.array([320.0, 1.1e5, 100.0])


def physical_model(rows):
    """The network, and so many rows of data."""
    rng = np.random.default_rng(0)

    def layer(low, high, n_out, base, name):
        steps = (high - low)[:, None] / 5 * (np.arange(12) - 3)
        return KanLayer(
            BSplineBasis(low[:, None] + steps, 3),
            rng.normal(size=(n_out, len(low), 8)),
            base * rng.normal(size=(n_out, len(low))),
            Activation("silu"),
            np.zeros(n_out),
            name,
        )

    # No base branch at the input: silu of pascals would drown all else.
    wide = np.full(4, 4.0)
    layers = layer(LOW, HIGH, 4, 0.0, "layers.0"), layer(-wide, wide, 1, 1.0, "layers.1")
    return KanModel(layers), rng.uniform(LOW, HIGH, (rows, 3))
