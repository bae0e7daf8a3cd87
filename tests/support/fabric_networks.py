"""Data that a tiny network learns in a moment, and networks with widths all over their ranges."""

from __future__ import annotations

import numpy as np
import torch

from kanhw.quant.fabric.training import Data


def rings(count=96, seed=0):
    """Two classes, inside and outside of a circle, of features in unlike units."""
    random = np.random.default_rng(seed)
    x = random.normal(0, 1, (count, 2))
    labels = (np.square(x).sum(axis=1) > 1.4).astype(np.int64)
    return x * [1e-3, 5e4] + [0.2, -7e5], labels


def data_of(x, y, held_out=32):
    return Data(x[held_out:], y[held_out:], x[:held_out], y[:held_out])


def scattered(training, count=2, seed=0):
    """Networks with widths all over their ranges: [count, size]."""
    random = np.random.default_rng(seed)
    layout = training.layout
    rows = torch.stack([layout.start(seed, k) for k in range(count)])
    start = 0
    for own in layout.parameters:
        place = slice(start, start + own.size)
        start += own.size
        spread = {"address_bits": (0.2, 5.9), "code_bits": (1.2, 5.9), "fraction_bits": (-2, 6)}
        if own.name in spread:
            drawn = random.uniform(*spread[own.name], (count, own.size))
            rows[:, place] = torch.tensor(drawn, dtype=rows.dtype)
        if own.name == "bias":
            rows[:, place] = torch.tensor(random.normal(0, 0.3, (count, own.size)))
    return rows
