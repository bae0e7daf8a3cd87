"""The basis-evaluation tax: parts add up to the product's estimate, and what is missing is said."""

from dataclasses import replace

import numpy as np
import pytest

import kanhw
from benchmarks.estimates import layer_tax
from benchmarks.estimates.basis_tax import Results, csv_of, shown
from benchmarks.estimates.layer_tax import Bits, Networks, less, measured
from benchmarks.estimates.tax_points import SCHEDULES, Refused, Sweep, parts_of, winner
from kanhw.errors import InputError
from kanhw.estimation.resource_model import Resources

NETWORKS, BITS = Networks(2, 3, 0), Bits(4, 4, 4)


@pytest.fixture(scope="module")
def sweep():
    return Sweep(NETWORKS, BITS.weights)


@pytest.fixture(scope="module")
def points(sweep):
    found = {}
    for realisation in layer_tax.REALISATIONS:
        ((_, found[realisation]),) = sweep.points("EfficientKAN", realisation, [(4, 4)])
    return found


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("realisation", ["basis_table", "edge_table"])
def test_parts_add_up_to_the_estimate(schedule, realisation):
    rows = NETWORKS.rows("EfficientKAN")
    program = NETWORKS.kan_program(NETWORKS.kan("EfficientKAN"), "EfficientKAN", realisation, BITS)
    costs = measured(program, SCHEDULES[schedule], rows)
    own = kanhw.estimate(
        *(program, "xcup", SCHEDULES[schedule]),
        grade="model", clock_mhz=100, power=True, vectors=rows,
    )  # fmt: skip
    whole = costs.whole
    assert (whole.lut, whole.ff, whole.dsp, whole.bram) == (own.lut, own.ff, own.dsp, own.bram)
    assert costs.energy(whole).middle == pytest.approx(own.power.to_json()[
        "energy_per_inference_j"]["dynamic"])  # fmt: skip
    assert (costs.clocks.latency, costs.clocks.initiation_interval) == (own.cycles, own.interval)
    parts = (costs.sources, costs.sums, costs.rest)
    assert sum(part.lut for part in parts) == whole.lut
    assert all(min(part.lut, part.ff, part.dsp, part.bram) >= 0 for part in parts)
    assert costs.sums.lut + costs.sums.ff > 0 and costs.rest.ff > 0
    energy = costs.energy(whole)
    assert sum(costs.share(part, energy) for part in parts) == pytest.approx(1)


def test_a_part_of_less_than_nothing_is_an_error():
    program = NETWORKS.linear_program(BITS)
    costs = measured(program, SCHEDULES["unrolled"], NETWORKS.rows("EfficientKAN"))
    energy = costs.energy(costs.whole)
    parts_of(costs, energy)
    more = replace(costs, sums=Resources(lut=costs.whole.lut + 3))
    with pytest.raises(InputError, match="more than the whole"):
        parts_of(more, energy)


def test_the_linear_layer_is_codes_times_weights(sweep):
    program = NETWORKS.linear_program(BITS)
    (layer,), form = program.layers, program.input.format
    codes = np.random.default_rng(0).integers(form.lo, form.hi + 1, (50, 2))
    (join,) = layer.requantizers
    sums = codes @ layer.base_weights[:, :, 0].T
    total = join.multipliers[1] * sums + join.bias
    half = 1 << (join.shift - 1)
    expected = np.clip((total + half) >> join.shift, join.format.lo, join.format.hi)
    assert np.array_equal(program(codes), expected)
    # Its tables are wires.
    assert sweep.linear("unrolled", 4).luts.basis == sweep.linear("folded", 4).luts.basis == 0


def test_edge_tables_are_not_split_and_others_are(points):
    unrolled = {name: found["unrolled"] for name, found in points.items()}
    assert {name for name, point in unrolled.items() if point.luts.tax is not None} == {
        "basis_table", "spline_evaluator",
    }  # fmt: skip
    assert unrolled["edge_table"].basis_clocks is None
    assert unrolled["basis_table"].basis_clocks == 1 < unrolled["spline_evaluator"].basis_clocks
    assert points["codebook"]["folded"].luts.tax > 0


def test_what_a_linear_layer_costs(points):
    # K + 1 products an edge in place of one; edge tables have none.
    assert points["basis_table"]["unrolled"].over_luts > 2
    assert points["edge_table"]["unrolled"].over_luts < 1
    table = points["edge_table"]["unrolled"].tabulated
    assert table.whole.lut <= points["edge_table"]["unrolled"].whole.lut
    assert all(found["folded"].interval == 6 for found in points.values())


def test_least_is_known_or_not(points):
    unrolled = {name: found["unrolled"] for name, found in points.items()}
    assert winner(unrolled, "lut") == winner(unrolled, "energy") == "edge_table"
    hidden = {"other": replace(unrolled["edge_table"], complete=False), **unrolled}
    hidden["other"] = replace(hidden["other"], known_pj=1.0)
    assert winner(hidden, "energy") is None
    assert winner(hidden | {"other": replace(hidden["other"], known_pj=1e9)}, "energy") is not None
    assert winner({}, "lut") is None
    with pytest.raises(InputError, match="no figure 'ff'"):
        winner(unrolled, "ff")


def test_what_is_missing_is_said(monkeypatch):
    for call, word in (
        (lambda: NETWORKS.kan("ChebyKAN"), "no variant 'ChebyKAN'"),
        (lambda: NETWORKS.kan_program(None, "KAGN", "tables", BITS), "no realisation 'tables'"),
    ):
        with pytest.raises(InputError, match=word):
            call()
    program = NETWORKS.linear_program(BITS)
    monkeypatch.setattr(layer_tax, "APART", {"edge_table": ()})
    with pytest.raises(InputError, match="layers of kind 'basis_table'"):
        measured(program, SCHEDULES["unrolled"], NETWORKS.rows("EfficientKAN"))


def test_refused_points_are_kept_with_their_reason(sweep):
    found = dict(sweep.points("FastKAN", "spline_evaluator", [(4, 4)]))
    ((bits, refused),) = found.items()
    assert bits == BITS and isinstance(refused, Refused) and "RadialBasis" in refused.why


def test_the_file_has_every_point(points):
    results = Results([0])
    for realisation, found in points.items():
        for schedule, point in found.items():
            results.points["EfficientKAN", realisation, schedule, 4, 4, 0] = point
    head, *rows = csv_of(results).splitlines()
    assert len(rows) == 2 * len(points) and all(row.count(",") == head.count(",") for row in rows)
    place = head.split(",").index("lut_basis")
    empty = [row.split(",")[:3] for row in rows if not row.split(",")[place]]
    assert {tuple(row[1:]) for row in empty} == {
        ("edge_table", "unrolled"), ("edge_table", "folded"), ("codebook", "unrolled"),
    }  # fmt: skip
    assert results.winner("EfficientKAN", 4, 4, "lut") == "edge_table"
    assert results.winner("KAGN", 4, 4, "lut") is None
    assert shown([None, 1.26, 0], ".1f") == "- / 1.3 / 0.0"


def test_less_is_less():
    assert less(Resources(5, 4, 3, 2, 1), Resources(1, 1, 1, 1, 1)) == Resources(4, 3, 2, 1, 0)
