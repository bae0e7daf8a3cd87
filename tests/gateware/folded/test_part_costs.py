"""Of folded branches, what makes values of codes is counted apart from what weights them."""

import numpy as np
import pytest

from kanhw.estimation.resource_model import resources_of
from kanhw.estimation.unbuilt import unbuilt
from kanhw.formats import CodeFormat
from kanhw.gateware.folded.basis_table import WeightedSums
from kanhw.gateware.folded.codebook import CodebookSums
from kanhw.gateware.folded.edge_table import RowSums
from kanhw.gateware.folded.folded_costs import buffer_costs
from kanhw.gateware.folded.spline_evaluator import EvaluatedSums
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.schedule.fold import fold_of
from kanhw.schedule.schedule import Schedule

CODE, SCHEDULE = CodeFormat(4, True), Schedule(kind="folded")
RNG = np.random.default_rng(1)
LIVE = np.array([[[4, 0, 0, 0], [3, 2, 0, 0], [0, 5, 1, 0], [0, 1, 6, 3]] * 4])


def rows(fold):
    return RowSums(fold, SCHEDULE, RNG.integers(-40, 40, (3, 4, 16)))


def weighted(fold):
    weights = RNG.integers(-7, 8, (3, 4, 4))
    return WeightedSums(fold, SCHEDULE, LIVE, np.zeros(4, int), weights)


def shapes(fold):
    index, gains = RNG.integers(0, 3, (3, 4)), RNG.integers(1, 6, (3, 4))
    return CodebookSums(fold, SCHEDULE, RNG.integers(-9, 9, (3, 16)), index, gains)


def evaluated(fold):
    constants = {"multipliers": np.full(4, 3), "offsets": np.full(4, -7), "scale": 160}
    splines = SplineArithmetic(
        width=4, order=2, shift=1, fraction_bits=4, guard_bits=4, **constants
    )
    return EvaluatedSums(fold, SCHEDULE, splines, RNG.integers(-7, 8, (3, 4, 5)))


# Bits of tables (value and row of every bank; rows), memories of values, and of weights: none of an
# entry that is weighted already.
@pytest.mark.parametrize(
    ("make", "tables", "values", "weights"),
    [(rows, 0, 2, 0), (weighted, 2 * 3 * (3 + 1), 0, 6), (shapes, 0, 2, 2), (evaluated, 16, 0, 6)],
)
def test_values_are_apart_from_weights(make, tables, values, weights):
    with unbuilt():
        part = make(fold_of(4, 3, (2, 2)))
        sources, weighting, whole = part.source_costs, part.weighting_costs, part.costs
        del part
    assert sources + weighting == whole
    assert len(sources.memories) == values and len(weighting.memories) == weights
    # Bits that are constant, alike or a bit of the address are no tables. Choices by the bits of
    # weights have three inputs or five.
    assert not any(bits for size, bits in enumerate(weighting.table_bits) if size not in (3, 5))
    assert 0.3 * tables <= sum(sources.table_bits) <= tables
    assert weighting.adder_bits > 0 and weighting.register_bits > 0


# LUTs of a buffer by itself: synth_ice40, synth_ecp5, synth_xilinx -family xcup.
@pytest.mark.parametrize(
    ("width", "beats", "groups", "found"),
    [(8, 4, 1, (81, 43, 25)), (3, 10, 2, (42, 50, 27)), (15, 3, 2, (43, 46, 33))],
)
def test_buffers_are_near_what_synthesis_made(width, beats, groups, found):
    costs = buffer_costs(fold_of(beats, groups, (1, 1)), width)
    made = [resources_of(costs, target).lut for target in ("ice40", "ecp5", "xcup")]
    assert made == pytest.approx(found, rel=0.25)


def test_one_edge_a_step_reads_a_memory_of_shapes_once():
    with unbuilt():
        one, three = (shapes(fold_of(4, 3, (1, count))) for count in (1, 3))
        ports = [[m.ports for m in part.source_costs.memories] for part in (one, three)]
        del one, three
    assert ports == [[1], [2, 1]]
