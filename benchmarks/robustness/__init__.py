"""Hostile cases by class, kills, random Programs and growth: `python -m benchmarks.robustness`."""

import os

# One thread: trials are forked, and share two cores with one another's compilers.
os.environ["OMP_NUM_THREADS"] = "1"
