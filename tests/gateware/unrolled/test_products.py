"""Products of codes in hardware equal the Program."""

import numpy as np
import pytest

from kanhw.formats import CodeFormat
from kanhw.gateware.parts.address import input_addresses
from kanhw.gateware.unrolled import product
from kanhw.gateware.unrolled.output_addresses import table_interval
from kanhw.program import EdgeTableLayer, InputEncoder, ProductLayer, Program, Requantizer
from kanhw.schedule.schedule import Schedule


def _requantizer(rng, reach, targets):
    """For products up to ``reach[j]``, joined by 1 or by some factor."""
    n_out = len(reach)
    factors = rng.integers(-90, 91, (1, n_out)) if rng.random() < 0.6 else np.ones((1, n_out), int)
    top = int(np.max(np.abs(factors[0]) * reach)) + 1
    shift = max(top.bit_length() - targets.width - int(rng.integers(0, 3)), 0)
    return Requantizer(factors, rng.integers(-top // 4 - 1, top // 4 + 2, n_out), shift, targets)


def _format(rng):
    return CodeFormat(int(rng.integers(2, 6)), bool(rng.integers(2)))


def _program(rng):
    """Products of the network's inputs, or of a layer's codes; perhaps a layer behind them."""
    n_in = int(rng.integers(1, 6))
    source = _format(rng)
    layers = []
    encoder = InputEncoder(source, n_in)
    if rng.random() < 0.6:
        # Sums that saturate: their raw form may not reach the multipliers.
        tables = rng.integers(-9, 10, (n_in, n_in, source.count))
        codes = _format(rng)
        ones = np.ones((1, n_in), int)
        layers.append(EdgeTableLayer(tables, (Requantizer(ones, ones[0], 1, codes),)))
        source = codes
    lowest = source.lo if rng.random() < 0.7 else int(rng.integers(-20, 4))
    groups = [
        tuple(rng.integers(0, n_in, int(rng.integers(1, 5))).tolist())
        for _ in range(int(rng.integers(1, 6)))
    ]
    top = max(abs(lowest), abs(lowest + source.count - 1))
    reach = np.array([top ** len(group) for group in groups])
    count = int(rng.integers(1, 3))
    targets = [_format(rng) for _ in range(count)]
    requantizers = tuple(_requantizer(rng, reach, target) for target in targets)
    shifts = tuple(rng.integers(0, 4, len(groups)).tolist())
    layers.append(ProductLayer(tuple(groups), n_in, source.width, lowest, requantizers, shifts))
    if count > 1:
        tables = rng.integers(-9, 10, (2, len(groups), targets[1].count))
        join = Requantizer(np.ones((1, 2), int), np.zeros(2, int))
        layers.append(EdgeTableLayer(tables, (join,), stream=1))
    return Program(tuple(layers), encoder)


def test_wide_codes_are_not_listed():
    """The product of 30 bits took 22 GB."""
    format = CodeFormat(40, True)
    codes = table_interval(input_addresses(format, 2))
    assert codes.lo.tolist() == [0, 0] and codes.hi.tolist() == [format.count - 1] * 2


MORE = (pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 24))


@pytest.mark.some(4)
@pytest.mark.parametrize("seed", [*range(12), *MORE])
def test_hardware_equals_program(seed, run_core, stimulus):
    rng = np.random.default_rng(seed)
    program = _program(rng)
    codes = stimulus(program, rng, 60)
    schedule = Schedule(adder_levels=seed % 3)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_random_products_are_worth_running(stimulus):
    varied, longest = 0, 0
    for seed in range(24):
        rng = np.random.default_rng(seed)
        program = _program(rng)
        varied += len(np.unique(program(stimulus(program, rng, 100)))) > 2
        longest = max(longest, *(len(g) for x in program.layers for g in getattr(x, "groups", ())))
    assert varied > 12
    assert longest == 4


def _pair():
    one = Requantizer(np.ones((1, 2), int), np.zeros(2, int))
    layer = ProductLayer(((0, 1), (1,)), 2, 4, -8, (one,))
    return Program((layer,), InputEncoder(CodeFormat(4, True), 2))


def test_a_level_of_multiplications_takes_a_cycle(run_core, stimulus):
    program = _pair()
    codes = stimulus(program, np.random.default_rng(0))
    outputs = run_core(program, Schedule(), codes)
    np.testing.assert_array_equal(outputs, np.stack([codes.prod(axis=1), codes[:, 1]], axis=1))


def test_planted_fault_is_seen(monkeypatch, run_core, stimulus):
    """Groups of different sizes that do not wait for one another."""
    program = _pair()
    monkeypatch.setattr(product, "delayed", lambda m, value, cycles, name: value)
    codes = stimulus(program, np.random.default_rng(0))
    assert (run_core(program, Schedule(), codes) != program(codes)).any()
