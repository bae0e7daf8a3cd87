"""Layers of two tables per edge equal the Program; branches in one scale share an adder tree."""

import numpy as np
import pytest
from amaranth.hdl import Fragment

from kanhw.formats import CodeFormat
from kanhw.gateware.parts.address import input_addresses
from kanhw.gateware.unrolled.basis_table import BasisTableCore
from kanhw.gateware.unrolled.branch_edge_table import BranchEdgeTableCore
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.schedule.schedule import Schedule


def _tables(rng, n_out, n_in, depth):
    tables = rng.integers(-20, 21, (n_out, n_in, depth))
    tables[rng.random((n_out, n_in)) < 0.2] = 0
    tables[rng.random((n_out, n_in)) < 0.1] = 5
    return tables


def _multipliers(rng, n_out):
    """All 1, some 1, or none."""
    factors = rng.integers(-9, 10, (2, n_out))
    return np.where(rng.random((1, n_out)) < rng.choice([0, 0.5, 1]), 1, factors)


def _branches(rng, formats, n_in, n_out, requantizers):
    depths = [format.count for format in formats]
    return BranchEdgeTableLayer(
        _tables(rng, n_out, n_in, depths[0]),
        _tables(rng, n_out, n_in, depths[-1]),
        requantizers,
        "branches",
        0,
        len(formats) - 1,
    )


def _program(rng):
    """A layer that makes two codes, and one whose branches read one each."""
    n_in, hidden, n_out = rng.integers(1, 5, 3).tolist()
    first, z, x = (CodeFormat(int(w), bool(rng.integers(2))) for w in rng.integers(1, 5, 3))
    codes = tuple(
        Requantizer(np.ones((1, hidden), int), rng.integers(-9, 10, hidden), 2, format)
        for format in (z, x)
    )
    layers = [EdgeTableLayer(_tables(rng, hidden, n_in, first.count), codes)]
    if rng.random() < 0.3:
        one = Requantizer(_multipliers(rng, hidden), rng.integers(-9, 10, hidden), 3, z)
        two = Requantizer(_multipliers(rng, hidden), rng.integers(-9, 10, hidden), 1, x)
        layers.append(_branches(rng, (z, x), hidden, hidden, (one, two)))
    last = Requantizer(
        _multipliers(rng, n_out), rng.integers(-9, 10, n_out), 1, CodeFormat(5, True)
    )
    layers.append(_branches(rng, (z, x), hidden, n_out, (last,)))
    return Program(tuple(layers), InputEncoder(first, n_in))


MORE = (pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 24))


@pytest.mark.some(4)
@pytest.mark.parametrize("seed", [*range(12), *MORE])
def test_hardware_equals_program(seed, run_core, stimulus):
    rng = np.random.default_rng(seed)
    program = _program(rng)
    codes = stimulus(program, rng, 60)
    schedule = Schedule(adder_levels=seed % 4, table_registers=seed % 2 == 0)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_random_programs_are_worth_running(stimulus):
    varied = 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        program = _program(rng)
        varied += len(np.unique(program(stimulus(program, rng, 100)))) > 2
    assert varied > 18


def _core(factors, schedule=None):
    rng = np.random.default_rng(0)
    tables = rng.integers(-20, 21, (2, 1, 4, 8))
    last = Requantizer(np.array(factors)[:, None], np.array([7]), 1, CodeFormat(5, True))
    program = Program(
        (BranchEdgeTableLayer(*tables, (last,)),), InputEncoder(CodeFormat(3, False), 4)
    )
    addresses = (input_addresses(program.input.format, 4),)
    schedule = schedule or Schedule()
    return BranchEdgeTableCore(program.layers[0], addresses, schedule, as_codes=(True,))


def _names(core):
    return {name for _, name, *_ in Fragment.get(core, None).subfragments}


def test_branches_in_one_scale_need_no_join():
    merged, joined = _core([1, 1]), _core([1, 2])
    # Eight tables take three levels of adders, registered behind the first two and the last.
    assert merged.latency == 1 + 2 + 1
    assert joined.latency == 1 + 1 + 1 + 1 + 1
    assert not any("spline_sum" in name for name in _names(merged))
    assert any("spline_sum" in name for name in _names(joined))


def test_bases_in_one_scale_need_no_join(run_core, stimulus):
    rng = np.random.default_rng(1)
    layer = BasisTableLayer(
        basis=rng.integers(0, 8, (1, 8, 3)),
        basis_index=np.zeros(3, int),
        coefficients=rng.integers(-7, 8, (2, 3, 3)),
        base=rng.integers(-8, 8, (1, 8, 1)),
        base_index=np.zeros(3, int),
        base_weights=rng.integers(-7, 8, (2, 3, 1)),
        requantizers=(Requantizer(np.ones((2, 2), int), np.array([3, -900])),),
    )
    program = Program((layer,), InputEncoder(CodeFormat(3, True), 3))
    codes = stimulus(program, rng)
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))
    addresses = (input_addresses(program.input.format, 3),)
    core = BasisTableCore(program.layers[0], addresses, Schedule(), as_codes=(True,))
    assert not any("spline_sum" in name for name in _names(core))


def test_planted_fault_is_seen(monkeypatch, run_core, stimulus):
    """Both branches read the stream of the first."""
    rng = np.random.default_rng(5)
    codes = tuple(
        Requantizer(np.ones((1, 2), int), np.zeros(2, int), shift, CodeFormat(3, True))
        for shift in (1, 3)
    )
    first = EdgeTableLayer(rng.integers(-9, 10, (2, 2, 8)), codes)
    last = Requantizer(np.ones((2, 2), int), np.zeros(2, int))
    second = _branches(rng, (codes[0].format, codes[1].format), 2, 2, (last,))
    program = Program((first, second), InputEncoder(CodeFormat(3, True), 2))
    stream = stimulus(program, rng)
    np.testing.assert_array_equal(run_core(program, Schedule(), stream), program(stream))
    address = BranchEdgeTableCore.address
    monkeypatch.setattr(BranchEdgeTableCore, "address", lambda self, b, i: address(self, 0, i))
    assert (run_core(program, Schedule(), stream) != program(stream)).any()
