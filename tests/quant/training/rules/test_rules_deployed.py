"""Every rule on every kind of layer: trained a little, frozen, and equal to the Program."""

import numpy as np
import pytest
import torch

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
from kanhw.quant import QuantConfig, lower
from kanhw.quant.training import convert, parameter_groups, prepare
from kanhw.windows import Window

RULES = ["lsq", "lsq+", "pact", "qil", "dorefa", "dsq"]
SILU = Activation("silu")


@pytest.fixture(autouse=True, scope="module")
def float64():
    """What is trained and what is deployed then round alike, but for snapped scale ratios."""
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(kind)
    torch.set_num_threads(threads)


def layer(rng, basis, n_out, name, activation=SILU, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)) / 2,
        rng.normal(size=(n_out, basis.n_in)),
        activation,
        rng.normal(size=n_out),
        name,
        **extra,
    )


def norm(rng, n):
    return LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n))


def splines(n_in, width):
    return BSplineBasis(np.tile(np.linspace(-width, width, 8), (n_in, 1)), 2)


def b_splines(rng):
    first = layer(rng, splines(3, 3.0), 4, "0")
    kept = rng.random((4, 3)) < 0.7
    pruned = KanLayer(
        first.basis,
        first.coefficients * kept[:, :, None],
        first.base_weights * kept,
        SILU,
        first.bias,
        "0",
    )
    return KanModel((pruned, layer(rng, splines(4, 6.0), 2, "1")))


def radial(rng):
    def one(n_in, n_out, name):
        basis = RadialBasis(np.linspace(-2, 2, 4), 1.0, n_in)
        return layer(rng, basis, n_out, name, spline_norm=norm(rng, n_in))

    return KanModel((one(3, 4, "0"), one(4, 2, "1")))


def polynomials(rng):
    basis = GramBasis(rng.normal(size=3) * 0.05, 3, SILU, constant=False)
    head = layer(rng, NoBasis(4), 2, "1", activation=Activation("identity"))
    return KanModel((layer(rng, basis, 4, "0", post=(norm(rng, 4), SILU)), head))


def images(rng):
    window = Window((1, 3, 3), (2, 2))
    basis = GramBasis(rng.normal(size=3) * 0.05, window.taps, SILU, constant=True)
    pool = PoolLayer("average", Window((2, 2, 2), (2, 2)))
    head = layer(rng, NoBasis(2), 2, "head", activation=Activation("identity"))
    taps = ConvLayer(layer(rng, basis, 2, "0", post=(SILU,)), window)
    return KanModel((taps, pool, head), shape=(1, 3, 3))


def products(rng):
    nodes = Products(1, (2,), rng.normal(size=2) / 2, rng.normal(size=2))
    symbolic = (SymbolicEdge(0, 1, "sin", 1.5, 0.2, 0.7, 0.1),)
    return KanModel(
        (
            layer(rng, splines(3, 3.0), 3, "0", symbolic=symbolic, post=(nodes,)),
            layer(rng, splines(2, 3.0), 2, "1"),
        )
    )


VARIANTS = {f.__name__: f for f in (b_splines, radial, polynomials, images, products)}


def assert_every_code_is_equal(quantized, program, x):
    codes = program.input.encode(x)
    history = quantized.activations(x)
    np.testing.assert_array_equal(history[0][0], codes)
    compared = 0
    for mine, theirs in zip(history[1:], program.activations(codes), strict=True):
        for ours, integers in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(ours, integers)
            compared += integers.size
    assert compared > 0


def trained(model, x, config, seed):
    """A network after three steps towards other targets than the model's own."""
    network = prepare(model, x, config)
    optimiser = torch.optim.Adam(parameter_groups(network, 0.02))
    inputs = torch.tensor(x.reshape(-1, *model.input_shape))
    targets = torch.tensor(np.random.default_rng(seed).normal(size=(len(x), model.n_out)))
    for step in range(3):
        network.anneal(step / 3)
        optimiser.zero_grad()
        (network(inputs) - targets).square().mean().backward()
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), name
        optimiser.step()
    return network.eval(), inputs


@pytest.mark.some(40)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("bits", [2, 8])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule(rule, variant, bits, realisation):
    seed = RULES.index(rule) + 10 * bits
    rng = np.random.default_rng(seed)
    model = VARIANTS[variant](rng)
    x = rng.normal(size=(60, model.n_in))
    config = QuantConfig(
        quantizer=rule,
        base_bits=bits,
        spline_bits=bits,
        activation_bits=bits,
        realisation=realisation,
        weight_granularity="tensor" if bits == 4 else "channel",
        activation_granularity="channel" if bits == 4 else "tensor",
        symmetric_activations=bits == 2 and variant == "b_splines",
        activation_calibration="max_abs",
        multiplier_bits=20,
    )
    network, inputs = trained(model, x, config, seed)
    quantized = convert(network)
    assert_every_code_is_equal(quantized, lower(quantized), np.concatenate([x, 5 * x]))

    with torch.no_grad():
        ours = network(inputs).numpy()
    deployed = quantized(x)
    error = np.abs(ours - deployed) / np.abs(deployed).max()
    # Snapped scale ratios, and the 10 bits of a norm's root, move some sums to the next code.
    assert np.median(error) < 1e-3
    assert (error.max(axis=1) > 0.05).mean() < 0.1


@pytest.mark.some(4)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("rule", RULES)
def test_single_bits(rule, realisation):
    rng = np.random.default_rng(0)
    model = b_splines(rng)
    x = rng.normal(size=(60, 3))
    config = QuantConfig(
        quantizer=rule,
        base_bits=1,
        spline_bits=1,
        activation_bits=1,
        input_bits=3,
        realisation=realisation,
        multiplier_bits=20,
    )
    network, _ = trained(model, x, config, 0)
    quantized = convert(network)
    assert_every_code_is_equal(quantized, lower(quantized), x)
    first = quantized.layers[0]
    kept = model.layers[0].base_weights != 0
    np.testing.assert_array_equal(np.abs(first.base.codes), kept)
