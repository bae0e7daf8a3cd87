"""Quantization-aware training: what is trained is what is deployed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import kanhw
from kanhw.errors import InputError, TrainingDiverged
from kanhw.layers import KAN
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
from kanhw.quant import QuantConfig, convert, lower, prepare, quantize_model, train
from kanhw.quant.training import parameter_groups
from kanhw.windows import Window

SILU = Activation("silu")


@pytest.fixture(autouse=True)
def _double_precision():
    torch.set_default_dtype(torch.float64)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)


def layer(rng, basis, n_out, name, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        extra.pop("activation", SILU),
        rng.normal(size=n_out),
        name,
        **extra,
    )


def b_splines(n_in, width=3.0):
    return BSplineBasis(np.tile(np.linspace(-width, width, 10), (n_in, 1)), 2)


def efficient_kan(rng):
    uneven = BSplineBasis(np.sort(rng.uniform(-3, 3, (4, 9)), axis=1), 2)
    return KanModel((layer(rng, uneven, 5, "0"), layer(rng, b_splines(5, 9.0), 3, "1")))


def fast_kan(rng):
    norms = [LayerNorm(rng.normal(size=n) + 1, rng.normal(size=n)) for n in (4, 5)]
    bases = [RadialBasis(np.linspace(-2, 2, 5), 1.0, n) for n in (4, 5)]
    return KanModel(
        (
            layer(rng, bases[0], 5, "0", spline_norm=norms[0]),
            layer(rng, bases[1], 3, "1", spline_norm=norms[1]),
        )
    )


def kagn(rng):
    norm = LayerNorm(rng.normal(size=5) + 1, rng.normal(size=5))
    basis = GramBasis(rng.normal(size=4) * 0.05, 4, SILU, constant=False)
    head = layer(rng, NoBasis(5), 3, "1", activation=Activation("identity"))
    return KanModel((layer(rng, basis, 5, "0", post=(norm, SILU)), head))


def conv(rng):
    window = Window((1, 4, 4), (3, 3), padding=(1, 1))
    basis = GramBasis(rng.normal(size=3) * 0.05, window.taps, SILU, constant=True)
    pool = PoolLayer("average", Window((2, 4, 4), (2, 2), stride=(2, 2)))
    head = layer(rng, NoBasis(8), 3, "head", activation=Activation("identity"))
    taps = layer(rng, basis, 2, "0", post=(SILU,))
    return KanModel((ConvLayer(taps, window), pool, head), shape=(1, 4, 4))


def pykan(rng):
    products = Products(2, (2,), rng.normal(size=3) / 3, rng.normal(size=3))
    symbolic = (SymbolicEdge(0, 1, "sin", 1.5, 0.2, 0.7, 0.1),)
    return KanModel(
        (
            layer(rng, b_splines(4), 4, "0", symbolic=symbolic, post=(products,)),
            layer(rng, b_splines(3), 2, "1"),
        )
    )


MODELS = {f.__name__: f for f in (efficient_kan, fast_kan, kagn, conv, pykan)}


@pytest.mark.some(10)
@pytest.mark.parametrize("realisation", ["edge_table", "basis_table"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("variant", MODELS)
def test_what_is_trained_is_what_is_deployed(variant, bits, realisation):
    rng = np.random.default_rng(bits)
    model = MODELS[variant](rng)
    x = rng.normal(size=(200, model.n_in))
    config = QuantConfig(
        base_bits=bits, spline_bits=bits, activation_bits=bits, realisation=realisation
    )
    network = prepare(model, x, config)
    shaped = x.reshape(-1, *model.input_shape)
    train(network, shaped, model(shaped), epochs=1, batch_size=50)
    quantized = convert(network)
    program = lower(quantized)
    codes = program.input.encode(x)
    np.testing.assert_array_equal(
        program.decode_output(program(codes)), quantized(x), strict=True
    )
    with torch.no_grad():
        trained = network(torch.tensor(shaped)).numpy()
    error = np.abs(trained - quantized(x)) / np.ptp(quantized(x), axis=0).max()
    # Scale ratios become integers, and the root of a norm keeps 10 bits: a sum that lies on the
    # edge between two codes may fall to the other side.
    assert np.median(error) < 2e-3
    assert (error.max(axis=1) > 0.05).mean() < 0.2


def test_edge_tables_alone_are_exact():
    rng = np.random.default_rng(1)
    model = efficient_kan(rng)
    x = rng.normal(size=(300, 4))
    for bits in (2, 4, 8):
        config = QuantConfig(activation_bits=bits, realisation="edge_table")
        network = prepare(model, x, config)
        with torch.no_grad():
            trained = network(torch.tensor(x)).numpy()
        np.testing.assert_allclose(trained, convert(network)(x), rtol=0, atol=1e-9)


def test_training_lowers_the_loss_and_recovers_what_rounding_lost():
    rng = np.random.default_rng(2)
    model = efficient_kan(rng)
    x, held_out = rng.normal(size=(400, 4)), rng.normal(size=(400, 4))
    config = QuantConfig(base_bits=3, spline_bits=3, activation_bits=4, realisation="basis_table")

    def error(quantized):
        return float(np.square(quantized(held_out) - model(held_out)).mean())

    network = prepare(model, x, config)
    losses = train(network, x, model(x), epochs=20, batch_size=50, learning_rate=5e-3).losses
    assert losses[-1] < 0.7 * losses[0]
    rounded = quantize_model(model, x, replace(config, method="uniform"))
    assert error(convert(network)) < error(rounded)


def test_pruned_edges_stay_absent():
    rng = np.random.default_rng(3)
    first = layer(rng, b_splines(4), 5, "0")
    kept = rng.random((5, 4)) < 0.5
    pruned = KanLayer(
        first.basis,
        first.coefficients * kept[:, :, None],
        first.base_weights * kept,
        SILU,
        first.bias,
        "0",
    )
    model = KanModel((pruned,))
    x = rng.normal(size=(100, 4))
    for realisation in ("edge_table", "basis_table"):
        network = prepare(model, x, QuantConfig(realisation=realisation))
        train(network, x, np.asarray(model(x)), epochs=2)
        np.testing.assert_array_equal(lower(convert(network)).layers[0].active, kept)


def test_layers_of_their_own_bits():
    rng = np.random.default_rng(4)
    model = efficient_kan(rng)
    x = rng.normal(size=(100, 4))
    config = QuantConfig(
        realisation="basis_table", layers={"1": {"spline_bits": 2, "activation_bits": 3}}
    )
    quantized = convert(prepare(model, x, config))
    assert np.abs(quantized.layers[0].spline.codes).max() > 2
    assert set(np.unique(quantized.layers[1].spline.codes)) <= {-2, -1, 0, 1}
    assert quantized.layers[0].joins[0].target.format.width == 3


def test_shared_quantizers_have_one_step():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(100, 4))
    config = QuantConfig(realisation="basis_table", shared_quantizers=True)
    for quantized in (
        convert(prepare(efficient_kan(rng), x, config)),
        quantize_model(efficient_kan(rng), x, config),
    ):
        for one in quantized.layers:
            np.testing.assert_array_equal(one.spline.scale, one.base.scale)
            assert (one.spline_stream, one.base_stream) == (0, 0)


@pytest.mark.parametrize("quantizer", ["dorefa", "pact"])
def test_rules_without_a_step_cannot_share_one(quantizer):
    rng = np.random.default_rng(5)
    config = QuantConfig(shared_quantizers=True, quantizer=quantizer)
    with pytest.raises(InputError, match=f"shared_quantizers .* {quantizer}.*lsq, lsq\\+, qil"):
        prepare(efficient_kan(rng), rng.normal(size=(20, 4)), config)


def test_modules_are_taken_as_they_are():
    torch.manual_seed(0)
    network = KAN([3, 4, 2])
    x = np.random.default_rng(0).normal(size=(50, 3))
    prepared = prepare(network, x, QuantConfig(activation_bits=8, basis_bits=12))
    with torch.no_grad():
        error = prepared(torch.tensor(x)) - network(torch.tensor(x))
    assert error.abs().max() < 0.1


def test_too_many_bits_are_refused():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(20, 4))
    for field in ("base_bits", "spline_bits", "activation_bits"):
        with pytest.raises(InputError, match=f"0: {field} must be 1 to 8 in training, not 9"):
            prepare(efficient_kan(rng), x, QuantConfig(**{field: 9}))
    with pytest.raises(InputError, match=r"there is no layer 'layers\.0'; there are 0, 1"):
        prepare(efficient_kan(rng), x, QuantConfig(layers={"layers.0": {"spline_bits": 4}}))


def test_divergence_is_reported():
    rng = np.random.default_rng(7)
    model = efficient_kan(rng)
    x = rng.normal(size=(64, 4))
    network = prepare(model, x)
    with pytest.raises(TrainingDiverged, match="its loss has grown from"):
        train(network, x, model(x), epochs=20, learning_rate=300.0)
    with pytest.raises(InputError, match=r"^Training has diverged: its loss has grown"):
        convert(network)
    network = prepare(model, x)
    with pytest.raises(TrainingDiverged, match="its loss is nan in epoch 1"):
        train(network, x, model(x), epochs=1, loss=lambda a, b: (a - b).mean() * float("nan"))
    network = prepare(model, x)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match=r"stages\.0\.coefficients holds NaN or infinity"):
        convert(network)


def test_training_arguments():
    rng = np.random.default_rng(8)
    network = prepare(efficient_kan(rng), rng.normal(size=(20, 4)))
    x = rng.normal(size=(20, 4))
    for wrong in ({"epochs": 0}, {"epochs": 1, "batch_size": 0}, {"epochs": 1, "learning_rate": 0}):
        with pytest.raises(InputError, match="Training needs epochs and batch_size"):
            train(network, x, x[:, :3], **wrong)
    with pytest.raises(InputError, match="There are 20 samples but 3 targets"):
        train(network, x, x[:3, :3], epochs=1)
    with pytest.raises(InputError, match="progress must be 0 to 1, not 2"):
        network.anneal(2)


def test_quantizers_move_relative_to_their_size():
    rng = np.random.default_rng(9)
    network = prepare(efficient_kan(rng), rng.normal(size=(50, 4)))
    groups = parameter_groups(network, 1e-3)
    count = sum(len(group["params"]) for group in groups)
    assert count == len(list(network.parameters()))
    for group in groups[1:]:
        (quantizer,) = group["params"]
        assert group["lr"] == pytest.approx(1e-3 * float(quantizer.detach().abs().mean()))


def test_an_offset_near_zero_moves_by_the_range():
    rng = np.random.default_rng(9)
    config = QuantConfig(quantizer="lsq+", activation_bits=4)
    network = prepare(efficient_kan(rng), rng.uniform(1e-9, 1, (50, 4)), config)
    rule = network.rule(0, 0)
    rates = {id(group["params"][0]): group["lr"] for group in parameter_groups(network, 1e-3)}
    step = float(rule.step.detach())
    assert abs(float(rule.offset.detach())) <= step
    assert rates[id(rule.step)] == pytest.approx(1e-3 * step)
    assert rates[id(rule.offset)] == pytest.approx(1e-3 * step * 15 / 8)


def test_training_is_reproducible():
    def once(seed):
        rng = np.random.default_rng(10)
        model, x = efficient_kan(rng), rng.normal(size=(100, 4))
        network = prepare(model, x, QuantConfig(activation_bits=4))
        return train(network, x, model(x), epochs=2, seed=seed)

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_exported():
    assert kanhw.quant.prepare is prepare
    with pytest.raises(AttributeError, match="no attribute 'unheard_of'"):
        _ = kanhw.quant.unheard_of
