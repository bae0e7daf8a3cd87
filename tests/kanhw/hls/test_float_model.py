"""The model of the float32 baseline."""

from dataclasses import replace

import pytest
from reported_kinds import NETWORKS

from kanhw.errors import InputError
from kanhw.hls import model_of_float
from kanhw.hls.costs.operators import FLOAT32
from kanhw.hls.model.energy import inference_energy
from kanhw.hls.model.floating import float_function
from kanhw.model.activation import Activation


@pytest.mark.parametrize("name", ["fast_kan", "kagn", "images"])
def test_every_part_is_modelled(name):
    model, _ = NETWORKS[name]()
    report = model_of_float(model)
    assert report.kind == "model" and report.interval_max == report.latency_max + 1
    # At least a clock for each product of a coefficient that a layer has.
    layers = [layer for layer in model.layers if hasattr(layer, "coefficients")]
    assert report.latency_max > sum(layer.coefficients.size // 2 for layer in layers)
    assert report.dsp >= 3 * len(layers)
    energy = inference_energy(float_function(model), report.interval_max)
    assert None not in energy.values() and energy["operators"].low > 0


def test_operators_of_a_layer():
    model, _ = NETWORKS["fast_kan"]()
    layer = float_function(model).body[1]
    found = {own.name: count for own, count in layer.instances().items()}
    count = model.layers[0].basis.count
    terms = count + 1
    # A memory of two ports gives two coefficients a clock.
    interval = -(-count // 2)
    assert found["multiply"] == -(-terms // interval)
    assert found["exponential"] == 1 and "root" not in found
    norm = next(part for part in layer.functions() if part.name == "norm")
    assert norm.instances()[FLOAT32["root"]] == 1


def test_what_has_no_float32_c_is_refused():
    model, _ = NETWORKS["fast_kan"]()
    other = replace(model.layers[0], base_activation=Activation("gelu"))
    with pytest.raises(InputError, match="of the activation gelu, only of silu"):
        model_of_float(replace(model, layers=(other, *model.layers[1:])))
