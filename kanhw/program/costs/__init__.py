"""What a Program costs: bits to store, work per inference, LUTs where every edge has its own."""

from kanhw.program.costs.by_kind import LAYER_COSTS, costs_by_layer, costs_of, counted
from kanhw.program.costs.network_costs import NetworkCosts

__all__ = ["LAYER_COSTS", "NetworkCosts", "costs_by_layer", "costs_of", "counted"]
