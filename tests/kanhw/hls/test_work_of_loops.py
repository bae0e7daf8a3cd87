"""Loops, operators and memories of the HLS model, counted by hand."""

import pytest

from kanhw.errors import InputError
from kanhw.hls.costs.operators import (
    FLOAT32,
    adder,
    choice,
    comparison,
    divider,
    multiplexer,
    product,
)
from kanhw.hls.costs.work import Function, Loop, Register, Store
from kanhw.hls.model.energy import inference_energy
from kanhw.targets.table import energies_of

ADD, TIMES = FLOAT32["add"], FLOAT32["multiply"]


def test_integers_take_what_reports_show():
    assert [adder(bits).lut for bits in (3, 4, 7, 16, 32, 64)] == [11, 12, 15, 23, 39, 71]
    assert [comparison(bits).lut for bits in (4, 8, 16, 32, 64)] == [9, 11, 13, 20, 29]
    assert [multiplexer(ways) for ways in (1, 2, 3, 5, 10, 45)] == [0, 9, 15, 27, 47, 197]
    assert choice(1).lut == 2 and divider(64).ff == 8651
    # Multiplier blocks of 27 x 18 bits, either way round.
    sizes = ((31, 32), (27, 32), (16, 31), (36, 36), (31, 10), (4, 13), (4, 8))
    assert [product(*bits).dsp for bits in sizes] == [4, 2, 2, 4, 2, 1, 0]


def test_a_pipelined_loop():
    loop = Loop(64, {TIMES: 9, ADD: 8}, 4, 49)
    assert loop.clocks == 63 * 4 + 48
    assert (loop.instances(TIMES), loop.instances(ADD)) == (3, 2)


def test_loops_share_what_is_large():
    inner = Loop(10, {ADD: 5}, None, 31, at_once={ADD: 4})
    outer = Loop(3, {}, None, 0, [inner])
    edges = Loop(64, {TIMES: 9, ADD: 8, adder(16): 2}, 4, 49)
    function = Function("layer", [Loop(7, {}, None, 5, [outer, edges])], depth=1)
    # A loop within takes two clocks to enter and to leave.
    assert outer.clocks == 3 * (10 * 31 + 2) == 936
    assert function.clocks == 1 + 7 * (5 + 936 + 2 + 300 + 2) + 2
    assert function.instances()[ADD] == 4 and function.instances()[TIMES] == 3
    assert function.instances()[adder(16)] == 2
    taken = function.taken()
    assert taken.dsp == 4 * 2 + 3 * 3
    assert taken.operators == 4 * 208 + 3 * 139 + 2 * 23
    assert taken.lut > taken.operators


def test_registers_and_memories():
    sums = Function("sums", [Loop(8)], [], [Register(64, 32)])
    more = Function("sums", [Loop(8)], [], [Register(64, 32), Register(64, 32)])
    assert more.taken().ff - sums.taken().ff == 2048
    assert more.taken().lut - sums.taken().lut == 64 * 9
    assert Store(16, 32).taken.lut == 8 and Store(16, 32).taken.bram18 == 0
    assert Store(32, 32, 2).taken.bram18 == 2
    assert Store(64, 512, in_luts=True).taken.lut == 512


def test_energy_follows_uses():
    table = Store(50176, 32)
    loop = Loop(100, {TIMES: 2}, 2, 9, reads={table: 1})
    top = Function("top", [Loop(3, {}, None, 1, [Function("one", [loop], [table])])])
    found, known = inference_energy(top, 1000), energies_of("xcup")
    uses = 3 * 100 * 2
    assert found["dsp"].high == pytest.approx(1e-15 * known.dsp.high * 3 * uses)
    assert found["operators"].low == pytest.approx(1e-15 * known.lut_use.low * 139 * uses)
    # A word is in two blocks side by side; 91 hold all.
    assert found["memory"].low == pytest.approx(1e-15 * known.bram.low * 1 * 300)
    assert found["memory"].high == pytest.approx(1e-15 * known.bram.high * 91 * 300)
    parts = sum(found[name].low for name in ("clock", "operators", "around", "memory", "dsp"))
    assert found["dynamic"].low == pytest.approx(parts)
    # Twice as long between inferences: clocks and what stands around, but no more uses.
    slower = inference_energy(top, 2000)
    assert slower["clock"].low == pytest.approx(2 * found["clock"].low)
    assert slower["operators"] == found["operators"]


def test_a_family_without_energies_of_uses_is_refused():
    with pytest.raises(InputError, match=r"not known of 'ice40': take xcup, xc7$"):
        inference_energy(Function("top", []), 10, "ice40")
