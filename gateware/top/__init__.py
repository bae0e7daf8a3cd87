"""From a Program and a Schedule to a design: the chain of stages, its tops, and Verilog."""
