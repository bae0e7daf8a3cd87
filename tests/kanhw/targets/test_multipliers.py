"""Products in LUTs, held against what Yosys 0.70 made of them by themselves."""

import numpy as np
import pytest

from kanhw.estimation.resource_model import resources_of
from kanhw.gateware.parts.costs import HardwareCosts, product_of, products_of
from kanhw.gateware.parts.counting.carry_save import SummedBits
from kanhw.gateware.parts.counting.partial_products import product_bits
from kanhw.gateware.parts.signals import Range
from kanhw.targets.multipliers import MultiplierBlocks, Product, Rows


def _range(width, signed):
    return Range(-(1 << width - 1), (1 << width - 1) - 1) if signed else Range(0, (1 << width) - 1)


def _lut4(product):
    gates, sums = product_bits(product)
    made = [(s.adder + s.passing, 2 * s.full + s.half) for s in sums]
    return gates + sum(chain + 0.9 * full for chain, full in made)


# SB_LUT4 of a product, and of what is added to it, between registers (synth_ice40).
@pytest.mark.parametrize(
    ("widths", "signs", "added", "lut"),
    [
        ((4, 3), (False, False), None, 18),
        ((5, 4), (True, True), None, 46),
        ((6, 6), (False, False), None, 79),
        ((8, 4), (True, True), None, 76),
        ((8, 8), (True, True), None, 176),
        ((10, 3), (False, True), None, 58),
        ((12, 8), (True, False), None, 247),
        ((12, 8), (True, True), 6, 293),
        ((7, 7), (True, False), 13, 133),
        ((4, 5), (False, False), 4, 46),
    ],
)
def test_products_are_near_what_synthesis_made(widths, signs, added, lut):
    factors = (_range(*each) for each in zip(widths, signs, strict=True))
    product = product_of(*factors, _range(added, True) if added else None)
    assert _lut4(product) == pytest.approx(lut, rel=0.25)


# Carry chains of a product and of what is added to it: SB_CARRY told whether there are two.
@pytest.mark.parametrize(
    ("widths", "signs", "added", "chains"),
    [
        ((12, 8), (True, True), 6, 1),
        ((4, 7), (True, True), 9, 1),
        ((10, 7), (True, False), 15, 2),
        ((4, 5), (False, False), 4, 2),
    ],
)
def test_what_is_added_is_a_row_where_the_product_fits(widths, signs, added, chains):
    factors = (_range(*each) for each in zip(widths, signs, strict=True))
    product = product_of(*factors, _range(added, True))
    assert len(product_bits(product)[1]) == chains


def test_a_sign_that_is_always_0_is_no_logic():
    assert Product(5, 4, 7, (False, False)).rows == Rows(4, False, (0, 1, 2), False, 12)
    assert Product(5, 4, 7).rows == Rows(5, True, (0, 1, 2, 3), True, 20)


def test_a_constant_has_a_row_for_every_1():
    assert product_of(Range(10, 10), Range(0, 15)).rows.places == (1, 3)
    assert product_of(Range(8, 8), Range(0, 15)).rows.places == (3,)
    assert product_of(Range(10, 10), Range(0, 15)).constant
    assert product_bits(product_of(Range(8, 8), Range(0, 15))) == (0, (SummedBits(),))


def test_bits_that_are_alike_in_all_factors_are_one_gate():
    # 0110 and 1010: one place is always 0, one always 1, two are told from each other.
    (product,) = products_of(np.array([[6], [10]]), Range(0, 15), Range(0, 255))
    assert product.rows == Rows(8, False, (1, 2, 3), False, 2 * 8)
    # 0011 and 1100 are two things, of which every one is two bits.
    (pairs,) = products_of(np.array([[3], [12]]), Range(0, 15), Range(0, 255))
    assert pairs.rows.gates == 2 * 8


def test_a_square_is_a_table_of_one_factor():
    square = Product(6, 6, 7, square=True)
    assert square.address_bits == 6
    assert Product(6, 6, 7).address_bits == 12
    (gates, _), (every, _) = product_bits(square), product_bits(Product(6, 6, 7))
    assert gates == every // 2


def test_blocks_are_taken_for_constants_too():
    blocks = MultiplierBlocks(wide=18, narrow=18)
    assert blocks.blocks(product_of(Range(5, 5), Range(0, 15))) == 1


def test_a_block_may_have_the_register_behind_it():
    costs = HardwareCosts(products=(product_of(Range(0, 255), Range(0, 255)),), register_bits=16)
    found = {target: resources_of(costs, target) for target in ("xcup", "xc7")}
    assert {target: (own.dsp, own.ff) for target, own in found.items()} == {
        "xcup": (1, 16),
        "xc7": (1, 0),
    }
