"""Resource estimates: a design through open-source synthesis, counted for a family of FPGAs."""

from kanhw.estimation.estimate import Estimate, Figure
from kanhw.estimation.place_and_route import PlacedTiming
from kanhw.estimation.resources import ResourceEstimate
from kanhw.estimation.runs import estimate_design, estimate_many, estimate_verilog
from kanhw.targets.table import TARGETS, target_named
from kanhw.targets.target import Target
from kanhw.tools.yosys import yosys_version

__all__ = [
    "TARGETS",
    "Estimate",
    "Figure",
    "PlacedTiming",
    "ResourceEstimate",
    "Target",
    "estimate_design",
    "estimate_many",
    "estimate_verilog",
    "target_named",
    "yosys_version",
]
