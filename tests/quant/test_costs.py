"""Costs: counted by hand, the same before and after quantizing, and as the reports count bits."""

import numpy as np
import pytest

from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.quant import QuantConfig, costs_of, lower, quantize_model
from kanhw.quant.costs import Costs, LayerCosts, costs_by_layer, layer_costs
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.planning.steps import SumStep
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
    assert costs == Costs(
        parameter_bits=24,
        memory_bits=36,
        additions=2,
        look_ups=2,
        luts=2 * (3 + 4),
        energy=pytest.approx(2 * 4 * ADD + 2 * 3 * READ),
    )


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
    assert costs.energy == pytest.approx(energy)
    # Tables of both inputs, then adders: 1, -2 and 3 = 4 - 1 have 1, 1 and 2 signed digits.
    tables, products, base = 4 * 2 + 2 * 2, (1 + 1 + 2) * (3 + 2), 1 * (1 + 2)
    assert costs.luts == tables + products + base + 2 * 7 + 9


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


@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("bits", [2, 5])
def test_before_and_after_quantizing_and_in_reports(variant, realisation, bits):
    model, x = variant
    x = x[:40]
    config = QuantConfig(
        base_bits=bits,
        spline_bits=bits + 1,
        activation_bits=bits + 1,
        basis_bits=bits,
        activation_calibration="max_abs",
        weight_calibration="max_abs",
        realisation=realisation,
    )
    program = lower(quantize_model(model, x, config))
    layers, plan = costs_by_layer(program), make_plan(model, x, config)
    facts = program_facts(program)
    assert [own.parameter_bits for own in layers] == [own.parameter_bits for own in facts]
    assert sum(layers, start=Costs()) == costs_of(program)
    compared = 0
    for index, step in enumerate(plan.steps):
        if not isinstance(step, SumStep):
            continue
        last = index + 1 == len(plan.steps)
        targets = (None,) if last else plan.consumers[index + 1].wanted
        inputs = plan.consumers[index].sum_inputs(step)
        assert layer_costs(step, config, inputs, targets) == layers[index]
        many = LayerCosts(step)
        for spline in (bits + 1, 7):
            own = QuantConfig(**{**vars(config), "spline_bits": spline})
            assert many(own, inputs, targets) == layer_costs(step, own, inputs, targets)
            assert many(own, inputs, targets) == many(own, inputs, targets)
        compared += 1
    assert compared


def test_more_bits_cost_more(variant):
    model, x = variant
    names = ("base_bits", "spline_bits", "activation_bits", "basis_bits", "base_table_bits")
    few, many = (
        costs_of(
            lower(
                quantize_model(
                    model,
                    x,
                    QuantConfig(
                        realisation="basis_table",
                        activation_calibration="max_abs",
                        weight_calibration="max_abs",
                        **dict.fromkeys(names, bits),
                    ),
                )
            )
        )
        for bits in (3, 6)
    )
    for field in ("parameter_bits", "memory_bits", "bit_operations", "luts", "energy"):
        assert getattr(few, field) < getattr(many, field)
    assert few.memory_bits >= few.parameter_bits
