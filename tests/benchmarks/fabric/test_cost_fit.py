"""The fit of what edge tables cost: it finds factors again, from sizes that hardware sees."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.fabric.cost_fit import STRUCTURE
from benchmarks.fabric.formula import fitted, luts_of
from benchmarks.fabric.random_networks import random_network
from benchmarks.fabric.sizes import sizes_of
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.targets.table_costs import TABLE_COSTS, TableCosts, table_costs_of

OTHER = TableCosts(
    table=(0.1, 0.3, 0.5, 0.9, 1.4, 1.5, 3.0, 6.0),
    adder=1.6,
    adder_offset=1.5,
    saturator=0.6,
    encoder=1.0,
)


@pytest.fixture(scope="module")
def networks():
    return [random_network(np.random.default_rng([7, k])) for k in range(40)]


def test_factors_are_found_again(networks):
    sizes = [own for own in map(sizes_of, networks) if len(own.edges) > 9]
    luts = [(own, max(round(luts_of(own, OTHER)), 1)) for own in sizes]
    found = fitted(luts, STRUCTURE["portable"])
    errors = [abs(luts_of(own, found) / luts_of(own, OTHER) - 1) for own in sizes]
    assert np.median(errors) < 0.06
    untouched = [
        abs(luts_of(own, STRUCTURE["portable"]) / luts_of(own, OTHER) - 1) for own in sizes
    ]
    assert np.median(untouched) > 0.15


def _layer(tables, format=None, **ends):
    count = len(tables)
    join = Requantizer(np.ones((1, count), int), np.zeros(count, int), 0, format, **ends)
    return EdgeTableLayer(np.array(tables), (join,))


def test_sizes_are_those_that_hardware_sees():
    steps = np.arange(4) * 2
    pairs = np.repeat([0, 4], 2)
    zeros = np.zeros(4, int)
    # Of three hidden values the last is read by nobody; of the first only codes 0 and 1 occur.
    code = CodeFormat(2, signed=False)
    first = _layer([[pairs > 0, zeros], [steps, pairs], [steps, steps]], code, lo=[0, 0, 0])
    second = _layer([[[0, 3, 9, 9], steps, zeros]])
    found = sizes_of(Program((first, second), InputEncoder(code, 2)))
    assert [(e.output, e.address_bits, e.output_bits) for e in found.edges] == [
        ((0, 0), 1, 1.0),
        ((0, 1), 2, 2.0),
        ((0, 1), 1, 1.0),
        ((1, 0), 1, 2.0),
        ((1, 0), 2, 2.0),
    ]
    assert found.saturated_bits == 1 + 2


def test_every_pair_has_factors_that_rise():
    for target, fabric in TABLE_COSTS:
        costs = table_costs_of(target, fabric)
        assert len(costs.table) == 8
        assert all(a <= b for a, b in pairwise(costs.table))
        assert min(costs.adder, costs.adder_offset, costs.saturator, costs.encoder) > 0
