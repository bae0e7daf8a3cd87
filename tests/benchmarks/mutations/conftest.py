"""The benchmarks are scripts, not a package: their folder comes last on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
