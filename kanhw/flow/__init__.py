"""The public verbs, from a checkpoint to Verilog, a verified design and a report."""
