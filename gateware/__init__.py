"""Amaranth components, and the generator from a Program to a design."""

from kanhw.gateware.top.generator import GeneratedVerilog, generate_verilog

__all__ = ["GeneratedVerilog", "generate_verilog"]
