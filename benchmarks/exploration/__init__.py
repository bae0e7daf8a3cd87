"""Explorations measured: fronts against uniform choices, and what a run costs."""
