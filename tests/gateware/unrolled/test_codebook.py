"""Codebook layers equal the Program: alone, in a chain, on images, and as generated Verilog."""

import numpy as np
import pytest

import kanhw
from kanhw.errors import ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.gateware.parts.address import input_addresses
from kanhw.gateware.unrolled.branch_edge_table import BranchEdgeTableCore
from kanhw.gateware.unrolled.codebook import CodebookCore
from kanhw.program import (
    BranchEdgeTableLayer,
    CodebookLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.schedule.schedule import Schedule
from kanhw.sim import check_design, find_simulator


def _codebook(rng, formats, n_in, n_out, requantizers, *, power_of_two=False):
    """Of a few shapes; a third of them without biases, a third without a base branch."""
    depths, shapes = [format.count for format in formats], int(rng.integers(1, 6))
    gains = rng.integers(-5, 6, (n_out, n_in))
    if power_of_two:
        gains = rng.choice([-4, -2, -1, 1, 2, 4, 8], (n_out, n_in))
    gains[rng.random(gains.shape) < 0.2] = 0
    offsets = {}
    if rng.random() < 0.67:
        offsets = {
            "biases": rng.integers(-9, 10, (n_out, n_in)),
            "offsets": rng.integers(0, 4, (2, depths[0])),
            "offsets_index": rng.integers(0, 2, n_in),
        }
    return CodebookLayer(
        shapes=rng.integers(-12, 13, (shapes, depths[0])),
        index=rng.integers(0, shapes, (n_out, n_in)),
        gains=gains,
        base=rng.integers(-8, 9, (2, depths[-1], 1)),
        base_index=rng.integers(0, 2, n_in),
        base_weights=rng.integers(-5, 6, (n_out, n_in, 1)) * int(rng.random() < 0.67),
        requantizers=requantizers,
        name="codebook",
        base_stream=len(formats) - 1,
        **offsets,
    )


def _multipliers(rng, n_out):
    """All 1, some 1, or none."""
    factors = rng.integers(-9, 10, (2, n_out))
    return np.where(rng.random((1, n_out)) < rng.choice([0, 0.5, 1]), 1, factors)


def _program(rng):
    """Edge tables that make two codes, a codebook of both, and perhaps one more."""
    n_in, hidden, n_out = rng.integers(1, 5, 3).tolist()
    first, z, x = (CodeFormat(int(w), bool(rng.integers(2))) for w in rng.integers(1, 5, 3))
    codes = tuple(
        Requantizer(np.ones((1, hidden), int), rng.integers(-9, 10, hidden), 2, format)
        for format in (z, x)
    )
    tables = rng.integers(-20, 21, (hidden, n_in, first.count))
    layers = [EdgeTableLayer(tables, codes)]
    if rng.random() < 0.4:
        joins = tuple(
            Requantizer(_multipliers(rng, hidden), rng.integers(-9, 10, hidden), 3, format)
            for format in (z, x)
        )
        layers.append(_codebook(rng, (z, x), hidden, hidden, joins))
    last = Requantizer(
        _multipliers(rng, n_out), rng.integers(-9, 10, n_out), 4, CodeFormat(5, True)
    )
    layers.append(_codebook(rng, (z, x), hidden, n_out, (last,)))
    return Program(tuple(layers), InputEncoder(first, n_in), argmax=rng.random() < 0.2)


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
    varied, biased, bare = 0, set(), set()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        program = _program(rng)
        varied += len(np.unique(program(stimulus(program, rng, 100)))) > 2
        biased.add(program.layers[-1].biases is not None)
        bare.add(bool(program.layers[-1].base_weights.any()))
    assert varied > 16
    assert biased == bare == {True, False}


def _one_layer():
    rng = np.random.default_rng(0)
    code = CodeFormat(3, False)
    last = Requantizer(np.array([[1, 2], [1, -3]]), np.array([7, -2]), 3, CodeFormat(5, True))
    layer = _codebook(rng, (code,), 4, 2, (last,))
    return Program((layer,), InputEncoder(code, 4))


def test_it_costs_what_its_edge_tables_cost():
    """The same registers as two tables per edge, to the clock."""
    program = _one_layer()
    layer = program.layers[0]
    branches = Program(
        (BranchEdgeTableLayer(*layer.edge_tables(), layer.requantizers),), program.input
    )
    addresses = (input_addresses(program.input.format, 4),)
    ours = CodebookCore(layer, addresses, Schedule(), as_codes=(True,))
    theirs = BranchEdgeTableCore(branches.layers[0], addresses, Schedule(), as_codes=(True,))
    assert ours.latency == theirs.latency
    assert ours.outputs == theirs.outputs
    text, other = (kanhw.gateware.generate_verilog(p, Schedule()).text for p in (program, branches))
    assert text.count(" <= ") == other.count(" <= ") > 10


def test_shapes_shared_at_powers_of_two_are_one_table(run_core, stimulus):
    """Both outputs read one table of each input; with odd gains they need two."""
    code = CodeFormat(3, False)
    made = {}
    for gains in (((1, 4), (2, 8)), ((1, 4), (3, 5))):
        layer = CodebookLayer(
            shapes=np.array([[3, -1, 4, 1, -5, 9, -2, 6]]),
            index=np.zeros((2, 2), int),
            gains=np.array(gains),
            base=np.zeros((1, 8, 1), int),
            base_index=np.zeros(2, int),
            base_weights=np.zeros((2, 2, 1), int),
            requantizers=(Requantizer(np.array([[3, 3], [1, 1]]), np.array([7, -2])),),
        )
        program = Program((layer,), InputEncoder(code, 2))
        addresses = (input_addresses(code, 2),)
        core = CodebookCore(program.layers[0], addresses, Schedule(), as_codes=(True,))
        core.elaborate(None)
        made[gains] = len(core._bank._outputs)
        codes = stimulus(program, np.random.default_rng(0))
        np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))
    assert list(made.values()) == [2, 4]


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", range(6))
def test_convolution(seed, check_images, random_window):
    rng = np.random.default_rng(seed)
    code = CodeFormat(int(rng.integers(2, 4)), bool(seed % 2))
    window = random_window(rng, (2, 4, 5))
    n_out = int(rng.integers(1, 3))
    last = Requantizer(_multipliers(rng, n_out), rng.integers(-9, 10, n_out), 3, code)
    layer = ConvolutionLayer(_codebook(rng, (code,), window.taps, n_out, (last,)), window)
    program = Program((layer,), InputEncoder(code, window.n_in))
    schedule = Schedule(adder_levels=seed % 3, table_registers=seed % 2 == 0)
    outputs = check_images(program, schedule, rng)
    assert len(np.unique(outputs)) > 1


@pytest.mark.some(2)
@pytest.mark.parametrize("field", ["gains", "index", "biases", "base_weights"])
def test_planted_faults_are_seen(field, monkeypatch, run_core, stimulus):
    """Hardware that takes one field of an edge from its neighbour."""
    program = _one_layer()
    layer = program.layers[0]
    assert layer.biases is not None and layer.base_weights.any()
    codes = stimulus(program, np.random.default_rng(0))
    np.testing.assert_array_equal(run_core(program, Schedule(), codes), program(codes))
    shifted = np.roll(getattr(layer, field), 1, axis=1)
    assert (shifted != getattr(layer, field)).any()
    expanded = CodebookLayer.edge_tables

    def faulty(self, inputs=None):
        values = layer.tensors() | {field: shifted}
        other = CodebookLayer(**values, requantizers=self.requantizers)
        return expanded(other, inputs)

    monkeypatch.setattr(CodebookLayer, "edge_tables", faulty)
    assert (run_core(program, Schedule(), codes) != program(codes)).any()


@pytest.mark.slow
def test_generated_design_under_cocotb(tmp_path):
    """The Verilog itself, with its latency, its pace, stalls, and a reset in mid-stream."""
    try:
        find_simulator()
    except ToolNotFound as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(6)
    first, z, x = CodeFormat(4, True), CodeFormat(4, True), CodeFormat(3, False)
    codes = tuple(
        Requantizer(rng.integers(1, 4, (2, 5)), rng.integers(-90, 90, 5), 5, format)
        for format in (z, x)
    )
    last = Requantizer(rng.integers(1, 4, (2, 3)), np.zeros(3, int), 0)
    program = Program(
        (
            _codebook(rng, (first,), 3, 5, codes),
            _codebook(rng, (z, x), 5, 3, (last,), power_of_two=True),
        ),
        InputEncoder(first, 3),
    )
    codes = rng.integers(first.lo, first.hi + 1, (200, 3))
    assert len(np.unique(program(codes))) > 100
    design = kanhw.generate(program, tmp_path / "design")
    report = check_design(design.path, codes, reset_midstream=True)
    assert report.passed, report.problems
    assert report.latency_cycles == design.latency_cycles
    assert report.cycles_per_inference == design.initiation_interval == 1
