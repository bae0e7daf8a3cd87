"""Every kind of layer and step has a record in quantization, and a missing one is an error."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
from reported_kinds import NETWORKS

from kanhw import InputError
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.grids import GRIDS, grid_ends
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.layer import Post
from kanhw.model.network import ModelLayer
from kanhw.program.kinds.kinds import LAYER_KINDS
from kanhw.quant import QuantConfig, lower, prepare, quantize_model, sensitivity
from kanhw.quant.analysis.units import TABULATED, UNITS
from kanhw.quant.config import Realisation
from kanhw.quant.lowering import LOWERED
from kanhw.quant.methods.gradients import PULLBACKS
from kanhw.quant.methods.zeroq import DOMAINS, KNOWN, synthesize_inputs
from kanhw.quant.planning.headroom import HEADROOM
from kanhw.quant.planning.step_plans import STEP_PLANS
from kanhw.quant.planning.steps import LAYER_STEPS, POST_STEPS, STEP_KINDS
from kanhw.quant.realise import STEPS
from kanhw.quant.training.network import STAGES
from kanhw.quant.training.reconstruction import MOVABLE


def test_every_kind_of_layer_is_lowered():
    # Layers with several heads are made of Programs, not of quantized layers.
    assert set(LOWERED) == {*LAYER_KINDS, "convolution"} - {"resident"}


@pytest.mark.parametrize(
    "table", [STEP_PLANS, HEADROOM, STEPS, STAGES, MOVABLE, PULLBACKS, KNOWN, UNITS]
)
def test_every_kind_of_step_has_a_record(table):
    assert set(table) == set(STEP_KINDS)


def test_every_kind_of_layer_and_function_becomes_a_step():
    assert set(LAYER_STEPS) == set(get_args(ModelLayer))
    assert set(POST_STEPS) == set(get_args(Post))


def test_every_realisation_says_which_tables_have_bits():
    assert set(TABULATED) == set(get_args(Realisation)) - {"auto"}


BASES = {
    AffineBasis,
    BSplineBasis,
    ChebyshevBasis,
    GramBasis,
    NoBasis,
    RadialBasis,
    RepeatedKnotBasis,
}


@pytest.mark.parametrize("table", [GRIDS, DOMAINS])
def test_every_kind_of_basis_has_a_record(table):
    assert set(table) == BASES


def test_knots_that_may_repeat_have_the_grid_of_those_that_do_not():
    knots = np.arange(10.0)[None] - 3
    plain, repeated = BSplineBasis(knots, 3), RepeatedKnotBasis(knots, 3)
    np.testing.assert_array_equal(grid_ends(repeated), grid_ends(plain))
    for table in (GRIDS, DOMAINS):
        assert table[RepeatedKnotBasis] is table[BSplineBasis]


@dataclass(frozen=True, eq=False)
class OwnBasis(NoBasis):
    """A basis that no table knows."""


def test_a_basis_without_a_record_is_an_error():
    with pytest.raises(InputError, match=r"no grid of bases of kind 'OwnBasis', only of BSpline"):
        grid_ends(OwnBasis(2))


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
        (STEP_PLANS, "norm", "no plan of steps of kind 'norm'"),
        (HEADROOM, "norm", "no headroom of steps of kind 'norm'"),
        (KNOWN, "norm", "no statistics of steps of kind 'norm'"),
        (UNITS, "norm", "no units of steps of kind 'norm'"),
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
        elif table is KNOWN:
            synthesize_inputs(model, 4, iterations=1)
        elif table is UNITS:
            sensitivity(model, x, x, bits=(4,))
        elif table in (MOVABLE, HEADROOM):
            quantize_model(model, x, QuantConfig(method="brecq", iterations=1))
        else:
            lower(quantize_model(model, np.asarray(x)))
