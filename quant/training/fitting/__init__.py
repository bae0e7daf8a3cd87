"""Fitting a network to data: targets that are understood, and a loop."""
