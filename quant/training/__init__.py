"""Quantization-aware training, in PyTorch: what is trained is what is deployed."""

from kanhw.quant.training.fitting.groups import parameter_groups
from kanhw.quant.training.fitting.loop import train
from kanhw.quant.training.fitting.result import Measured, Training
from kanhw.quant.training.fitting.samples import targets_of
from kanhw.quant.training.network import QuantizedNetwork, convert, prepare

__all__ = [
    "Measured",
    "QuantizedNetwork",
    "Training",
    "convert",
    "parameter_groups",
    "prepare",
    "targets_of",
    "train",
]
