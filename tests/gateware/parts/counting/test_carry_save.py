"""Sums as synthesis makes them, held against what Yosys 0.70 made of such sums by themselves."""

import pytest

from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.counting.carry_save import Summand, may_overflow, summed_bits
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term


def _sum(count, width, signed):
    bits = width + (count - 1).bit_length()
    return summed_bits([Summand(0, width, signed)] * count, bits)


# LUTs of `count` operands behind registers: synth_xilinx -family xcup, synth_ice40, synth_ecp5.
@pytest.mark.parametrize(
    ("count", "width", "signed", "xcup", "ice40", "ecp5"),
    [
        (2, 8, False, 8, 8, 10),
        (2, 8, True, 8, 9, 10),
        (3, 6, False, 12, 18, 20),
        (4, 8, False, 25, 39, 65),
        (6, 6, True, 43, 56, 102),
        (8, 8, False, 81, 101, 181),
        (8, 8, True, 85, 110, 190),
    ],
)
def test_sums_are_near_what_synthesis_made(count, width, signed, xcup, ice40, ecp5):
    made = _sum(count, width, signed)
    six = made.adder + 1.5 * made.full + 0.75 * made.half
    four = made.adder + made.passing + 1.9 * made.full + 0.95 * made.half
    assert six == pytest.approx(xcup, rel=0.25)
    assert four == pytest.approx(ice40, rel=0.15)
    # Its LUTs of four inputs are joined to larger ones freely.
    joined = made.adder + made.passing + 3.4 * made.full + 1.7 * made.half
    assert joined == pytest.approx(ecp5, rel=0.4)


def test_two_operands_are_a_chain_without_full_adders():
    made = summed_bits([Summand(0, 8), Summand(0, 3)], 9)
    assert (made.adder, made.passing, made.full, made.chains) == (3, 6, 0, 1)
    shifted = summed_bits([Summand(0, 6), Summand(3, 6)], 10)
    assert (shifted.adder, shifted.passing) == (3, 4)


def test_a_constant_meets_no_bit():
    made = summed_bits([Summand(0, 6), Summand(0, 5, constant=20)], 7)
    assert (made.adder, made.passing) == (0, 5)


def test_what_is_taken_off_is_inverted():
    made = summed_bits([Summand(0, 6), Summand(0, 5, negative=True)], 7)
    assert made.inverted == 5
    assert summed_bits([Summand(0, 6), Summand(0, 5)], 7).inverted == 0


def test_a_third_operand_of_one_bit_comes_into_the_chain():
    three = summed_bits([Summand(0, 6), Summand(0, 1), Summand(0, 6)], 7)
    assert three == summed_bits([Summand(0, 6)] * 2, 7)


def test_one_operand_is_nothing():
    made = summed_bits([Summand(0, 6)], 6)
    assert (made.adder, made.passing, made.full, made.half, made.chains) == (0, 0, 0, 0, 0)


def test_overflow_is_told_from_widths_alone():
    assert not may_overflow([Summand(0, 6), Summand(0, 6)], 7)
    assert may_overflow([Summand(0, 6), Summand(0, 6)], 6)
    # A sign is needed beside a signed operand, and nothing unsigned is taken off.
    assert may_overflow([Summand(0, 6, signed=True), Summand(0, 6)], 7)
    assert may_overflow([Summand(0, 6), Summand(0, 2, negative=True)], 9)


def test_registers_part_sums():
    terms = [Term(Range(0, 63))] * 6
    costs = {levels: tree_costs(terms, levels) for levels in (0, 1, 2)}
    assert costs[1].compressor_bits == 0
    assert costs[1].adders == 5
    assert costs[0].compressor_bits > costs[2].compressor_bits > 0
    assert costs[0].adders == 1
    assert costs[0].register_bits == 0
    # As wide as the tree's own registers: three sums of two, then two of those.
    assert costs[1].register_bits == 3 * 7 + 8 + 7


def test_narrow_sums_stay_by_themselves():
    # 40 + 40 fits in 7 bits and three times that in 8, which widths tell as well ...
    wide = tree_costs([Term(Range(0, 40))] * 4, 0)
    assert wide.adders == 1
    # ... but that 33 + 20 is less than 64 they do not, so 6 bits of it are a sum of their own.
    narrow = tree_costs([Term(Range(0, 33)), Term(Range(0, 20)), Term(Range(0, 90))], 0)
    assert (narrow.adders, narrow.compressor_bits) == (2, 0)


def test_the_tree_that_is_counted_is_the_one_that_is_built():
    terms = [
        Term(Range(-5, 7)),
        Term(Range(0, 7)),
        Term(Range(-3, 3), 1),
        Term(Range(0, 9), 0, True),
    ]
    assert AdderTree(terms, levels=0).range == Range(-20, 20)
    costs = tree_costs(terms, 0)
    # i1 - i3 is unsigned inside and a signed operand outside: it is a chain of its own.
    assert costs.adders == 2


def test_the_same_sum_of_the_same_value_is_made_once():
    # 5 x + 80 x: the second sum is the first with zeros below.
    terms = [Term(Range(0, 63), shift, source=1) for shift in (0, 2, 4, 6)]
    apart = [Term(Range(0, 63), shift, source=shift) for shift in (0, 2, 4, 6)]
    once, twice = (tree_costs(each, 1) for each in (terms, apart))
    assert (once.adders, twice.adders) == (2, 3)
    assert once.register_bits == 9
    assert twice.register_bits == 18


def test_bits_that_nobody_reads_are_not_added():
    terms = [Term(Range(0, 63))] * 4
    assert tree_costs(terms, 1, 6).adder_bits == 3 * 6
    assert tree_costs(terms, 1).adder_bits == 6 + 6 + 7


def test_a_sum_of_as_many_bits_as_the_next_is_joined_with_it_whatever_its_sign():
    # -6..16 and 6..42 add up to 0..58: six bits in both, one of them with a sign.
    terms = [Term(Range(-7, 5)), Term(Range(1, 11)), Term(Range(0, 8), 1), Term(Range(6, 26))]
    assert tree_costs(terms, 2, 6).adders == 1
    # 0..13 beside what has a sign is extended by a zero, and -30..20 is narrower than widths tell.
    apart = [Term(Range(0, 7)), Term(Range(0, 6)), Term(Range(-30, -20)), Term(Range(0, 40))]
    assert tree_costs(apart, 2).adders == 3


def test_a_chain_has_all_places_of_a_sum_of_several_operands():
    two = summed_bits([Summand(2, 4), Summand(0, 6)], 7)
    assert (two.places, two.adder, two.passing) == (5, 4, 1)
    three = summed_bits([Summand(1, 4), Summand(1, 4), Summand(1, 4)], 7)
    # The two lowest places are a zero and the sum of a full adder.
    assert (three.places, three.adder + three.passing) == (7, 5)


def test_places_without_a_sum_are_silent():
    # 6 bits and 4: the seventh place is the carry alone.
    assert summed_bits([Summand(0, 6), Summand(0, 4)], 7).silent == 1
    assert summed_bits([Summand(0, 6), Summand(0, 4)], 7, unread=2).silent == 3
    # With a sign it is a sum.
    assert summed_bits([Summand(0, 6, signed=True), Summand(0, 4)], 7).silent == 0
    rounded = tree_costs([Term(Range(0, 63)), Term(Range(0, 15))], 2, unread=2)
    assert [chain.silent for chain in rounded.chains] == [3]
