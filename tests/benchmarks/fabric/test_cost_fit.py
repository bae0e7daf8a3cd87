"""The fit of what edge tables cost: it finds factors again, and random networks are as they say."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.fabric.cost_fit import STRUCTURE
from benchmarks.fabric.formula import fitted, luts_of
from benchmarks.fabric.random_networks import random_network
from kanhw.targets.table_costs import TABLE_COSTS, TableCosts, table_costs_of

OTHER = TableCosts(
    table=(0.1, 0.3, 0.5, 0.9, 1.4, 1.5, 3.0, 6.0),
    adder=0.7,
    adder_offset=1.5,
    saturator=0.6,
    encoder=1.0,
)


@pytest.fixture(scope="module")
def networks():
    return [random_network(np.random.default_rng([7, k])) for k in range(40)]


def test_factors_are_found_again(networks):
    sizes = [network.sizes for network in networks]
    luts = [(own, max(round(luts_of(own, OTHER)), 1)) for own in sizes]
    found = fitted(luts, STRUCTURE["portable"])
    errors = [abs(luts_of(own, found) / luts_of(own, OTHER) - 1) for own in sizes]
    assert max(errors) < 0.05
    untouched = [
        abs(luts_of(own, STRUCTURE["portable"]) / luts_of(own, OTHER) - 1) for own in sizes
    ]
    assert np.median(untouched) > 0.05


def test_random_networks_are_of_their_sizes(networks):
    for network in networks:
        edges = network.sizes.edges
        layers = network.program.layers
        assert len(edges) == sum(int(np.ptp(s.tables, axis=2).astype(bool).sum()) for s in layers)
        for number, layer in enumerate(layers):
            there = np.ptp(layer.tables, axis=2) > 0
            assert there.any(axis=0).all()
            assert there.any(axis=1).all()
            own = [edge for edge in edges if edge.output[0] == number]
            for edge, table in zip(own, layer.tables[there], strict=True):
                assert len(np.unique(table)) <= 1 << edge.address_bits
                assert np.ptp(table) + 1 >= 2**edge.output_bits - 1e-9


def test_every_pair_has_factors_that_rise():
    for target, fabric in TABLE_COSTS:
        costs = table_costs_of(target, fabric)
        assert len(costs.table) == 8
        assert all(a <= b for a, b in pairwise(costs.table))
        assert min(costs.adder, costs.adder_offset, costs.saturator, costs.encoder) > 0
