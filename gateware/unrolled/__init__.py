"""Layers with hardware for every edge: a vector at every clock."""
