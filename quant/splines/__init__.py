"""Grids in codes, and the constants of evaluated splines."""
