"""Quantization-aware training, in PyTorch: what is trained is what is deployed."""

from kanhw.quant.training.loop import parameter_groups, train
from kanhw.quant.training.network import QuantizedNetwork, convert, prepare

__all__ = ["QuantizedNetwork", "convert", "parameter_groups", "prepare", "train"]
