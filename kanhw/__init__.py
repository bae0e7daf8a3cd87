"""kanhw puts a trained Kolmogorov-Arnold Network on an FPGA."""

__version__ = "0.1.0"
