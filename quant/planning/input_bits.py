"""How many bits the codes of a network's input have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.config import QuantConfig
from kanhw.quant.planning.realisation import WIDEST_TABLES
from kanhw.quant.planning.steps import Step, SumStep

__all__ = ["input_bits"]

# Two more bits make tables four times as large. They are given where precision was asked for, and
# the layer is small.
_MORE = 2
_PRECISE = 8
_MOST_EDGES = 64
_TABLES = ("auto", "edge_table", "basis_table")


def input_bits(step: Step, values: FloatArray, config: QuantConfig) -> int | Sequence[int]:
    """Bits of the codes that the first step reads, one number or one for every feature.

    Parameters
    ----------
    step
        It.
    values
        ``[N, n]`` features.
    config
        What was asked for, in front of this step.
    """
    if config.input_bits != "auto":
        return config.activation_bits if config.input_bits is None else config.input_bits
    bits = config.activation_bits
    if not isinstance(bits, int) or config.output_granularity == "tensor":
        # One unit for all outputs: they are compared, and nobody reads their values.
        return bits
    if not (isinstance(step, SumStep) and step.window is None and step.activation is None):
        return bits
    small = step.layer.spline_norm is None and int(step.layer.active.sum()) <= _MOST_EDGES
    in_tables = config.realisation in _TABLES and bits + _MORE <= WIDEST_TABLES
    if bits >= _PRECISE and small and in_tables and _measured(values, 1 << bits):
        return bits + _MORE
    return bits


def _measured(values: FloatArray, codes: int) -> bool:
    """Whether a feature has more values than there are codes, as far as the samples tell."""
    most = min(codes, len(values) // 2)
    return any(len(np.unique(feature)) > most for feature in values.T)
