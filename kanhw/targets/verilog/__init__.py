"""Verilog of cells that Yosys has no model of, a file a family."""
