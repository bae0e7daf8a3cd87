"""Networks whose edges are far from zero by a constant."""

import numpy as np
import torch

from kanhw.layers import KAN, KANLinear

REALISATIONS = ["edge_table", "basis_table", "codebook", "spline_evaluator"]


def with_offset(layer, rows=500):
    """A network, its layer's splines around 25, and rows of data."""
    torch.manual_seed(0)
    network = KAN([4, 4, 1])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
        linear = [own for own in network.modules() if isinstance(own, KANLinear)][layer]
        linear.spline_scaler.fill_(1)
        linear.spline_weight.add_(25)
    return network.to_model(), np.random.default_rng(0).uniform(-1, 1, (rows, 4))
