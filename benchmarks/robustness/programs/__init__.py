"""Random Programs of every layer kind, extreme widths among them, against their Verilog."""
