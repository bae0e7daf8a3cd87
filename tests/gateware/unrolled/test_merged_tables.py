"""Tables of one output merged into one: the same numbers, fewer tables, never a higher cost."""

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
from kanhw.gateware.fabric import Reading, fabric_named
from kanhw.gateware.parts.minimise import minimise_table
from kanhw.gateware.top.stage_costs import stage_costs
from kanhw.gateware.unrolled import merged_tables
from kanhw.gateware.unrolled.merged_tables import merging_of
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer, save_program
from kanhw.schedule.schedule import FABRICS, Schedule
from kanhw.targets.table_costs import MERGED_BITS, table_costs_of

FABRIC = pytest.mark.parametrize("fabric", FABRICS)


def _schedule(fabric="portable", **fields):
    return Schedule(**{"fabric": fabric, "merge_tables": "xcup", "handshake": False, **fields})


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


@pytest.mark.some(2)
@FABRIC
@pytest.mark.parametrize("registered", [True, False])
def test_every_input_of_small_layers(fabric, registered, run_core, stimulus):
    rng = np.random.default_rng(registered)
    program = _network(rng, (4, 3), (2,))
    schedule = _schedule(fabric, table_registers=registered)
    codes = stimulus(program, rng)
    assert len(codes) == 4**4
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))
    apart, merged = (_operands(program, replace(schedule, merge_tables=t)) for t in (None, "xcup"))
    assert np.sum(merged) < np.sum(apart)


@pytest.mark.some(1)
@FABRIC
@settings(max_examples=6)
@given(seed=st.integers(0, 1 << 30))
def test_random_networks(fabric, seed, run_core, stimulus):
    rng = np.random.default_rng(seed)
    last = CodeFormat(4, True) if seed % 2 else None
    program = _network(rng, (int(rng.integers(2, 7)), 3, 2), rng.integers(1, 5, 2).tolist(), last)
    schedule = _schedule(fabric, adder_levels=seed % 3, table_registers=seed % 5 > 0)
    codes = stimulus(program, rng, 60)
    np.testing.assert_array_equal(run_core(program, schedule, codes), program(codes))


def test_a_wrong_sum_is_seen(run_core, stimulus, monkeypatch):
    real = merged_tables._sum
    monkeypatch.setattr(
        merged_tables, "_sum", lambda a, b: real(a, replace(b, offset=b.offset + 1))
    )
    rng = np.random.default_rng(0)
    program = _network(rng, (5, 3), (2,))
    codes = stimulus(program, rng)
    assert (run_core(program, _schedule(), codes) != program(codes)).any()


def _tables(rng, count, bits, width=3):
    """Tables that depend on all of ``bits`` address bits, by what they read."""
    every = tuple(range(bits))
    return {
        (Reading(0, i, every),): minimise_table(
            np.append(rng.permutation(1 << bits)[:-1] % (1 << width), 0), 0, (1 << bits) - 1
        )
        for i in range(count)
    }


def _luts(tables, fabric):
    costs = table_costs_of("xcup", fabric)
    supports = [fabric_named(fabric).supports(t, registered=True) for t in tables.values()]
    own = sum(costs.table[n - 1] for support in supports for n in support if n)
    widths = [np.log2(max(t.values) + 1) for t in tables.values()]
    return own + sum(costs.adder * (width + costs.adder_offset) for width in widths)


@FABRIC
@settings(max_examples=20)
@given(seed=st.integers(0, 1 << 30), count=st.integers(2, 8), bits=st.integers(1, 4))
def test_the_cost_never_rises(fabric, seed, count, bits):
    tables = _tables(np.random.default_rng(seed), count, bits)
    made = merging_of(_schedule(fabric)).merged(tables, lambda place, table: 1)
    assert _luts(made, fabric) <= _luts(tables, fabric)
    assert sorted(r.input for place in made for r in place) == list(range(count))
    assert max(sum(len(r.bits) for r in place) for place in made) <= MERGED_BITS
    for table in made.values():
        assert min(table.values) >= 0


def test_tables_of_many_outputs_stay_apart():
    """What others have made as well is not worth a table of its own."""
    tables = _tables(np.random.default_rng(0), 2, 3)
    merging = merging_of(_schedule())
    assert len(merging.merged(tables, lambda place, table: 1)) == 1
    assert merging.merged(tables, lambda place, table: 50) == tables


def test_tables_of_inputs_that_may_be_absent_stay_apart():
    tables = {p: replace(t, padding=0) for p, t in _tables(np.random.default_rng(0), 4, 1).items()}
    assert merging_of(_schedule()).merged(tables, lambda place, table: 1) == tables


def test_nothing_is_merged_unless_asked_for():
    rng = np.random.default_rng(0)
    program = _network(rng, (5, 3), (2,))
    assert merging_of(Schedule()) is None
    apart = _schedule(merge_tables=None)
    texts = [generate_verilog(program, s).text for s in (apart, _schedule())]
    assert texts[0].count("table") > texts[1].count("table")


def test_the_resource_model_counts_what_is_left():
    program = _network(np.random.default_rng(0), (5, 3), (2,))
    apart, merged = (stage_costs(program, s)[0].costs for s in (Schedule(), _schedule()))
    assert merged.adder_bits < apart.adder_bits and merged.adders < apart.adders
    assert merged.register_bits < apart.register_bits
    # Nothing was taken off that had not been counted.
    assert min(merged.table_bits) >= 0 and sum(merged.table_bits) > 0


def test_images(image_program, check_images):
    rng = np.random.default_rng(5)
    program = image_program(rng, ["convolution"], dense=True)
    check_images(program, Schedule(merge_tables="xcup"), rng)


def test_command_line(tmp_path, capsys):
    source, out = tmp_path / "kan.safetensors", tmp_path / "design"
    save_program(_network(np.random.default_rng(0), (5, 3), (2,)), source)
    arguments = ["generate", str(source), "--out", str(out), "--merge-tables"]
    assert main([*arguments, "xcup"]) == 0
    schedule = load_design(out).schedule
    assert schedule == Schedule(merge_tables="xcup")
    assert "merge_tables" not in Schedule().to_json()
    assert main([*arguments, "xcvu", "--force"]) != 0
    assert "no costs of tables for fabric 'portable' on target 'xcvu'" in capsys.readouterr().err


def test_what_cannot_be_merged_is_refused():
    with pytest.raises(InputError, match=r"\Amerge_tables is for the unrolled schedule"):
        Schedule(kind="folded", merge_tables="xcup")
    with pytest.raises(TypeError, match=r"\Amerge_tables must be the name of a target or None"):
        Schedule(merge_tables=True)
    with pytest.raises(InputError, match=r"ecp5"):
        merging_of(Schedule(fabric="ultrascale+", merge_tables="ecp5"))
