"""Adders of three operands: their sums, their latency, their LUTs, and the cells in Verilog."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.gateware.fabric import primitives, ternary_adders
from kanhw.gateware.fabric.ternary_plan import plan_sum, ternary_depth
from kanhw.gateware.fabric.ternary_rows import Row, columns_of, luts_of
from kanhw.gateware.fabric.ternary_tree import TernaryTree, ternary_latency
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.top.verilog import to_verilog


def _signed(words, shape):
    top = 1 << shape.width
    return [word - top if shape.signed and word >= top >> 1 else word for word in words]


@st.composite
def _terms(draw):
    """Unsigned ones as tables give them, single bits, or anything."""
    terms = []
    kind = draw(st.sampled_from(["tables", "bits", "any"]))
    for _ in range(draw(st.integers(1, 10))):
        if kind == "any":
            lo = draw(st.integers(-40, 40))
            term_range = Range(lo, lo + draw(st.integers(0, 40)))
            terms.append(Term(term_range, draw(st.integers(0, 5)), draw(st.booleans())))
        else:
            highest = draw(st.sampled_from([1, 1, 3] if kind == "bits" else [1, 5, 31, 63]))
            terms.append(Term(Range(0, highest), draw(st.sampled_from([0, 0, 3]))))
    return terms


def _vectors(terms, seed, count=20):
    rng = np.random.default_rng(seed)
    lows, highs = [t.range.lo for t in terms], [t.range.hi for t in terms]
    drawn = rng.integers(lows, highs, (count, len(terms)), endpoint=True)
    vectors = [lows, highs, *drawn.tolist()]
    sums = [
        sum((-1) ** t.negative * (v << t.shift) for t, v in zip(terms, vector, strict=True))
        for vector in vectors
    ]
    return vectors, sums


def _check(simulate, tree, seed):
    vectors, sums = _vectors(tree.terms, seed)
    ports = [tree.operand(k) for k in range(len(tree.terms))]
    assert _signed(simulate(tree, ports, vectors), tree.range.shape) == sums


@settings(max_examples=25)
@given(_terms(), st.integers(0, 3), st.integers(0, 2**32))
def test_sum(simulate, terms, levels, seed):
    tree = TernaryTree(terms, levels=levels)
    assert tree.latency == ternary_latency(len(terms), levels)
    _check(simulate, tree, seed)


@pytest.mark.parametrize(
    "maxima", [(1, 1, 1), (3, 3), (3, 2, 1), (1, 1, 1, 1, 1, 1, 1), (3, 1, 1, 1)]
)
def test_small_sums_exhaustively(maxima, simulate):
    terms = [Term(Range(0, maximum)) for maximum in maxima]
    tree = TernaryTree(terms, levels=0)
    grid = np.meshgrid(*[np.arange(maximum + 1) for maximum in maxima], indexing="ij")
    vectors = np.stack([axis.ravel() for axis in grid], axis=1)
    ports = [tree.operand(k) for k in range(len(terms))]
    assert simulate(tree, ports, vectors.tolist()) == vectors.sum(axis=1).tolist()


def test_known_bounds_take_the_upper_bits_away(simulate):
    terms = [Term(Range(0, 15))] * 3
    tree = TernaryTree(terms, levels=0, bound=Range(3, 15))
    assert len(tree.o) == 4
    ports = [tree.operand(k) for k in range(3)]
    assert simulate(tree, ports, [(5, 5, 5), (1, 1, 1), (0, 0, 15)]) == [15, 3, 15]


def test_a_fault_in_the_majority_is_seen(simulate, monkeypatch):
    real = ternary_adders.lut6_2
    monkeypatch.setattr(
        ternary_adders,
        "lut6_2",
        lambda m, p, inputs, upper, lower: real(m, p, inputs, upper, lower & ~(1 << 3)),
    )
    with pytest.raises(AssertionError):
        _check(simulate, TernaryTree([Term(Range(0, 31))] * 3, levels=0), 1)


def test_needs_a_term():
    with pytest.raises(InputError, match=r"\AA sum needs at least one term\Z"):
        TernaryTree([])


@pytest.mark.parametrize(
    ("rows", "luts"),
    [
        ([Row(15)], 0),
        ([Row(1), Row(1), Row(1)], 1),  # sum and majority are the two outputs of a LUT
        ([Row(15), Row(15)], 4),  # the last carry is a bit of the sum
        ([Row(15), Row(15), Row(15)], 5),  # the last majority needs a LUT
        ([Row(15), Row(15), Row(15), Row(1)], 5),  # a bit enters with the carry
        ([Row(15 << 4, 4), Row(15)], 0),  # side by side
        ([Row(15 << 3, 3), Row(15)], 4),  # only what overlaps, and what it may carry into
        ([Row(15)] * 9, 22),
    ],
)
def test_luts(rows, luts):
    assert plan_sum(rows, ternary_depth(len(rows)), 64).cost(64) == luts


@given(
    st.lists(
        st.builds(lambda m, s: Row(m << s, s), st.integers(1, 40), st.integers(0, 6)),
        min_size=2,
        max_size=3,
    ),
    st.integers(1, 12),
)
def test_luts_are_columns(rows, limit):
    assert luts_of(rows, limit) == len(columns_of(rows, None, limit))


def test_many_operands_are_planned_in_time():
    rows = [Row(1 + k % 60) for k in range(200)]
    plan = plan_sum(rows, ternary_depth(len(rows)), 64)
    assert plan.row.maximum == sum(row.maximum for row in rows)
    assert plan.level <= ternary_depth(len(rows)) + 2


def _icarus(tmp_path, tree, vectors):
    """The sums of combinational Verilog, cells and all, from Icarus."""
    shape = tree.range.shape
    lines, ports = [], []
    for k, term in enumerate(tree.terms):
        width = term.range.shape.width
        lines.append(f"reg [{width - 1}:0] i{k};")
        ports.append(f".i{k}(i{k})")
    lines.append(f"wire [{shape.width - 1}:0] o;")
    lines.append(f"dut dut({', '.join(ports)}, .o(o));")
    lines.append("initial begin")
    for vector in vectors:
        lines += [f"i{k} = {value};" for k, value in enumerate(vector)]
        lines.append('#1 $display("%0d", o);')
    text = "module bench;\n" + "\n".join(lines) + "\nend\nendmodule\n"
    (tmp_path / "bench.v").write_text(text)
    (tmp_path / "dut.v").write_text(to_verilog(tree, "dut", reset=False))
    program = tmp_path / "bench.vvp"
    subprocess.run(
        ["iverilog", "-g2005", "-o", program, tmp_path / "bench.v", tmp_path / "dut.v"], check=True
    )
    run = subprocess.run(["vvp", program], check=True, capture_output=True, text=True)
    return [int(line) for line in run.stdout.split()]


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not there")
def test_cells_in_verilog(tmp_path):
    terms = [Term(Range(0, 63), k % 2) for k in range(7)] + [Term(Range(0, 1))] * 2
    tree = TernaryTree(terms, levels=0)
    vectors, sums = _vectors(terms, 3, 100)
    assert _icarus(tmp_path, tree, vectors) == sums
    text = (tmp_path / "dut.v").read_text()
    assert "CARRY8" in text
    assert "LUT6_2" in text
    assert primitives.CELL_MODELS in text
