"""Costs of a Program, counted by hand; and every kind has some."""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    CodebookLayer,
    EdgeTableLayer,
    InputConversion,
    InputEncoder,
    Program,
    Requantizer,
    join_heads,
)
from kanhw.program.costs import LAYER_COSTS, NetworkCosts, costs_by_layer, costs_of
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.reports.layer_facts import program_facts

MULTIPLY, ADD, READ = 0.2 / 64, 0.03 / 8, 10 / 64


def program_of(layer, n_in):
    return Program((layer,), InputEncoder(CodeFormat(2, False), n_in))


def test_edge_tables_by_hand():
    tables = np.zeros((1, 3, 4), np.int64)
    tables[0, 0] = [0, 1, 2, -3]
    tables[0, 2] = [1, 1, 0, 0]
    layer = EdgeTableLayer(tables, (Requantizer(np.ones((1, 1)).astype(int), np.array([0])),))
    costs = costs_of(program_of(layer, 3))
    # Two edges of 4 entries of 3 bits; the sum of two has 4 bits. The absent edge has block RAM.
    assert costs == NetworkCosts(
        parameter_bits=24,
        memory_bits=36,
        additions=2,
        look_ups=2,
        unrolled_luts=2 * (3 + 4),
        operation_energy_45nm_pj=pytest.approx(2 * 4 * ADD + 2 * 3 * READ),
    )


def test_a_conversion_by_hand():
    layer = EdgeTableLayer(np.ones((1, 2, 4), int), (Requantizer([[1]], [0]),))
    plain = program_of(layer, 2)
    conversion = InputConversion(plain.input, [3, -5], [7, 0], 2)
    program = replace(plain, input=InputEncoder(CodeFormat(4, False), 2), conversion=conversion)
    # Codes of 4 bits times multipliers of 4 bits (3 and -5); biases of 3 bits; sums of -75 to 52.
    energy = 32 * MULTIPLY + 2 * 8 * ADD + 14 * READ
    energy += costs_of(plain).operation_energy_45nm_pj
    assert costs_of(program) == replace(costs_of(plain) + NetworkCosts(
        parameter_bits=2 * 4 + 2 * 3,
        memory_bits=2 * 4 + 2 * 3,
        multiplications=2,
        bit_operations=2 * 4 * 4,
        additions=2,
        unrolled_luts=2 * 2 * 4 + 2 * 2 * 2,
    ), operation_energy_45nm_pj=pytest.approx(energy))  # fmt: skip
    assert costs_by_layer(program) == costs_by_layer(plain)


def test_basis_tables_by_hand():
    layer = BasisTableLayer(
        basis=np.array([[[0, 3], [1, 2], [2, 1], [3, 0]]]),
        basis_index=np.array([0, 0]),
        coefficients=np.array([[[1, -2], [0, 3]]]),
        base=np.array([[[-1], [0], [1], [1]]]),
        base_index=np.array([0, 0]),
        base_weights=np.array([[[1], [0]]]),
        requantizers=(Requantizer(np.array([[3], [1]]), np.array([5])),),
    )
    costs = costs_of(program_of(layer, 2))
    # Basis 8 entries of 2 bits, 4 coefficients of 3, base 4 of 2, 2 base weights of 1, one
    # multiplier of 2 bits (the other is 1), a bias of 3.
    assert costs.parameter_bits == costs.memory_bits == 16 + 12 + 8 + 2 + 2 + 3
    # 3 coefficients that are not 0 times 2 bits; 1 base weight times 2 bits; the multiplier times
    # the spline branch's accumulator, 3 + 2 bits and 2 for three terms.
    assert costs.multiplications == 5
    assert costs.bit_operations == 3 * 3 * 2 + 1 * 2 + 2 * 7
    # Into two accumulators, one into the other, the bias.
    assert costs.additions == 3 + 1 + 1 + 1
    assert costs.look_ups == 2 * 2 + 2
    read = 3 * 3 + 1 * 1 + 4 * 2 + 2 * 2 + 2 + 3
    added = 3 * 7 + 3 + 9 + 9
    energy = costs.bit_operations * MULTIPLY + added * ADD + read * READ
    assert costs.operation_energy_45nm_pj == pytest.approx(energy)
    # Tables of both inputs, then adders: 1, -2 and 3 = 4 - 1 have 1, 1 and 2 signed digits.
    tables, products, base = 4 * 2 + 2 * 2, (1 + 1 + 2) * (3 + 2), 1 * (1 + 2)
    assert costs.unrolled_luts == tables + products + base + 2 * 7 + 9


def test_codebooks_by_hand():
    none = np.zeros((2, 2, 1), np.int64)
    layer = CodebookLayer(
        shapes=np.array([[0, 1, 2, 7], [4, 3, 2, 1]]),
        index=np.array([[0, 1], [1, 0]]),
        gains=np.array([[1, -1], [2, 0]]),
        base=np.zeros((1, 4, 1), np.int64),
        base_index=np.array([0, 0]),
        base_weights=none,
        requantizers=(Requantizer(np.ones((2, 2)).astype(int), np.array([0, 0])),),
    )
    program = program_of(layer, 2)
    costs = costs_of(program)
    # 8 entries of 3 bits; for 3 edges an index of 1 bit and a gain of 3.
    assert costs.parameter_bits == 24 + 3 * 1 + 3 * 3 == program_facts(program)[0].parameter_bits
    assert costs.memory_bits == 24 + 4 * 1 + 4 * 3
    assert costs.bit_operations == 3 * 3 * 3
    assert costs.look_ups == costs.multiplications == 3


def test_codebooks_with_offsets_have_those_too():
    rng = np.random.default_rng(0)
    layer = CodebookLayer(
        shapes=rng.integers(-7, 8, (3, 4)),
        index=rng.integers(0, 3, (2, 2)),
        gains=np.array([[1, -1], [2, 1]]),
        base=np.array([[[-1], [0], [1], [1]]]),
        base_index=np.array([0, 0]),
        base_weights=np.array([[[1], [1]], [[-1], [0]]]),
        biases=np.array([[1, 0], [2, 0]]),
        offsets=np.array([[3, 3, 3, 1]]),
        offsets_index=np.array([0, 0]),
        requantizers=(Requantizer(np.ones((2, 2)).astype(int), np.array([0, 0])),),
    )
    program = program_of(layer, 2)
    costs = costs_of(program)
    assert costs.parameter_bits == program_facts(program)[0].parameter_bits
    # Gains times shapes, biases times offsets, base weights times the base activation.
    assert costs.multiplications == 4 + 2 + 3
    assert costs.bit_operations == 4 * 3 * 4 + 2 * 2 * 2 + 3 * 2 * 2


def _head(seed, shapes):
    rng = np.random.default_rng(seed)
    return CodebookLayer(
        shapes=shapes,
        index=rng.integers(0, 2, (3, 4)),
        gains=rng.integers(-3, 4, (3, 4)),
        base=rng.integers(-3, 4, (1, 4, 1)),
        base_index=np.zeros(4, int),
        base_weights=rng.integers(-3, 4, (3, 4, 1)),
        requantizers=(Requantizer(rng.integers(1, 9, (2, 3)), rng.integers(-9, 9, 3)),),
    )


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_heads_are_stored_and_their_shapes_once(heads, writable):
    shapes = np.random.default_rng(9).integers(-7, 8, (2, 4))
    program = join_heads(
        [program_of(_head(seed, shapes), 4) for seed in range(heads)], writable=writable
    )
    costs = costs_of(program)
    alone = [costs_of(program.head(number)) for number in range(heads)]
    shared = (heads - 1) * 2 * 4 * 4
    for field in ("parameter_bits", "memory_bits"):
        assert getattr(costs, field) == sum(getattr(own, field) for own in alone) - shared
    for field in ("multiplications", "bit_operations", "operation_energy_45nm_pj"):
        assert getattr(costs, field) == max(getattr(own, field) for own in alone) > 0
    assert costs.unrolled_luts == sum(own.unrolled_luts for own in alone)


def test_every_kind_has_a_record():
    assert set(LAYER_COSTS) == {*LAYER_KINDS, "convolution"}


def test_a_kind_without_a_record_is_refused():
    class Own(EdgeTableLayer):
        kind = "own"

    join = Requantizer(np.ones((1, 1), int), np.zeros(1, int))
    program = program_of(Own(np.arange(4).reshape(1, 1, 4), (join,)), 1)
    with pytest.raises(InputError, match=r"\AThere are no costs of layers of kind 'own': add a"):
        costs_by_layer(program)
