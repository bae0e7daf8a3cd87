"""Folded designs of large networks."""
