"""The benchmarks are not installed: the repository comes last on the path."""

import sys
from pathlib import Path

import pytest

for package in ("torch", "sklearn", "matplotlib"):
    pytest.importorskip(package)

sys.path.append(str(Path(__file__).parents[3]))
