"""Exploration: every trade-off of a model's own hardware, measured point by point."""
