"""Quantization: from float models to the integers of a Program."""

from kanhw.quant.config import QuantConfig
from kanhw.quant.lowering import lower
from kanhw.quant.model import QuantModel
from kanhw.quant.post_training import quantize_model

__all__ = ["QuantConfig", "QuantModel", "lower", "quantize_model"]
