"""Fine-tuning codebooks: it starts where clustering ended, keeps indices, and lowers the loss."""

import numpy as np
import pytest
import torch

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.norm import LayerNorm
from kanhw.quant import QuantConfig, convert, lower, prepare, quantize_model, train
from kanhw.quant.codebook.gains import power_of_two
from kanhw.quant.config import CodebookConfig
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.training.codebook_stage import CodebookStage, Integers
from kanhw.quant.training.codebook_tuning import fine_tune
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
        SILU,
        rng.normal(size=n_out),
        name,
        **extra,
    )


def splines(rng):
    bases = [BSplineBasis(np.tile(np.linspace(-w, w, 10), (n, 1)), 2) for n, w in ((4, 3), (5, 9))]
    return KanModel((layer(rng, bases[0], 5, "0"), layer(rng, bases[1], 3, "1")))


def radial(rng):
    norm = LayerNorm(rng.normal(size=4) + 1, rng.normal(size=4))
    basis = RadialBasis(np.linspace(-2, 2, 5), 1.0, 4)
    return KanModel((layer(rng, basis, 3, "0", spline_norm=norm),))


def images(rng):
    windows = Window((1, 4, 4), (3, 3), padding=(1, 1)), Window((2, 4, 4), (2, 2), stride=(2, 2))
    taps = [
        layer(rng, GramBasis(rng.normal(size=3) * 0.05, w.taps, SILU, constant=True), 2, name)
        for w, name in zip(windows, "01", strict=True)
    ]
    pool = PoolLayer("average", Window((2, 2, 2), (2, 2)))
    layers = [ConvLayer(own, window) for own, window in zip(taps, windows, strict=True)]
    return KanModel((*layers, pool), shape=(1, 4, 4))


MODELS = {"splines": splines, "radial": radial, "images": images}
OPTIONS = {
    "any": {"codebook.weighting": "uniform"},
    "power_of_two": {"codebook.gain": "power_of_two", "codebook.clustering": "coefficients"},
    "none": {"codebook.gain": "none", "codebook.scope": "network"},
}


def data(model, rng, count=200):
    x = rng.normal(size=(count, model.n_in))
    return x.reshape(-1, *model.input_shape), x


def codebooks_of(quantized):
    taps = [own.taps if isinstance(own, QuantConvolution) else own for own in quantized.layers]
    return [own for own in taps if isinstance(own, QuantCodebook)]


@pytest.mark.some(6)
@pytest.mark.parametrize("bits", [2, 8])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_what_is_trained_is_what_is_deployed(name, options, bits):
    rng = np.random.default_rng(bits)
    model = MODELS[name](rng)
    shaped, x = data(model, rng)
    config = QuantConfig(
        realisation="codebook",
        activation_bits=bits,
        base_bits=bits,
        # A snapped scale ratio is all that training does not know of.
        multiplier_bits=24,
        norm_bits=14,
        quantizer="lsq+",
        activation_calibration="percentile",
        codebook=CodebookConfig(size=4, gain_bits=4),
    ).changed(OPTIONS[options])
    network = prepare(model, x, config)
    start = quantize_model(model, x, config)
    assert sum(isinstance(stage, CodebookStage) for stage in network.stages) == len(
        codebooks_of(start)
    )

    def differ(quantized):
        with torch.no_grad():
            trained = network(torch.tensor(shaped)).numpy()
        error = np.abs(trained - quantized(x)).max(axis=1) / np.ptp(quantized(x))
        # A sum on the edge between two codes, or a norm in integers, may fall to the other side.
        return np.quantile(error, 0.8)

    assert differ(start) < 1e-3
    train(network, shaped, model(shaped), epochs=1, batch_size=50, learning_rate=0.01)
    tuned = convert(network)
    assert differ(tuned) < 1e-3
    program = lower(tuned)
    codes = program.input.encode(x)
    np.testing.assert_array_equal(program.decode_output(program(codes)), tuned(x))
    moved = 0
    for before, after in zip(codebooks_of(start), codebooks_of(tuned), strict=True):
        np.testing.assert_array_equal(before.index, after.index)
        moved += int((before.shapes != after.shapes).sum())
        sizes = np.abs(after.spline.codes)
        if options == "power_of_two":
            assert ((sizes & (sizes - 1)) == 0).all()
        if options == "none":
            assert (sizes == 1).all()
            np.testing.assert_array_equal(after.shapes, codebooks_of(tuned)[0].shapes)
    assert moved


@pytest.mark.wide
def test_fine_tuning_lowers_the_loss():
    rng = np.random.default_rng(1)
    model = splines(rng)
    x = rng.normal(size=(400, 4))
    config = QuantConfig(
        realisation="codebook",
        activation_bits=6,
        codebook=CodebookConfig(size=3),
    )
    before = np.square(quantize_model(model, x, config)(x) - model(x)).mean()
    tuned = fine_tune(model, x, model(x), config, epochs=15, batch_size=20, learning_rate=5e-3)
    after = np.square(tuned(x) - model(x)).mean()
    assert after < 0.7 * before
    for own, start in zip(
        codebooks_of(tuned), codebooks_of(quantize_model(model, x, config)), strict=True
    ):
        np.testing.assert_array_equal(own.index, start.index)
        assert np.abs(own.shapes).max() <= 127
        assert np.abs(own.spline.codes).max() <= 15


def test_gradients_reach_everything():
    rng = np.random.default_rng(2)
    model = splines(rng)
    x = rng.normal(size=(100, 4))
    config = QuantConfig(
        realisation="codebook",
        codebook=CodebookConfig(clustering="coefficients"),
    )
    network = prepare(model, x, config)
    network(torch.tensor(x)).square().mean().backward()
    for name, value in network.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name


def test_the_gradient_to_the_input_is_that_of_the_tables():
    rng = np.random.default_rng(3)
    model = splines(rng)
    x = rng.normal(size=(300, 4)).clip(-2, 2)
    config = QuantConfig(
        realisation="codebook",
        activation_bits=8,
        codebook=CodebookConfig(size=32, gain_bits=8, shape_bits=12),
    )
    network = prepare(model, x, QuantConfig(**{**vars(config), "quantizer": "lsq+"}))
    inputs = torch.tensor(x, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(inputs).sum(), inputs)
    step = 1e-4
    for i in range(4):
        moved = np.eye(4)[i] * step
        wanted = (model(x + moved) - model(x - moved)).sum(axis=1) / (2 * step)
        assert np.corrcoef(wanted, gradient[:, i].numpy())[0, 1] > 0.9


def test_pruned_edges_stay_absent():
    rng = np.random.default_rng(4)
    model = splines(rng)
    first = model.layers[0]
    kept = np.ones((5, 4))
    kept[1, 2] = kept[3, 0] = 0
    coefficients = first.coefficients * kept[:, :, None]
    pruned = KanLayer(first.basis, coefficients, first.base_weights * kept, SILU, first.bias, "0")
    model = KanModel((pruned, model.layers[1]))
    x = rng.normal(size=(100, 4))
    for clustering in ("functions", "coefficients"):
        config = QuantConfig(
            realisation="codebook",
            codebook=CodebookConfig(clustering=clustering),
        )
        tuned = fine_tune(model, x, model(x), config, epochs=2, learning_rate=0.05)
        own = lower(tuned).layers[0]
        np.testing.assert_array_equal(own.active, kept != 0)


@pytest.mark.parametrize("top", [1, 8, 64])
def test_powers_round_as_those_of_quantization_do(top):
    relative = np.linspace(-1.2, 1.2, 997) * top
    module = Integers(np.zeros(997, np.int64), top, powers=True)
    with torch.no_grad():
        module.share.copy_(torch.tensor(relative / top))
    np.testing.assert_array_equal(module.frozen(), power_of_two(relative.clip(-top, top), top))


def test_only_codebooks_are_tuned():
    rng = np.random.default_rng(5)
    model, x = splines(rng), rng.normal(size=(20, 4))
    with pytest.raises(InputError, match="realisation='codebook', not 'basis_table'"):
        fine_tune(model, x, model(x), QuantConfig(realisation="basis_table"))
    config = QuantConfig(realisation="basis_table", layers={"1": {"realisation": "codebook"}})
    tuned = fine_tune(model, x, model(x), config, epochs=1)
    assert len(codebooks_of(tuned)) == 1
