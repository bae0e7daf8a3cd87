"""Layers whose edges take turns: P_in inputs by P_out outputs a clock, parameters in memories."""
