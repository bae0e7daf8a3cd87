"""The LUT that costs are counted in, before anything is synthesised."""

from __future__ import annotations

__all__ = ["LUT_INPUTS"]

LUT_INPUTS = 6
"""Address bits of one LUT. Edge tables are minimised for it whatever the target is, so that a
Program and a schedule give the same Verilog for all."""
