"""Products in LUTs, held against what Yosys 0.70 made of them by themselves."""

import pytest

from kanhw.estimation.resource_model import resources_of
from kanhw.gateware.parts.costs import HardwareCosts, product_of
from kanhw.gateware.parts.signals import Range
from kanhw.targets.multipliers import MultiplierBlocks, Product


def _range(width, signed):
    return Range(-(1 << width - 1), (1 << width - 1) - 1) if signed else Range(0, (1 << width) - 1)


# SB_LUT4 of a product between registers (synth_ice40).
@pytest.mark.parametrize(
    ("widths", "signs", "lut"),
    [
        ((4, 3), (False, False), 18),
        ((5, 4), (True, True), 46),
        ((6, 6), (False, False), 79),
        ((8, 4), (True, True), 76),
        ((8, 8), (True, True), 176),
        ((10, 3), (False, True), 58),
        ((10, 2), (True, True), 30),
    ],
)
def test_products_are_near_what_synthesis_made(widths, signs, lut):
    product = product_of(*(_range(*each) for each in zip(widths, signs, strict=True)))
    assert 2.5 * product.partial_bits == pytest.approx(lut, rel=0.3)


def test_a_sign_that_is_always_0_is_no_logic():
    assert Product(5, 4, 7, (False, False)).partial_bits == 2 * 4
    assert Product(5, 4, 7).partial_bits == 4 * 5


def test_a_constant_has_a_row_for_every_1():
    assert product_of(Range(10, 10), Range(0, 15)).partial_bits == 4
    assert product_of(Range(8, 8), Range(0, 15)).partial_bits == 0


def test_a_square_is_a_table_of_one_factor():
    square = Product(6, 6, 7, square=True)
    assert square.address_bits == 6
    assert Product(6, 6, 7).address_bits == 12
    assert square.partial_bits == Product(6, 6, 7).partial_bits // 2


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
