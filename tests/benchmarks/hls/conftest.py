"""The benchmarks are not installed: the repository comes last on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
