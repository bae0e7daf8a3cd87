"""Small float models of every library, with random weights, for tests."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.quant.integers.weights import nearest_weights
from kanhw.quant.methods import METHODS
from kanhw.quant.methods.problem import walk_layers
from kanhw.quant.methods.scaling import LayerTask
from kanhw.quant.planning.plan import make_plan
from kanhw.quant.realise import RoundedLayer, realise
from kanhw.windows import Window

SILU = Activation("silu")
REALISATIONS = ["edge_table", "basis_table"]
ALL = [*METHODS, "zeroq"]


def layer(rng, basis, n_out, name, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        extra.pop("activation", SILU),
        extra.pop("bias", rng.normal(size=n_out)),
        name,
        **extra,
    )


def norm(rng, n):
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def b_splines(n_in, cells=4, order=3):
    knots = (np.arange(cells + 2 * order + 1) - order) * 4 / cells - 2
    return BSplineBasis(np.tile(knots, (n_in, 1)), order)


def chain(widths, make):
    return KanModel(tuple(make(k, *sizes) for k, sizes in enumerate(pairwise(widths))))


def efficient_kan(rng):
    return chain((3, 4, 2), lambda k, i, o: layer(rng, b_splines(i), o, f"layers.{k}"))


def no_base_weights(rng):
    def make(k, n_in, n_out):
        made = layer(rng, b_splines(n_in), n_out, f"layers.{k}")
        return replace(made, base_weights=np.zeros((n_out, n_in)))

    return chain((3, 4, 2), make)


def fast_kan(rng):
    def make(k, n_in, n_out):
        basis = RadialBasis(np.linspace(-2, 2, 4), 1.2, n_in)
        return layer(rng, basis, n_out, f"layers.{k}", spline_norm=norm(rng, n_in))

    return chain((3, 4, 2), make)


def kagn(rng):
    beta = rng.normal(size=4) * 0.05

    def make(k, n_in, n_out):
        basis = GramBasis(beta, n_in, SILU, constant=False)
        return layer(rng, basis, n_out, f"layers.{k}", post=(norm(rng, n_out), SILU))

    return chain((3, 4, 2), make)


def conv(rng):
    first = Window((1, 4, 4), (3, 3), padding=(1, 1))
    basis = GramBasis(rng.normal(size=3) * 0.05, 9, SILU, constant=True)
    taps = layer(rng, basis, 2, "0", post=(SILU,))
    pool = PoolLayer("max", Window((2, 4, 4), (2, 2), stride=(2, 2)))
    head = layer(rng, NoBasis(8), 3, "head", activation=Activation("identity"))
    return KanModel((ConvLayer(taps, first), pool, head), shape=(1, 4, 4))


def pykan(rng):
    products = Products(2, (2,), rng.normal(size=3) / [2, 2, 4], rng.normal(size=3))
    symbolic = (
        SymbolicEdge(0, 1, "sin", 1.5, 0.2, 0.7, 0.1),
        SymbolicEdge(3, 1, "x^2", 1.0, 0.0, 1.0, 0.0),
    )
    first = layer(rng, b_splines(3), 4, "0", symbolic=symbolic, post=(products,))
    return KanModel((first, layer(rng, b_splines(3), 2, "1")))


MODELS = {
    function.__name__: function
    for function in (efficient_kan, no_base_weights, fast_kan, kagn, conv, pykan)
}


def task_of(model, data, config, index=0):
    """The task of a layer with weights, on the codes of the quantized layers before it."""
    plan = make_plan(model, data, config)
    tasks = []

    def choose(place, step, own):
        made = LayerTask(own, step, plan.consumers[place].sum_inputs(step), config)
        tasks.append(made)
        return RoundedLayer(own.branches, nearest_weights(own.branches, config))

    weighted = walk_layers(plan, model.flat(data), choose)
    return tasks[index], realise(plan, weighted)
