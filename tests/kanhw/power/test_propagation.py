"""Rates without vectors: exact for a cell, exact for a carry chain, and near what is simulated."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.power.mapped import MappedNetlist
from kanhw.power.propagation import Propagation, glitch_bound, propagated_activity
from kanhw.targets.cells.cell import HIGH, LOW, Cell
from kanhw.targets.table import cell_kinds_of

KINDS = cell_kinds_of("xcup")


def lut(name, size, init, inputs, output):
    text = format(init, f"0{1 << size}b")
    ports = {f"I{k}": (net,) for k, net in enumerate(inputs)}
    return Cell(name, f"LUT{size}", {"INIT": text}, {**ports, "O": (output,)})


def netlist(cells, inputs, nets):
    return MappedNetlist({"i": tuple(inputs), "o": ()}, frozenset({"i"}), tuple(cells), nets)


def propagated(cells, inputs, nets, rate=0.125):
    run = Propagation(netlist(cells, inputs, nets), KINDS, family="xcup", rate=rate, quiet={})
    run.propagate()
    return run


def weighed(function, bits, rate):
    """Probability and rate of a function of bits that are independent, by all pairs."""
    high = change = 0.0
    for before in itertools.product((0, 1), repeat=bits):
        high += function(before) / 2**bits
        for after in itertools.product((0, 1), repeat=bits):
            moved = sum(a != b for a, b in zip(before, after, strict=True))
            weight = rate**moved * (1 - rate) ** (bits - moved) / 2**bits
            change += weight * (function(before) != function(after))
    return high, change


@given(st.integers(1, 4), st.integers(0, 2**16 - 1), st.sampled_from([0.05, 0.125, 0.5]))
def test_a_table_is_exact(size, init, rate):
    init &= (1 << (1 << size)) - 1
    inputs = list(range(2, 2 + size))
    run = propagated([lut("t", size, init, inputs, 2 + size)], inputs, 3 + size, rate)
    expected = weighed(lambda b: init >> sum(v << k for k, v in enumerate(b)) & 1, size, rate)
    assert (run.high[-1], run.toggles[-1]) == pytest.approx(expected)
    assert run.densities[-1] >= run.toggles[-1] - 1e-12


@pytest.mark.parametrize("rate", [0.125, 0.5])
def test_the_bits_of_a_sum_hang_together(rate):
    """Two words of three bits: the carry of a chain comes of the operands, as its select does."""
    a, b, s, o, c = ([2 + 3 * k + bit for bit in range(3)] for k in range(5))
    tables = [lut(f"x{k}", 2, 0b0110, (a[k], b[k]), s[k]) for k in range(3)]
    chain = Cell(
        "chain", "CARRY4", {},
        {"S": (*s, LOW), "DI": (*a, LOW), "CI": (LOW,), "CYINIT": (LOW,), "O": (*o,), "CO": (*c,)},
    )  # fmt: skip
    run = propagated([*tables, chain], [*a, *b], 20, rate)

    def total(bits):
        one, other = (sum(v << k for k, v in enumerate(part)) for part in (bits[:3], bits[3:]))
        return one + other

    for bit in range(3):
        expected = weighed(lambda bits, bit=bit: total(bits) >> bit & 1, 6, rate)
        assert (run.high[o[bit]], run.toggles[o[bit]]) == pytest.approx(expected)
    expected = weighed(lambda bits: total(bits) >> 3 & 1, 6, rate)
    assert (run.high[c[2]], run.toggles[c[2]]) == pytest.approx(expected)


def test_constants_do_not_move():
    cells = [lut("and", 2, 0b1000, (2, HIGH), 3), lut("not", 1, 0b01, (LOW,), 4)]
    run = propagated(cells, [2], 5)
    assert run.toggles[3] == 0.125 and run.toggles[4] == 0 and run.high[4] == 1


def flip_flop(enable, reset=LOW):
    return Cell("q", "FDRE", {"INIT": "0"}, {"D": (2,), "CE": (enable,), "R": (reset,), "Q": (4,)})


def test_a_register_hands_its_data_on():
    assert propagated([flip_flop(HIGH)], [2], 5).toggles[4] == 0.125


def test_a_register_that_is_enabled_at_times_skips_changes():
    found = propagated([flip_flop(3)], [2, 3], 5, 0.3).toggles[4]
    # Data that change in 30 % of clocks, taken in every second clock on average.
    rng, clocks = np.random.default_rng(0), 200_000
    data = np.logical_xor.accumulate(rng.random(clocks) < 0.3)
    value = np.zeros(clocks, bool)
    enable = rng.random(clocks) < 0.5
    for k in range(1, clocks):
        value[k] = data[k] if enable[k] else value[k - 1]
    assert found == pytest.approx((value[1:] != value[:-1]).mean(), rel=0.03)


def test_a_circle_of_registers_settles():
    toggler = Cell("q", "FDRE", {}, {"D": (2,), "CE": (HIGH,), "R": (LOW,), "Q": (3,)})
    run = propagated([lut("not", 1, 0b01, (3,), 2), toggler], [], 4)
    assert run.toggles[3] == run.toggles[2]


def test_glitches_are_bounded_from_above():
    # Two inputs that change together leave an XOR alone, but may make it change twice.
    cells = [lut("one", 2, 0b0110, (2, 3), 4), lut("two", 2, 0b0110, (4, 3), 5)]
    found = glitch_bound(netlist(cells, [2, 3], 6), KINDS, family="xcup", rate=0.5)
    run = propagated(cells, [2, 3], 6, 0.5)
    assert (run.densities[4], run.densities[5]) == (1.0, 1.5)
    assert found == pytest.approx(run.densities.sum() / run.toggles.sum()) and found > 1


def test_what_keeps_still_is_said():
    cells = [lut("and", 2, 0b1000, (2, 3), 4)]
    parts = MappedNetlist({"i": (2,), "rst": (3,)}, frozenset({"i", "rst"}), tuple(cells), 5)
    found = propagated_activity(parts, KINDS, family="xcup", interval=4, quiet={"rst": 0})
    assert found.toggles[4] == 0 and found.toggles[2] == 0.125 * 4
    assert (found.clocks, found.vectors, found.input_toggles) == (4, 1, 0.125)
