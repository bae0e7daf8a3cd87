"""The benchmarks are scripts, not a package: their folders come last on the path."""

import sys
from pathlib import Path

import pytest

for package in ("torch", "sklearn", "matplotlib"):
    pytest.importorskip(package)

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
sys.path += [str(BENCHMARKS), str(BENCHMARKS / "quantization")]
