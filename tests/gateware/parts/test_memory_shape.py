"""Small memories are counted by what is in them."""

import numpy as np

from kanhw.estimation.resource_model import resources_of
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape, delay_costs, products_of
from kanhw.gateware.parts.parameter_memory import memory_shape
from kanhw.gateware.parts.signals import Range


def _resources(*memories, target="xcup"):
    return resources_of(HardwareCosts(memories=memories), target)


def test_nothing_in_it_costs_nothing():
    empty = memory_shape([0] * 40, 6)
    assert (_resources(empty).lut, _resources(empty).ff) == (0, 0)
    unknown = MemoryShape(40, 6)
    assert _resources(unknown).lut > 3
    assert _resources(unknown).ff == 6


def test_equal_bits_are_one():
    words = np.random.default_rng(0).integers(0, 2, 32)
    shape = memory_shape([int(word) * 0b1111 for word in words], 4)
    assert shape.content is not None
    assert shape.content.varying == 1
    # Another memory with the same address has nothing of its own.
    others = set()
    first, second = (memory_shape(words.tolist(), 1, others=others) for _ in range(2))
    assert (first.content.varying, second.content.varying) == (1, 0)


def test_both_ports_read_a_table_of_their_own():
    words = np.random.default_rng(1).integers(0, 16, 64).tolist()
    one, two = (_resources(memory_shape(words, 4, ports=ports)) for ports in (1, 2))
    assert two.ff == 2 * one.ff == 8
    assert two.lut > 1.5 * one.lut


def test_large_ones_are_block_ram_whatever_is_in_them():
    shape = memory_shape([0] * 1024, 8)
    assert shape.content is None
    assert _resources(shape).bram == 1


def test_the_same_factor_in_all_words_is_a_constant():
    factors = np.array([[5, 0, 3], [5, 0, 7]])
    made = products_of(factors, Range(0, 7), Range(0, 15))
    # 5 has two bits that are 1, 0 has none; of 3 and 7 a single bit is not always the same.
    rows = [product.rows for product in made]
    assert [(each.places, each.gates) for each in rows] == [((0, 2), 0), ((), 0), ((0, 1, 2), 4)]
    assert {(product.wide, product.narrow) for product in made} == {(5, 4)}


def test_registers_in_a_row_are_shift_registers_where_there_are_any():
    costs = delay_costs(5, 8)
    xilinx, lattice = (resources_of(costs, target) for target in ("xcup", "ecp5"))
    assert (xilinx.lut, xilinx.ff) == (8, 0)
    assert (lattice.lut, lattice.ff) == (0, 40)
    assert resources_of(delay_costs(2, 8), "xcup").ff == 16
    assert resources_of(delay_costs(40, 8), "xcup").lut == 16


def test_a_block_without_old_words_delays_what_is_written():
    shape = MemoryShape(16, 6, written=True)
    found = _resources(shape, target="ice40")
    assert (found.bram, found.ff) == (1, 2 * 6 + 4 + 1)
    assert found.lut >= 3
    # Small ones are LUTs there, which give it.
    assert _resources(shape, target="ecp5").ff == 6


def test_flip_flops_are_taken_where_blocks_cost_more():
    # A block has 16 bits a word: the second one is worth it from 128 bits on.
    small, large = (
        _resources(MemoryShape(words, 20, written=True), target="ice40") for words in (4, 8)
    )
    assert (small.bram, small.ff) == (0, 100)
    assert large.bram == 2
