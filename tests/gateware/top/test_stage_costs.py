"""Every kind of layer says what it costs: none is free because nobody thought of it."""

from dataclasses import replace

import numpy as np
import pytest
from physical_programs import physical_program

import kanhw
from kanhw.errors import InputError
from kanhw.estimation.resource_model import model_design, resources_of
from kanhw.formats import CodeFormat
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.range_clamp import RangeClamp
from kanhw.gateware.stream.input_conversion import ConversionStage
from kanhw.gateware.stream.input_ranges import InputRanges
from kanhw.gateware.top.chain import STAGES, stages_of
from kanhw.gateware.top.stage_costs import STAGE_COSTS, layer_option, stage_costs
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.unrolled_layers import LAYER_CORES, layer_costs
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    ProductLayer,
    Program,
    Requantizer,
    with_code_ranges,
    with_formats,
)
from kanhw.schedule.layer_layouts import LAYER_LAYOUTS, PIPELINE, LayerLayout
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(4, True)


def _products(width, arity, count):
    """Products of ``arity`` codes, with multipliers of 9 bits behind them."""
    rng = np.random.default_rng([width, arity])
    code, n_in = CodeFormat(width, True), arity * count
    groups = tuple(tuple(range(k, n_in, count)) for k in range(count))
    left = min(width * arity, 2 * width)
    join = Requantizer(
        rng.integers(1 << 8, 1 << 9, (1, count)), np.zeros(count, int), 9 + left - width, code
    )
    shifts = (width * arity - left,) * count
    layer = ProductLayer(groups, n_in, width, code.lo, (join,), shifts)
    return Program((layer,), InputEncoder(code, n_in))


# LUT and DSP that Yosys 0.70 made of these (synth_xilinx -family xcup).
@pytest.mark.parametrize(
    ("width", "arity", "count", "lut", "dsp"),
    [
        (3, 2, 8, 157, 0),
        (4, 2, 8, 379, 0),
        (6, 2, 8, 256, 8),
        (8, 3, 6, 292, 12),
        (8, 4, 4, 196, 12),
        (12, 2, 6, 369, 6),
    ],
)
def test_products_cost_what_they_cost(width, arity, count, lut, dsp):
    modelled = model_design(_products(width, arity, count), Schedule())
    assert (modelled.dsp, modelled.bram) == (dsp, 0)
    assert abs(modelled.lut / lut - 1) < 0.18


def test_codes_that_start_elsewhere_are_added_to():
    layer = _products(6, 2, 4).layers[0]
    shifted = replace(layer, lowest=-5)
    costs, least = (layer_costs(each, Schedule()) for each in (shifted, layer))
    assert costs.passing_bits >= least.passing_bits + 8 * 6


def test_every_core_and_stage_has_costs():
    records = LAYER_LAYOUTS.values()
    kinds = {kind for each in records for kind in (each.unrolled, each.folded) if kind is not None}
    assert set(STAGE_COSTS) == kinds
    assert kinds < set(STAGES)
    for core in LAYER_CORES.values():
        assert core.costs.__func__ is not LayerCore.costs.__func__, core


def _edges():
    join = Requantizer(np.ones((1, 2), int), np.zeros(2, int))
    return EdgeTableLayer(np.arange(96).reshape(2, 3, 16), (join,))


def _program_of(kind):
    class Own(EdgeTableLayer):
        pass

    Own.kind = kind
    edges = _edges()
    return Program((Own(edges.tables, edges.requantizers),), InputEncoder(CODE, 3))


def test_a_core_without_costs_is_refused(monkeypatch):
    class Silent(LayerCore):
        pass

    monkeypatch.setitem(LAYER_LAYOUTS, "own", LayerLayout(PIPELINE))
    monkeypatch.setitem(LAYER_CORES, "own", Silent)
    program = _program_of("own")
    message = (
        r"\AThere are no costs of layers of kind 'own', so they cannot be modelled: give Silent a "
        r"class method costs\(layer\)\Z"
    )
    with pytest.raises(InputError, match=message):
        model_design(program, Schedule())


def test_a_kind_without_core_is_refused(monkeypatch):
    monkeypatch.setitem(LAYER_LAYOUTS, "own", LayerLayout(PIPELINE))
    with pytest.raises(InputError, match=r"\AThere are no costs of unrolled layers of kind 'own'"):
        model_design(_program_of("own"), Schedule())


def test_a_stage_without_costs_is_refused(monkeypatch):
    monkeypatch.setitem(LAYER_LAYOUTS, "own", LayerLayout("own_stage"))
    message = r"\AThere are no costs of stages of kind 'own_stage', .*: add them to STAGE_COSTS"
    with pytest.raises(InputError, match=message):
        model_design(_program_of("own"), Schedule())


# LUT that Yosys 0.70 made of a clamp to the same ends (synth_xilinx -family xcup).
@pytest.mark.parametrize(("width", "ends", "lut"), [(8, (54, 228), 11), (12, (13, 3754), 20)])
def test_a_clamp_to_constants_costs_what_it_costs(width, ends, lut):
    lo, hi = (np.array([end]) for end in ends)
    modelled = resources_of(RangeClamp(width, lo, hi, origin=ends[0]).costs).lut
    assert abs(modelled - lut) <= 0.3 * lut


def _edge_tables(n_in, n_out, count):
    join = Requantizer(np.ones((1, n_out), int), np.zeros(n_out, int))
    return EdgeTableLayer(np.arange(n_out * n_in * count).reshape(n_out, n_in, count) % 99, (join,))


def _shared_tables(n_in, n_out, count):
    """A base branch alone, whose table all inputs share."""
    join = Requantizer(np.ones((2, n_out), int), np.zeros(n_out, int))
    index, weights = np.zeros(n_in, int), np.ones((n_out, n_in, 1), int)
    table = np.arange(count).reshape(1, count, 1) % 99
    return BasisTableLayer(0 * table, index, 0 * weights, table, index, weights, (join,))


# Nine bits and ranges of their own: unrolled a clamp a feature, folded two that take turns.
@pytest.mark.parametrize(
    ("schedule", "adders", "choices", "counters"),
    [(Schedule(), 0, 0, 0), (Schedule(kind="folded", parallel_inputs=2), 2 * 18, 2 * 18, 1)],
)
def test_ranges_of_the_input_are_counted(schedule, adders, choices, counters):
    code = CodeFormat(9, True)
    layer = _shared_tables(3, 2, 512) if schedule.folded else _edge_tables(3, 2, 512)
    encoder = InputEncoder(code, 3, lo=[-99, -98, -97], hi=[99, 98, 97])
    program = Program((layer,), encoder)
    ranges = stages_of(program, schedule)[0]
    assert isinstance(ranges, InputRanges)
    costs = ranges.costs
    assert (costs.adder_bits, costs.choice_luts, costs.counters) == (adders, choices, counters)
    # Ends that are always the same are a LUT a bit, and some that compare.
    assert bool(costs.table_luts >= 3 * 9) != schedule.folded
    whole = Program((layer,), InputEncoder(code, 3))
    parallel = schedule.parallel(layer.name)
    first, plain = (layer_option(each, 0, schedule, parallel) for each in (program, whole))
    # The tables are the same, and accumulators may be narrower.
    assert adders - 4 <= first.costs.adder_bits - plain.costs.adder_bits <= adders
    assert first.costs.choice_luts - plain.costs.choice_luts == choices
    chosen = kanhw.schedule_for(program, kanhw.Budget(lut=10**6))
    assert chosen.resources == model_design(program, chosen.schedule)


def test_ranges_in_the_tables_of_edges_cost_nothing():
    schedule = Schedule(kind="folded", parallel_inputs=2)
    layers = _edge_tables(3, 2, 16), _edge_tables(2, 2, 16)
    join = Requantizer(np.ones((1, 2), int), np.zeros(2, int), 3, CODE)
    layers = (replace(layers[0], requantizers=(join,)), layers[1])
    whole = Program(layers, InputEncoder(CODE, 3))
    ranges = with_code_ranges(whole, inputs=(-3, [3, 4, 5]), layers={0: [([-8, -2], 7)]})
    costs, plain = (stage_costs(each, schedule) for each in (ranges, whole))
    assert [option.clocks for option in costs] == [option.clocks for option in plain]
    assert [stage.latency for stage in stages_of(ranges, schedule)] == [
        stage.latency for stage in stages_of(whole, schedule)
    ]
    for mine, other in zip(costs, plain, strict=True):
        sizes = ([replace(m, content=None) for m in each.costs.memories] for each in (mine, other))
        assert next(sizes) == next(sizes)
        assert mine.costs.table_luts <= other.costs.table_luts
        assert mine.costs.choice_luts <= other.costs.choice_luts
    # What is chosen and what is modelled agree.
    chosen = kanhw.schedule_for(ranges, kanhw.Budget(lut=10**6))
    assert chosen.resources == model_design(ranges, chosen.schedule)


@pytest.mark.parametrize("parallel", [None, (1, 1), (2, 2)])
def test_a_conversion_of_the_input_is_counted(parallel):
    plain = physical_program()
    program = with_formats(plain, inputs="u10:0..1023=-1..5")
    schedule = Schedule()
    if parallel is not None:
        schedule = Schedule(kind="folded", parallel_inputs=parallel[0], parallel_outputs=1)
    stage = stages_of(program, schedule)[0]
    assert isinstance(stage, ConversionStage)
    first = (layer_option(each, 0, schedule, parallel or (1, 1)).costs for each in (program, plain))
    converted, own = first
    assert stage.costs != HardwareCosts()
    # Constants unrolled; a multiplier and tables for every feature that takes turns.
    assert stage.costs.multipliers == (0 if parallel is None else parallel[0])
    assert converted.multipliers - own.multipliers == stage.costs.multipliers
    assert converted.adder_bits > own.adder_bits


def test_costs_of_a_known_kind_are_not_zero():
    assert layer_costs(_edges(), Schedule()) != HardwareCosts()
