"""Tables of one output merged into one: the same numbers, fewer tables, never a higher cost."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.cli import main
from kanhw.design.design import load_design
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.fabric import fabric_named
from kanhw.gateware.unrolled import merged_tables
from kanhw.gateware.unrolled.merged_tables import MERGED_BITS, merging_of
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, save_program
from kanhw.schedule.schedule import FABRICS, Schedule
from kanhw.targets.table_costs import table_costs_of

FABRIC = pytest.mark.parametrize("fabric", FABRICS)


def _schedule(fabric="portable", **fields):
    return Schedule(fabric=fabric, merge_tables="xcup", handshake=False, **fields)


def _coarse(rng, n_out, n_in, code, most=3, height=9):
    """Edge tables that read the upper 0 to ``most`` bits of a code."""
    address = code.codes() - code.lo
    tables = np.zeros((n_out, n_in, code.count), np.int64)
    for edge in np.ndindex(n_out, n_in):
        bits = int(rng.integers(0, min(most, code.width) + 1))
        entries = rng.integers(-height, height, 1 << bits) << int(rng.integers(0, 3))
        tables[edge] = entries[address >> (code.width - bits)]
    return tables


def _network(rng, shape, widths, last=None):
    code = CodeFormat(widths[0], bool(rng.integers(2)))
    encoder, layers = InputEncoder(code, shape[0]), []
    for number in range(len(shape) - 1):
        n_in, n_out = shape[number : number + 2]
        tables = _coarse(rng, n_out, n_in, code)
        hidden = number < len(shape) - 2
        code = CodeFormat(widths[number + 1], True) if hidden else last
        ends = {}
        if hidden:
            lo = rng.integers(code.lo, 0, n_out)
            ends = {"lo": lo, "hi": rng.integers(0, code.hi + 1, n_out)}
        join = Requantizer(
            np.ones((1, n_out), int), rng.integers(-9, 9, n_out), 2 if code else 0, code, **ends
        )
        layers.append(EdgeTableLayer(tables, (join,), f"layers.{number}"))
    return Program(tuple(layers), encoder)


def _operands(program, schedule):
    cores = ProgramCore(program, schedule)._layers._cores
    return [[core.operand_count((0,), j, 0) for j in range(core.layer.n_out)] for core in cores]


@FABRIC
@pytest.mark.parametrize("registered", [True, False])
def test_every_input_of_small_layers(fabric, registered, run_core, stimulus):
    rng = np.random.default_rng(registered)
    program = _network(rng, (5, 3), (2,))
    schedule = _schedule(fabric, table_registers=registered)
    codes = stimulus(program, rng)
    assert len(codes) == 4**5
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))
    apart, merged = (_operands(program, replace(schedule, merge_tables=t)) for t in (None, "xcup"))
    assert np.sum(merged) < np.sum(apart)


@FABRIC
@settings(max_examples=8)
@given(seed=st.integers(0, 1 << 30))
def test_random_networks(fabric, seed, run_core, stimulus):
    rng = np.random.default_rng(seed)
    last = CodeFormat(4, True) if seed % 2 else None
    program = _network(rng, (int(rng.integers(2, 7)), 3, 2), rng.integers(1, 5, 2).tolist(), last)
    schedule = _schedule(fabric, adder_levels=seed % 3, table_registers=seed % 5 > 0)
    codes = stimulus(program, rng, 100)[:400]
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_a_wrong_sum_is_seen(run_core, stimulus, monkeypatch):
    real = merged_tables._sum
    monkeypatch.setattr(merged_tables, "_sum", lambda a, b: real(a, replace(b, offset=b.offset + 1)))
    rng = np.random.default_rng(0)
    program = _network(rng, (5, 3), (2,))
    codes = stimulus(program, rng)
    assert (run_core(program, _schedule(), codes) != program(codes)).any()
