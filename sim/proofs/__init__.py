"""Proofs of streams: harnesses of components, and ABC, which decides what they can do."""
