"""Which networks a formula of costs is held to, and what counts in a fit to them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.fabric.cost_fit import STRUCTURE
from benchmarks.fabric.formula import fitted, luts_of
from benchmarks.fabric.random_networks import random_network, wide_network
from benchmarks.fabric.sizes import sizes_of
from benchmarks.fabric.trained_costs import (
    EDGES,
    RANDOM,
    chosen,
    off,
    print_merged,
    random_programs,
    synthesised,
)
from kanhw.estimation.told import told_luts
from kanhw.targets.table_costs import TABLE_COSTS


@pytest.mark.parametrize("kind", RANDOM)
def test_random_networks_are_the_same_every_time(kind):
    names = [name for name, _ in random_programs(kind, 2)]
    again = dict(random_programs(kind, 1))
    assert list(again) == names[:1]
    assert all(len(sizes_of(program).edges) in EDGES for program in again.values())


def test_wide_networks_add_up_many_narrow_tables():
    for seed in range(2):
        program = wide_network(np.random.default_rng(seed))
        edges = sizes_of(program).edges
        outputs = {edge.output for edge in edges}
        assert len(edges) > 4 * len(outputs)
        assert max(edge.address_bits for edge in edges) <= 3
        codes = np.zeros((2, program.n_in), int)
        assert program(codes).shape == (2, program.n_out)


def test_points_are_chosen_by_what_they_are_told_to_cost(tmp_path):
    points = [{"name": name, "cost": cost} for name, cost in (("a", 10), ("b", 99), ("c", 101))]
    (tmp_path / "front.json").write_text(json.dumps({"points": points}), encoding="utf-8")
    assert chosen(tmp_path, 20, 100) == [str(tmp_path / "points" / "b.safetensors")]


def test_more_may_be_off_where_networks_are_small():
    ratios = [0.84, 0.88, 1.0, 1.12, 1.16]
    assert (off(ratios, small=False), off(ratios, small=True)) == (4, 2)


def test_a_network_that_counts_more_is_met_more_closely():
    programs = [program for _, program in random_programs("random", 12)]
    structure = STRUCTURE["portable"]
    networks = [(own, round(luts_of(own, structure))) for own in map(sizes_of, programs)]
    networks[0] = (networks[0][0], 2 * networks[0][1])

    def error(weight):
        costs = fitted(networks, structure, [weight] + [1.0] * 11)
        return abs(luts_of(networks[0][0], costs) / networks[0][1] - 1)

    assert error(10.0) < error(1.0) < error(0.1)


def test_what_merging_saves_is_told_by_front(capsys):
    rows = [
        {
            "pair": "xcup/ultrascale+",
            "front": "f",
            "network": name,
            "merged": merged,
            "lut": lut,
            "parts": {"cells": lut + 9 * merged},
        }
        for name, before, after in (("a", 100, 90), ("b", 300, 306))
        for merged, lut in ((False, before), (True, after))
    ]
    print_merged(rows, ["xcup/ultrascale+"])
    line = capsys.readouterr().out.splitlines()[-1]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    told = "1.06 (1.03-1.10)"
    assert cells == ["xcup/ultrascale+", "f", "2", "400", "396", "1.0", "-2.0 to 10.0", told]


@pytest.mark.wide
@pytest.mark.parametrize("target, fabric", TABLE_COSTS)
def test_synthesis_makes_what_is_told(target, fabric):
    program = random_network(np.random.default_rng([1, 10]))
    (luts,) = synthesised(f"{target}/{fabric}", [program], merged=False)
    assert luts > 100
    assert told_luts(program, target, fabric) == pytest.approx(luts, rel=0.1)
