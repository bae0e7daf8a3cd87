"""Every kind of layer and step has a record in quantization, and a missing one is an error."""

import numpy as np
import pytest
from reported_kinds import NETWORKS

from kanhw import InputError
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.quant import QuantConfig, lower, prepare, quantize_model
from kanhw.quant.lowering import LOWERED
from kanhw.quant.methods.gradients import PULLBACKS
from kanhw.quant.planning.steps import STEP_KINDS
from kanhw.quant.realise import STEPS
from kanhw.quant.training.network import STAGES
from kanhw.quant.training.reconstruction import MOVABLE


def test_every_kind_of_layer_is_lowered():
    # Layers with several heads are made of Programs, not of quantized layers.
    assert set(LOWERED) == {*LAYER_KINDS, "convolution"} - {"resident"}


@pytest.mark.parametrize("table", [STEPS, STAGES, MOVABLE, PULLBACKS])
def test_every_kind_of_step_has_a_record(table):
    assert set(table) == set(STEP_KINDS)


def test_a_layer_says_the_kind_that_it_becomes():
    model, x = NETWORKS["images"]()
    quantized = quantize_model(model, x, QuantConfig(realisation="edge_table"))
    kinds = [layer.kind for layer in quantized.layers]
    assert kinds == [layer.kind for layer in lower(quantized).layers]
    assert {"convolution", "pooling"} < set(kinds)


@pytest.mark.parametrize(
    ("table", "kind", "words"),
    [
        (LOWERED, "layer_norm", "no lowering of layers of kind 'layer_norm'"),
        (STEPS, "norm", "no integers of steps of kind 'norm'"),
        (STAGES, "norm", "no training of steps of kind 'norm'"),
        (MOVABLE, "norm", "no movable steps of kind 'norm'"),
    ],
)
def test_a_missing_kind_is_an_error(monkeypatch, table, kind, words):
    model, x = NETWORKS["fast_kan"]()
    monkeypatch.delitem(table, kind)
    with pytest.raises(InputError, match=words):
        if table is STAGES:
            prepare(model, x)
        elif table is MOVABLE:
            quantize_model(model, x, QuantConfig(method="brecq", iterations=1))
        else:
            lower(quantize_model(model, np.asarray(x)))
