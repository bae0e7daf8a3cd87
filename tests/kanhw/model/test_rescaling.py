"""Affine maps around a network are folded exactly, whatever its layers are."""

from dataclasses import replace

import numpy as np
import pytest
from float_models import MODELS, b_splines, layer

from kanhw.errors import InputError
from kanhw.model.activation import ACTIVATIONS, Activation
from kanhw.model.network import KanModel
from kanhw.model.rescaling import with_input_map, with_output_map

RNG = np.random.default_rng(5)


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9 * max(1.0, np.abs(other).max()))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("same", [False, True])
def test_every_kind_of_layer(name, same):
    rng = np.random.default_rng(2)
    model = MODELS[name](rng)
    images = len(model.input_shape) > 1
    count = 1 if same else model.input_shape[0] if images else model.n_in
    scale, shift = rng.uniform(0.3, 3, count), rng.normal(size=count)
    x = rng.normal(size=(40, model.n_in))
    mapped = with_input_map(model, scale, shift)
    per_value = np.repeat(scale, model.n_in // count), np.repeat(shift, model.n_in // count)
    close(mapped(x), model(per_value[0] * x + per_value[1]))
    # A map of different features in front of a norm takes a layer of its own, and nothing else.
    assert len(mapped.layers) == len(model.layers) + (name == "fast_kan" and not same)
    scale, shift = rng.uniform(0.3, 3, model.n_out), rng.normal(size=model.n_out)
    behind = with_output_map(model, scale, shift)
    close(behind(x), model(x) * scale + shift)
    assert len(behind.layers) == len(model.layers) + (name == "kagn")


def test_maps_one_after_the_other():
    model = MODELS["efficient_kan"](RNG)
    x = RNG.normal(size=(30, 3))
    once = with_input_map(model, np.array([2.0, 1.0, 0.5]), np.array([0.0, 1.0, -1.0]))
    twice = with_input_map(once, np.array([3.0]), np.array([0.25]))
    close(twice(x), once(3 * x + 0.25))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_base_activation(name):
    made = layer(RNG, b_splines(3), 2, "0", activation=Activation(name))
    model = KanModel((made,))
    scale, shift = np.array([2.0, 0.5, 7.0]), np.array([1.0, 0.0, -3.0])
    x = RNG.normal(size=(30, 3))
    mapped = with_input_map(model, scale, shift)
    close(mapped(x), model(x * scale + shift))
    # Every edge of its own, as tables are made; what is constant may be in the bias.
    edges = mapped.layers[0].base_edges(x), made.base_edges(x * scale + shift)
    close(*(np.diff(each, axis=2) for each in edges))


def test_what_inputs_have_alike_is_one_function_still():
    act = Activation("silu").read_through(np.full(4, 2.0), np.full(4, 0.5))
    assert act.scale == (2.0,)
    close(act(np.ones((5, 1))), Activation("silu")(np.full((5, 1), 2.5)))
    assert hash(act) == hash(replace(act))


def test_no_module_drops_a_scale():
    """What trains has no normalisation in front of its base activation, and says so."""
    from kanhw.layers import PyKAN
    from kanhw.layers.conversion import module_of

    for name in ("efficient_kan", "fast_kan", "kagn"):
        model = KanModel(MODELS[name](RNG).layers[-1:])
        if name != "fast_kan":
            model = KanModel((replace(model.layers[0], bias=np.zeros(2)),))
        count = np.ones(1) if name == "fast_kan" else np.arange(1.0, model.n_in + 1)
        mapped = with_input_map(model, 2 * count, 0 * count)
        for make in (module_of, PyKAN.from_model):
            with pytest.raises(InputError):
                make(mapped)


def test_refusals():
    model = MODELS["efficient_kan"](RNG)
    with pytest.raises(InputError, match=r"of 2 values does not fit .*\[3\]: give 1 value, or 3"):
        with_input_map(model, np.ones(2), np.ones(2))
    act = Activation("silu").read_through(np.arange(1.0, 4.0), np.zeros(3))
    with pytest.raises(InputError, match=r"silu reads 3 inputs of a scale each, not .*\[7, 1\]"):
        act(np.zeros((7, 1)))
    with pytest.raises(InputError, match="as many scales as shifts"):
        Activation("silu", scale=(1.0,))
    image = MODELS["conv"](RNG)
    with pytest.raises(InputError, match="a value for each channel, not for each pixel"):
        with_input_map(image, np.arange(1.0, 17.0), np.zeros(16))
