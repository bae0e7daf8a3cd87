"""Streams of codes: what a stage is, when it takes and gives, and adapters between stages."""
