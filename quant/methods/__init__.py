"""Post-training rounding that looks at data: what a layer's weights become on what enters it."""

from kanhw.quant.methods.with_data import METHODS, round_with_data

__all__ = ["METHODS", "round_with_data"]
