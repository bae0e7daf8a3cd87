"""A whole Program in hardware equals ``program(codes)``, at its latency, one vector a clock."""

import numpy as np
import pytest

from kanhw.formats import CodeFormat
from kanhw.gateware.fabric import portable as portable_module
from kanhw.gateware.parts.adder_tree import AdderTree
from kanhw.gateware.parts.saturator import Saturator
from kanhw.gateware.parts.table import Table
from kanhw.gateware.unrolled import layer_core as layer_module
from kanhw.program import BasisTableLayer, EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule

QUICK = {*range(15), 17}
MORE = (pytest.param(seed, marks=pytest.mark.slow) for seed in range(30) if seed not in QUICK)


@pytest.mark.some(6)
@pytest.mark.parametrize("seed", [*sorted(QUICK), *MORE])
def test_hardware_equals_program(seed, run_core, random_program, stimulus):
    rng = np.random.default_rng(seed)
    program = random_program(rng, argmax=seed % 5 == 0)
    schedule = Schedule(adder_levels=seed % 4, table_registers=bool(seed % 3))
    codes = stimulus(program, rng)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_random_programs_are_worth_running(random_program, stimulus):
    varied, kinds, streams = 0, set(), set()
    for seed in sorted(QUICK):
        rng = np.random.default_rng(seed)
        program = random_program(rng)
        varied += int(np.ptp(program(stimulus(program, rng)), axis=0).max() > 0)
        kinds.update(tuple(layer.kind for layer in program.layers))
        streams.update(layer.streams for layer in program.layers)
    assert varied >= 10
    assert kinds == {"edge_table", "basis_table"}
    assert {(1, 0), (1, 2), (2,)} <= streams


def _edge_program(n_in=4, n_out=3, shift=2):
    rng = np.random.default_rng(1)
    tables = rng.integers(-30, 31, (n_out, n_in, 8))
    requantizer = Requantizer(
        np.ones((1, n_out), int), np.full(n_out, 3), shift, CodeFormat(4, True)
    )
    layer = EdgeTableLayer(tables, (requantizer,))
    return Program((layer,), InputEncoder(CodeFormat(3, True), n_in))


def _basis_program():
    rng = np.random.default_rng(2)
    multipliers = np.array([[0, 1, -5], [3, 0, 0]])
    return Program(
        (
            BasisTableLayer(
                basis=rng.integers(0, 8, (1, 8, 3)),
                basis_index=np.zeros(3, int),
                coefficients=rng.integers(-7, 8, (3, 3, 3)),
                base=rng.integers(-8, 8, (2, 8, 1)),
                base_index=np.array([0, 1, 1]),
                base_weights=rng.integers(-7, 8, (3, 3, 1)),
                requantizers=(Requantizer(multipliers, np.array([5, -5, 0])),),
            ),
        ),
        InputEncoder(CodeFormat(3, False), 3),
    )


@pytest.mark.parametrize("n_out", [1, 2, 3])
def test_argmax(n_out, run_core, stimulus):
    program = _edge_program(n_out=n_out).with_argmax()
    codes = stimulus(program, np.random.default_rng(0))
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("levels", "registers"),
    [(0, True), (0, False), (1, True), (2, False), (3, True), (16, True), (16, False)],
)
def test_schedules_change_latency_only(levels, registers, run_core, stimulus):
    program = _basis_program()
    codes = stimulus(program, np.random.default_rng(0))[::3]
    schedule = Schedule(adder_levels=levels, table_registers=registers)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_zero_multipliers_leave_the_bias(run_core, stimulus):
    program = _basis_program()
    layer = program.layers[0]
    nothing = Requantizer(np.zeros((2, 3), int), np.array([7, -7, 0]))
    program = Program(
        (BasisTableLayer(**layer.tensors(), requantizers=(nothing,), accumulator_formats=None),),
        program.input,
    )
    codes = stimulus(program, np.random.default_rng(0))
    assert (program(codes) == [7, -7, 0]).all()
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))


def _faulty_table(values, *, registered, padding=None):
    return Table((values[0] ^ 1, *values[1:]), registered=registered, padding=padding)


class _FaultyTree(AdderTree):
    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.o[2].eq(0)
        return m


class _FaultySaturator(Saturator):
    def _address(self, rounded, width):
        return super()._address(rounded, width) ^ (rounded[0] << (width - 1))


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("name", "fault"),
    [("Table", _faulty_table), ("AdderTree", _FaultyTree), ("Saturator", _FaultySaturator)],
)
def test_planted_faults_are_seen(name, fault, monkeypatch, run_core, stimulus):
    program = _edge_program()
    codes = stimulus(program, np.random.default_rng(0))
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))
    monkeypatch.setattr(portable_module, name, fault)
    assert (run_core(program, Schedule(), codes) != program(codes)).any()


def test_latency_is_exact_not_an_upper_bound(run_core, monkeypatch, stimulus):
    """One cycle more than declared would read another vector's answer."""
    program = _edge_program()
    codes = stimulus(program, np.random.default_rng(0))
    real = layer_module.delayed
    monkeypatch.setattr(
        layer_module, "delayed", lambda m, value, cycles, name: real(m, value, cycles + 1, name)
    )
    assert (run_core(program, Schedule(), codes) != program(codes)).any()
