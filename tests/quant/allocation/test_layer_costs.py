"""Costs of layers: the same before and after quantizing, and as the reports count bits."""

import pytest

import kanhw.quant
from kanhw.program.costs import NetworkCosts, costs_by_layer
from kanhw.quant import QuantConfig, costs_of, lower, quantize_model
from kanhw.quant.allocation.layer_costs import LayerCosts, layer_costs
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.planning.steps import SumStep
from kanhw.reports.layer_facts import program_facts


@pytest.mark.some(7)
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
        method="uniform",
    )
    program = lower(quantize_model(model, x, config))
    layers, plan = costs_by_layer(program), make_plan(model, x, config)
    facts = program_facts(program)
    assert [own.parameter_bits for own in layers] == [own.parameter_bits for own in facts]
    assert sum(layers, start=NetworkCosts()) == costs_of(program)
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
    fields = ("parameter_bits", "memory_bits", "bit_operations", "unrolled_luts")
    for field in (*fields, "operation_energy_45nm_pj"):
        assert getattr(few, field) < getattr(many, field)
    assert few.memory_bits >= few.parameter_bits


def test_the_other_budget_has_another_name():
    assert not hasattr(kanhw.quant, "Budget")
    with pytest.raises(AttributeError, match=r"kanhw\.quant\.BitBudget"):
        kanhw.quant.__getattr__("Budget")
