"""The benchmarks are scripts, not a package: their folders come last on the path."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "robustness")]
