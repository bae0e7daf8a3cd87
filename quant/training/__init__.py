"""Quantization-aware training, in PyTorch: what is trained is what is deployed."""

from kanhw.quant.training.fitting.groups import parameter_groups
from kanhw.quant.training.fitting.loop import train
from kanhw.quant.training.fitting.result import Training
from kanhw.quant.training.network import QuantizedNetwork, convert, prepare

__all__ = ["QuantizedNetwork", "Training", "convert", "parameter_groups", "prepare", "train"]
