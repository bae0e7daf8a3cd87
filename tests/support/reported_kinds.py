"""Networks of every library, quantized, to report on."""

import functools
from dataclasses import replace
from itertools import pairwise

import numpy as np

import kanhw
from kanhw.design.design import Design, Port
from kanhw.formats import CodeFormat
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
from kanhw.program import (
    save_program,
)
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

SILU = Activation("silu")
S4, S6, U3 = CodeFormat(4, signed=True), CodeFormat(6, signed=True), CodeFormat(3, signed=False)


def kan_layer(rng, basis, n_out, name, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        extra.pop("activation", SILU),
        rng.normal(size=n_out),
        name,
        **extra,
    )


def norm(rng, n):
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def b_splines(n_in, order=3):
    return BSplineBasis(np.tile(np.linspace(-3, 3, 6 + 2 * order), (n_in, 1)), order)


def fast_kan():
    rng = np.random.default_rng(1)
    layers = [
        kan_layer(
            rng, RadialBasis(np.linspace(-2, 2, 5), 1.0, a), b, f"layers.{k}",
            spline_norm=norm(rng, a),
        )
        for k, (a, b) in enumerate(pairwise((4, 6, 3)))
    ]  # fmt: skip
    return KanModel(tuple(layers)), rng.normal(size=(60, 4))


def kagn():
    rng = np.random.default_rng(2)
    beta = rng.normal(size=4) * 0.05
    layers = [
        kan_layer(
            rng, GramBasis(beta, a, SILU, constant=False), b, f"layers.{k}",
            post=(norm(rng, b), SILU),
        )
        for k, (a, b) in enumerate(pairwise((4, 5, 3)))
    ]  # fmt: skip
    return KanModel(tuple(layers)), rng.normal(size=(60, 4))


def images():
    rng = np.random.default_rng(3)
    beta = rng.normal(size=4) * 0.05

    def conv(window, channels, name):
        basis = GramBasis(beta, window.taps, SILU, constant=True)
        return ConvLayer(kan_layer(rng, basis, channels, name, post=(SILU,)), window)

    layers = (
        conv(Window((2, 5, 4), (3, 3), padding=(1, 1)), 3, "0"),
        conv(Window((3, 5, 4), (2, 3), stride=(2, 1), padding=(0, 1)), 2, "1"),
        PoolLayer("average", Window((2, 2, 4), (2, 2), stride=(1, 2)), "2"),
        kan_layer(rng, NoBasis(4), 3, "4", activation=Activation("identity")),
    )
    return KanModel(layers, shape=(2, 5, 4)), rng.normal(size=(40, 2, 5, 4))


def py_kan():
    rng = np.random.default_rng(4)
    symbolic = (
        SymbolicEdge(1, 0, "sin", 2.0, 0.5, 1.5, 0.1),
        SymbolicEdge(1, 0, "x^2", 1, 0, 1, 0),
    )
    layers = (
        kan_layer(
            rng, b_splines(2), 4, "act_fun.0", symbolic=symbolic,
            post=(Products(2, (2,), np.array([1.0, -0.5, 2.0]), np.array([0.0, 0.1, 0.2])),),
        ),
        kan_layer(rng, b_splines(3), 2, "act_fun.1"),
    )  # fmt: skip
    return KanModel(layers), rng.uniform(-2, 2, size=(60, 2))


NETWORKS = {"fast_kan": fast_kan, "kagn": kagn, "images": images, "py_kan": py_kan}
NO_EDGES = ("layer_norm", "product", "pooling")
LIBRARIES = (
    "efficient_kan_digits",
    "fast_kan_digits",
    "kagn_digits",
    "kagn_conv_digits",
    "pykan_wine",
    "pykan_formula",
)


@functools.cache
def quantized(network, **options):
    model, x = NETWORKS[network]()
    return model, x, kanhw.quantize(model, x, **options)


def dequantized(model, x, **options):
    """The model with the weights that its quantization rounded it to, and the Program."""
    quant = quantize_model(model, x, QuantConfig(**options))
    weights = {
        layer.name: (layer.spline.dequantize(), layer.base.dequantize())
        for layer in quant.layers
        if hasattr(layer, "spline")
    }

    def rounded(layer):
        if isinstance(layer, PoolLayer):
            return layer
        if isinstance(layer, ConvLayer):
            return replace(layer, taps=rounded(layer.taps))
        spline, base = weights[layer.name]
        return replace(layer, coefficients=spline, base_weights=base)

    layers = tuple(rounded(layer) for layer in model.layers)
    return KanModel(layers, model.source, model.shape), lower(quant)


def traces_of(curves):
    return [(plot, trace) for plot in curves.plots for trace in plot.traces]


def design_of(program, folder):
    save_program(program, folder / "program.safetensors")
    return Design(
        path=folder,
        top="kan",
        verilog="kan.v",
        program_file="program.safetensors",
        schedule=Schedule(),
        latency_cycles=40,
        initiation_interval=25,
        input=Port.input_of(program),
        output=Port.output_of(program),
    )
