"""Small units equal their integer reference functions, at their latency."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.parts.adder_tree import AdderTree, tree_cost, tree_latency
from kanhw.gateware.parts.address import Address, input_addresses, output_address
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.minimise import minimise_table, table_cost
from kanhw.gateware.parts.saturator import Saturator
from kanhw.gateware.parts.signals import Range, shape_of
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.stream.argmax import Argmax
from kanhw.program.functions.tables import argmax, requantize


def _signed(words, shape):
    top = 1 << shape.width
    return [word - top if shape.signed and word >= top >> 1 else word for word in words]


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize(
    "values", [(0, 1), (-1, -1), (5, 5, 5, 5), tuple(range(-128, 128)), (-9, 0, 3, 1000)]
)
def test_table(values, registered, simulate):
    table = Table(values, registered=registered)
    assert table.latency == registered
    words = [(a,) for a in range(len(values))]
    assert tuple(_signed(simulate(table, [table.i], words), table.range.shape)) == values


@pytest.mark.parametrize("depth", [0, 1, 3, 6])
def test_table_depth(depth):
    with pytest.raises(InputError, match=rf"\AA table needs 2, 4, 8, \.\.\. values, not {depth}\Z"):
        Table(tuple(range(depth)))


@st.composite
def _terms(draw):
    terms = []
    for _ in range(draw(st.integers(1, 9))):
        lo = draw(st.integers(-40, 40))
        term_range = Range(lo, lo + draw(st.integers(0, 40)))
        terms.append(Term(term_range, draw(st.integers(0, 9)), draw(st.booleans())))
    return terms


@given(_terms(), st.integers(0, 3), st.integers(0, 2**32))
def test_adder_tree(simulate, terms, levels, seed):
    rng = np.random.default_rng(seed)
    tree = AdderTree(terms, levels=levels)
    depth = (len(terms) - 1).bit_length()
    assert tree.latency == tree_latency(len(terms), levels)
    assert tree.latency == (len(range(levels, depth, levels)) if levels else 0)
    vectors = [[t.range.lo for t in terms], [t.range.hi for t in terms]]
    vectors += [[int(rng.integers(t.range.lo, t.range.hi + 1)) for t in terms] for _ in range(20)]
    expected = [
        sum((-1) ** t.negative * (v << t.shift) for t, v in zip(terms, vector, strict=True))
        for vector in vectors
    ]
    assert all(tree.range.lo <= value <= tree.range.hi for value in expected)
    ports = [tree.operand(k) for k in range(len(terms))]
    assert _signed(simulate(tree, ports, vectors), tree.range.shape) == expected


def test_adder_tree_needs_a_term():
    with pytest.raises(InputError, match=r"\AA sum needs at least one term\Z"):
        AdderTree([])
    assert tree_cost([Term(Range(0, 7))]) == 0
    assert tree_cost([Term(Range(0, 7)), Term(Range(0, 1))]) == 4


def _check_saturator(simulate, sums, shift, width):
    unit = Saturator(sums, shift, width)
    values = range(sums.lo, sums.hi + 1)
    expected = [min(max(value >> shift, 0), (1 << width) - 1) for value in values]
    assert simulate(unit, [unit.i], [(value,) for value in values]) == expected


@pytest.mark.some(16)
@pytest.mark.parametrize("shift", [0, 1, 3, 9])
@pytest.mark.parametrize(
    "sums",
    [
        Range(0, 0),  # nothing to decide
        Range(-1, 0),
        Range(0, 1),
        Range(-90, -80),  # always below
        Range(100, 130),  # always above
        Range(0, 15),  # never saturates
        Range(3, 9),
        Range(-20, 3),  # below only
        Range(2, 200),  # above only
        Range(-130, 140),  # both
        Range(-128, 127),
        Range(-200, 16),
    ],
)
def test_saturator_is_exhaustively_a_clamp(sums, shift, simulate):
    for width in (1, 4, 10):
        _check_saturator(simulate, sums, shift, width)


@given(st.integers(-300, 300), st.integers(0, 300), st.integers(0, 12), st.integers(1, 9))
def test_saturator(simulate, lo, extent, shift, width):
    _check_saturator(simulate, Range(lo, lo + extent), shift, width)


@given(st.integers(-(10**6), 10**6), st.integers(0, 8), st.integers(1, 8), st.booleans())
def test_saturator_after_its_constant_is_requantize(total, shift, width, signed):
    format = CodeFormat(width, signed)
    half = (1 << shift) >> 1
    moved = total + half - (format.lo << shift)
    address = min(max(moved >> shift, 0), format.count - 1)
    assert address == requantize(np.int64(total), shift, format.lo, format.hi) - format.lo


@pytest.mark.some(4)
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 11])
def test_argmax(count, signed, simulate):
    rng = np.random.default_rng(count)
    format = CodeFormat(2, signed)  # two bits: ties everywhere
    rows = rng.integers(format.lo, format.hi + 1, (200, count))
    rows[:4] = [[format.lo] * count, [format.hi] * count, [0] * count, [format.lo] * count]
    rows[3, -1] = format.hi
    unit = Argmax(count, shape_of(format))
    ports = [unit.i[k] for k in range(count)]
    expected = argmax(rows)[:, 0]
    np.testing.assert_array_equal(expected, rows.argmax(axis=1))
    assert simulate(unit, ports, rows.tolist()) == expected.tolist()


def test_argmax_of_one_value():
    with pytest.raises(InputError, match=r"\AAn argmax needs at least 2 values, not 1\Z"):
        Argmax(1, shape_of(CodeFormat(4, True)))


@given(st.integers(-(2**40), 2**40))
def test_signed_digits(constant):
    digits = signed_digits(constant)
    assert sum((-1) ** digit.negative << digit.shift for digit in digits) == constant
    shifts = [digit.shift for digit in digits]
    assert all(b - a >= 2 for a, b in pairwise(shifts))
    assert len(digits) <= abs(constant).bit_count()


_TABLES = st.integers(1, 7).flatmap(
    lambda bits: st.tuples(
        st.lists(st.integers(-40, 40), min_size=1 << bits, max_size=1 << bits),
        st.integers(0, (1 << bits) - 1),
        st.integers(0, (1 << bits) - 1),
        st.sampled_from([1, 4, 6]),
    )
)


@given(_TABLES)
def test_minimised_table_gives_the_original_back(drawn):
    entries, a, b, factor = drawn
    lowest, highest = min(a, b), max(a, b)
    table = np.array(entries) * factor
    kept = table.copy()
    small = minimise_table(table, lowest, highest)
    values = np.array(small.values)
    np.testing.assert_array_equal(table, kept)
    reach = slice(lowest, highest + 1)
    np.testing.assert_array_equal(((values << small.shift) - small.offset)[reach], table[reach])
    assert values.min() >= 0
    extent = int(np.ptp(table[reach])) >> small.shift
    assert int(values.max()).bit_length() == extent.bit_length()
    assert small.constant == (np.ptp(table[reach]) == 0)
    if not small.constant:
        filled = table.clip(table[reach].min(), table[reach].max())
        filled[:lowest], filled[highest + 1 :] = table[lowest], table[highest]
        plain = (filled - filled.min()) >> small.shift
        assert table_cost(values) <= table_cost(plain)


def _plain_table_cost(values):
    """The definition, a bit at a time."""
    address = range(len(values))
    bits = len(values).bit_length() - 1
    seen = {tuple((a >> b & 1) ^ i for a in address) for b in range(bits) for i in (0, 1)}
    seen |= {(0,) * len(values), (1,) * len(values)}
    cost = 0
    for position in range(max(values).bit_length()):
        column = tuple(v >> position & 1 for v in values)
        if column in seen:
            continue
        seen |= {column, tuple(1 - bit for bit in column)}
        support = sum(any(column[a] != column[a ^ 1 << b] for a in address) for b in range(bits))
        cost += 1 << max(support - 6, 0)
    return cost


@given(
    st.integers(1, 8).flatmap(
        lambda bits: st.lists(st.integers(0, 20), min_size=1 << bits, max_size=1 << bits)
    )
)
def test_table_cost(values):
    assert table_cost(np.array(values)) == _plain_table_cost(values)


def test_table_cost_of_what_needs_no_logic():
    address = np.arange(256)
    assert table_cost(address) == 0  # the address itself
    assert table_cost(255 - address) == 0  # its complement
    assert table_cost(np.full(256, 5)) == 0
    assert table_cost((address >> 1 & address >> 7 & 1) * 3) == 1  # one bit, twice
    assert table_cost(address & 1 ^ address >> 7) == 1  # a bit of two inputs


@given(
    st.integers(-200, 200),
    st.integers(0, 300),
    st.builds(CodeFormat, st.integers(1, 7), st.booleans()),
    st.booleans(),
)
def test_consumers_read_the_saturated_code(lo, extent, format, last):
    hi = lo + extent
    address = output_address(lo, hi, format, last=last)
    assert address.saturated or not last
    for rounded in range(lo, hi + 1):
        signal = min(max(rounded - format.lo - address.offset, 0), (1 << address.width) - 1)
        assert address.lo <= signal <= address.hi
        code = min(max(rounded, format.lo), format.hi)
        assert address.entries[signal] == address.entry(signal) == code - format.lo


def test_narrow_sums_travel_as_they_are():
    format = CodeFormat(3, True)
    assert output_address(-20, 20, format, last=False) == Address(6, 0, 40, 3, -16)
    assert output_address(-20, 20, format, last=True) == Address(3, 0, 7, 3)
    assert output_address(-40, 40, format, last=False) == Address(3, 0, 7, 3)
    assert output_address(-1, 2, format, last=False) == Address(3, 3, 6, 3)


def test_input_addresses():
    address, again = input_addresses(CodeFormat(4, True), 2)
    assert address == again == Address(4, 0, 15, 4)
    np.testing.assert_array_equal(address.entries, np.arange(16))
