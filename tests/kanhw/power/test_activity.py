"""Toggles of netlists: counted by hand, the same however many copies run, and of right outputs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from physical_programs import physical_program

import kanhw
from kanhw.errors import InputError, ToolFailed
from kanhw.estimation import estimate_design
from kanhw.estimation.runs import netlist_in
from kanhw.layers import FastKAN, model_of
from kanhw.power import activity, simulation
from kanhw.power.energy import power_of
from kanhw.power.mapped import read_netlist
from kanhw.power.propagation import VECTORLESS_RATE, propagated_activity
from kanhw.power.simulation import Simulation
from kanhw.power.stimulus import toggling_codes
from kanhw.schedule.schedule import Schedule
from kanhw.targets.table import cell_kinds_of, target_named

XCUP, ICE40 = cell_kinds_of("xcup"), cell_kinds_of("ice40")


def written(path, cells, ports):
    module = {
        "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
        "cells": {
            f"c{k}": {"type": kind, "parameters": fields, "connections": nets}
            for k, (kind, fields, nets) in enumerate(cells)
        },
    }
    path.write_text(json.dumps({"modules": {"top": module}}))
    return read_netlist(path, "top")


COUNTER = [
    ("FDRE", {"INIT": "0"}, {"D": [4], "CE": ["1"], "R": ["0"], "C": [2], "Q": [5]}),
    ("FDRE", {"INIT": "0"}, {"D": [6], "CE": ["1"], "R": ["0"], "C": [2], "Q": [7]}),
    ("LUT1", {"INIT": "01"}, {"I0": [5], "O": [4]}),
    ("LUT2", {"INIT": "0110"}, {"I0": [5], "I1": [7], "O": [6]}),
    ("$scopeinfo", {}, {}),
]


def test_a_counter(tmp_path):
    netlist = written(
        tmp_path / "n.json", COUNTER, {"clk": ("input", [2]), "o": ("output", [5, 7])}
    )
    run = Simulation(netlist, XCUP, 1, "xcup")
    seen = []
    for clocks in (2, 1, 2):
        run.run(clocks)
        for low, high in run.port("o")[:, :, 0].T:
            assert low in (0, 2**64 - 1)
            seen.append(int(low & 1) + 2 * int(high & 1))
    assert seen == [0, 1, 2, 3, 0]


def test_what_cannot_be_simulated(tmp_path):
    ports = {"clk": ("input", [2]), "o": ("output", [3])}
    path = tmp_path / "n.json"
    circle = written(
        path,
        [("LUT1", {"INIT": "01"}, {"I0": [3], "O": [4]}), ("INV", {}, {"I": [4], "O": [3]})],
        ports,
    )
    with pytest.raises(InputError, match="logic that runs in a circle"):
        Simulation(circle, XCUP, 1, "xcup")
    strange = written(path, [("URAM288", {}, {"DOUT": [3]})], ports)
    with pytest.raises(InputError, match=r"^The activity of xcup netlists with URAM288 is not sim"):
        Simulation(strange, XCUP, 1, "xcup")
    with pytest.raises(ToolFailed, match="holds top, but not the module kan"):
        read_netlist(path, "kan")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A design and its netlist."""
    work = tmp_path_factory.mktemp("power")
    design = kanhw.generate(physical_program(1, (2, 1)), work / "design")
    estimate = estimate_design(design.path, "ice40", keep=work)
    return design, netlist_in(work, estimate.recipe)


def codes_of(design, count=96):
    program = design.load_program()
    rng = np.random.default_rng(0)
    return rng.integers(*np.add(program.input.code_ends, [[0], [1]]), (count, program.n_in))


# Designs whose codes wait in a block RAM that is written, as small as they are there.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("ice40", 16, 3), id="ice40"),
        pytest.param(("xcup", 260, 5), id="xcup", marks=pytest.mark.wide),
    ],
)
def folded(request, tmp_path_factory):
    target, inputs, blocks = request.param
    work = tmp_path_factory.mktemp("folded")
    design = kanhw.generate(
        physical_program(1, (inputs, 1)), work / "design", schedule=Schedule(kind="folded")
    )
    estimate = estimate_design(design.path, target, keep=work)
    kinds = cell_kinds_of(target)
    netlist = read_netlist(netlist_in(work, estimate.recipe), design.top)
    assert sum(kinds[cell.kind].part == "bram" for cell in netlist.cells) == blocks
    return design, netlist, kinds, target


def activities(design, netlist, kinds, target, copies, monkeypatch, count=24):
    codes = codes_of(design, count)
    for most in copies:
        monkeypatch.setattr(activity, "_MOST_COPIES", most)
        yield activity.simulate_activity(design, netlist, kinds, codes, family=target)


def test_a_folded_design_whose_codes_are_in_a_block_ram(folded, monkeypatch):
    design, *_, target = folded
    one, other = activities(*folded, (1, 12) if target == "ice40" else (4, 12), monkeypatch)
    assert one.clocks == other.clocks == 24 * design.initiation_interval
    np.testing.assert_array_equal(one.toggles, other.toggles)
    assert one.toggles.any()


def test_loops_are_what_arrays_of_their_cells_compute(folded, monkeypatch):
    (one,) = activities(*folded, (12,), monkeypatch)
    monkeypatch.setattr(simulation, "is_compiled", lambda _: False)
    (other,) = activities(*folded, (12,), monkeypatch)
    np.testing.assert_array_equal(one.toggles, other.toggles)


def test_block_rams_in_a_figure_of_power(folded, monkeypatch):
    _, netlist, kinds, target = folded
    (one,) = activities(*folded, (12,), monkeypatch)
    fields = {"clock_mhz": 100.0, "part": None, "stimulus": "rows"}
    found = power_of(target_named(target), netlist, kinds, one, **fields)
    blocks = {"ice40": {"SB_RAM40_4K": 3}, "xcup": {}}
    assert found.unknown == blocks[target]
    # What is not known is not 0.
    assert (found.power_w["memory"] is None) == (target == "ice40")
    interval = folded[0].initiation_interval
    still = propagated_activity(netlist, kinds, family=target, interval=interval)
    assert power_of(target_named(target), netlist, kinds, still, **fields).unknown == found.unknown
    # What is read from a memory that is written counts as an input.
    block = next(cell for cell in netlist.cells if cell.name.startswith("stage0.buffer.memory"))
    nets = [cell_net for port in kinds[block.kind].outputs if (cell_net := block.net(*port))]
    assert len(nets) > 4 and (still.toggles[nets] == VECTORLESS_RATE * interval).all()


@pytest.mark.wide
def test_toggles_do_not_hang_on_the_number_of_copies(made, monkeypatch):
    design, path = made
    netlist = read_netlist(path, design.top)
    codes = codes_of(design)
    found = list(activities(design, netlist, ICE40, "ice40", (1, 2, 24), monkeypatch, 96))
    for other in found:
        assert (other.clocks, other.vectors, other.rows) == (96, 96, 96)
        np.testing.assert_array_equal(other.toggles, found[0].toggles)
    changes = np.diff(np.vstack([codes, codes[:1]]), axis=0)
    assert found[0].toggles.any() and changes.any()
    width = len(netlist.ports[design.wires.input.data])
    program = design.load_program()
    mask = (1 << program.input.format.width) - 1
    flips = np.bitwise_count((codes & mask) ^ (np.roll(codes, -1, axis=0) & mask)).sum()
    assert found[0].input_toggles == pytest.approx(flips / (96 * width))


def test_a_netlist_that_computes_something_else_is_seen(made):
    design, path = made
    netlist = read_netlist(path, design.top)
    cells = list(netlist.cells)
    inputs = set(netlist.ports[design.wires.input.data])
    place = next(
        k
        for k, one in enumerate(cells)
        if one.kind == "SB_LUT4" and inputs & {net for nets in one.ports.values() for net in nets}
    )
    table = cells[place].parameters["LUT_INIT"]
    inverted = "".join("01"[letter == "0"] for letter in table)
    cells[place] = replace(cells[place], parameters={"LUT_INIT": inverted})
    faulty = replace(netlist, cells=tuple(cells))
    with pytest.raises(
        ToolFailed, match=r"\d+ of \d+ outputs of the netlist of .* are not the Pro"
    ):
        activity.simulate_activity(design, faulty, ICE40, codes_of(design), family="ice40")


def test_rows_that_do_not_divide_evenly_are_counted_once(made, monkeypatch):
    design, path = made
    netlist = read_netlist(path, design.top)
    codes = codes_of(design, 130)
    monkeypatch.setattr(activity, "_MOST_COPIES", 64)
    one = activity.simulate_activity(design, netlist, ICE40, codes, family="ice40")
    # 33 copies with four each.
    assert (one.rows, one.vectors) == (130, 132)
    assert one.clocks == 132 * design.initiation_interval


class _Filled:
    """A run whose buffers hold ten vectors: so many are taken in 23 clocks each, others in 32."""

    counted = 2
    fillings = None
    slow = 0

    def __init__(self, design, netlist, kinds, rows, family, filling):
        self.filling = filling
        self.fillings.append(filling)

    def count(self):
        fast = min(max(10 - self.filling, 0), self.counted)
        return np.ones(1, np.int64), 23 * fast + self.slow * (self.counted - fast)


@pytest.mark.parametrize("slow, fillings", [(32, [4, 8, 16]), (31, [4, 8, 16, 32])])
def test_vectors_are_counted_when_buffers_are_full(made, monkeypatch, slow, fillings):
    monkeypatch.setattr(activity, "_Run", _Filled)
    monkeypatch.setattr(_Filled, "slow", slow)
    monkeypatch.setattr(_Filled, "fillings", [])
    design = replace(made[0], latency_cycles=64, initiation_interval=32)
    _, _, clocks = activity._steady(design, None, {}, np.zeros((4, 2)), "ice40")
    assert (clocks, _Filled.fillings) == (2 * slow, fillings)


def test_vectors_that_are_always_taken_faster_are_refused(made, monkeypatch):
    monkeypatch.setattr(activity, "_Run", _Filled)
    monkeypatch.setattr(_Filled, "slow", 20)
    monkeypatch.setattr(_Filled, "fillings", [])
    design = replace(made[0], latency_cycles=64, initiation_interval=32)
    with pytest.raises(ToolFailed, match="still takes vectors faster than one every 32 clocks"):
        activity._steady(design, None, {}, np.zeros((4, 2)), "ice40")


@pytest.mark.wide
def test_buffers_that_hold_more_vectors_than_latency_says(tmp_path):
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(200, 4))
    model = model_of(FastKAN([4, 8, 2]), None)
    program = kanhw.quantize(model, x, activation_bits=3, realisation="edge_table")
    design = kanhw.generate(program, tmp_path / "d", schedule=Schedule(kind="folded"))
    estimate = estimate_design(design.path, "ice40", keep=tmp_path)
    netlist = read_netlist(netlist_in(tmp_path, estimate.recipe), design.top)
    codes = program.input.encode(x[:24])
    found = activity.simulate_activity(design, netlist, ICE40, codes, family="ice40")
    assert found.clocks == 24 * design.initiation_interval


def test_few_rows_are_refused(made):
    design, path = made
    with pytest.raises(InputError, match="Activity takes at least 2 vectors, not 1"):
        activity.simulate_activity(
            design, read_netlist(path, design.top), ICE40, codes_of(design, 1), family="ice40"
        )


@pytest.mark.slow
@pytest.mark.parametrize("target", ["xcup", "ecp5", "ice40"])
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2),
        Schedule(handshake=False),
        Schedule(fabric="ultrascale+"),
    ],
    ids=["folded", "no handshake", "ultrascale+"],
)
def test_every_schedule_and_family(target, schedule, tmp_path):
    if schedule.fabric == "ultrascale+" and target != "xcup":
        pytest.skip("cells of one family")
    design = kanhw.generate(physical_program(1), tmp_path / "design", schedule=schedule)
    estimate = estimate_design(design.path, target, keep=tmp_path)
    netlist = read_netlist(netlist_in(tmp_path, estimate.recipe), design.top)
    found = activity.simulate_activity(
        design, netlist, cell_kinds_of(target), codes_of(design), family=target
    )
    assert found.clocks == 96 * design.initiation_interval
    assert found.toggles.any()


def test_toggle_rates():
    program = physical_program(0, (4, 2))
    codes = toggling_codes(program, 0.125, seed=3, count=4000)
    form = program.input.format
    assert (codes.min(), codes.max()) == (form.lo, form.hi)
    mask = (1 << form.width) - 1
    flips = np.bitwise_count((codes[1:] ^ codes[:-1]) & mask).sum() / codes[1:].size / form.width
    assert flips == pytest.approx(0.125, abs=0.004)
    for rate in (0, -1, 1.5, float("nan")):
        with pytest.raises(InputError, match="The toggle rate must be above 0 and at most 1, not"):
            toggling_codes(program, rate, seed=0)
    with pytest.raises(TypeError, match=r"The toggle rate must be a number, as in 0\.125, not '1'"):
        toggling_codes(program, "1", seed=0)
