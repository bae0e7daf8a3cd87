"""Trainable KAN layers for PyTorch, whose checkpoints are those of the libraries.

- :class:`KAN`, :class:`KANLinear`: EfficientKAN, with pruning.
- :class:`FastKAN`, :class:`FastKANLayer`: FastKAN.
- :class:`KAGN`, :class:`KAGNLayer`, :class:`KAGNConv2DLayer`: torch-conv-kan's Gram polynomials.
- :class:`PyKAN`, :class:`PyKANLayer`: PyKAN, with symbolic edges and products.
- :func:`model_of`, :func:`module_of`: from an ``nn.Sequential`` of them to a KanModel, and back.
"""

from __future__ import annotations

from kanhw.layers.conversion import model_of, module_of
from kanhw.layers.efficient_kan import KAN, KANLinear
from kanhw.layers.fast_kan import FastKAN, FastKANLayer
from kanhw.layers.kagn import KAGN, KAGNLayer
from kanhw.layers.kagn_conv import KAGNConv2DLayer
from kanhw.layers.pykan import PyKANLayer
from kanhw.layers.pykan_network import PyKAN

__all__ = [
    "KAGN",
    "KAN",
    "FastKAN",
    "FastKANLayer",
    "KAGNConv2DLayer",
    "KAGNLayer",
    "KANLinear",
    "PyKAN",
    "PyKANLayer",
    "model_of",
    "module_of",
]
