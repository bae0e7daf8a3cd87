"""Codebooks as they are deployed: level 1 for all variants and options, heads, storage, errors."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.convolution import ConvLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.program import CodebookLayer, ConvolutionLayer, golden, load_program, save_program
from kanhw.quant import QuantConfig, lower, quantize_model
from kanhw.quant.codebook import codebook_storage
from kanhw.quant.record.codebook import QuantCodebook
from kanhw.quant.record.convolution import QuantConvolution
from kanhw.quant.task_heads import quantize_heads
from kanhw.windows import Window

SILU = Activation("silu")


def config_of(**fields):
    quick = {"realisation": "codebook", "codebook.size": 5, "activation_calibration": "percentile"}
    return QuantConfig().changed({**quick, **fields})


def taps_of(layer):
    return layer.taps if isinstance(layer, ConvolutionLayer | QuantConvolution) else layer


def codebooks_of(holder):
    kind = (CodebookLayer, QuantCodebook)
    return [taps_of(layer) for layer in holder.layers if isinstance(taps_of(layer), kind)]


def assert_level_1(quantized, x, folder):
    program = load_program(save_program(lower(quantized), folder / "program.safetensors"))
    far = np.random.default_rng(0).normal(0, 10, (20, x.shape[1]))
    x = np.concatenate([x, far])
    codes = program.input.encode(x)
    expected = quantized.activations(x)
    np.testing.assert_array_equal(expected[0][0], codes)
    layers = program.activations(codes)
    assert len(layers) == len(quantized.layers)
    for ours, theirs in zip(expected[1:], layers, strict=True):
        for mine, integers in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine, integers)
            assert integers.size
    np.testing.assert_array_equal(golden.run(program, codes), expected[-1][0])
    return program


def random_layer(rng, basis, n_out, name, *, activation=SILU, **extra):
    return KanLayer(
        basis,
        rng.normal(size=(n_out, basis.n_in, basis.count)),
        rng.normal(size=(n_out, basis.n_in)),
        activation,
        rng.normal(size=n_out),
        name,
        **extra,
    )


def uneven(rng):
    """Knots of its own for every input, data beyond the grid, and pruned edges (PyKAN)."""
    layers = []
    for name, n_in, n_out in (("0", 4, 5), ("1", 5, 3)):
        knots = np.sort(rng.uniform(-3, 3, (n_in, 9)), axis=1)
        layer = random_layer(rng, BSplineBasis(knots, 2), n_out, name)
        kept = rng.random((n_out, n_in)) < 0.7
        coefficients = layer.coefficients * kept[:, :, None]
        layers.append(
            replace(layer, coefficients=coefficients, base_weights=layer.base_weights * kept)
        )
    return KanModel(tuple(layers))


def unpadded(rng):
    window = Window((1, 5, 5), (3, 3), stride=(2, 2))
    taps = random_layer(rng, GramBasis(rng.normal(size=4) * 0.05, 9, SILU, constant=True), 3, "0")
    head = random_layer(rng, NoBasis(12), 2, "head", activation=Activation("identity"))
    return KanModel((ConvLayer(taps, window), head), shape=(1, 5, 5))


CHOICES = list(
    product(
        ["any", "power_of_two", "none"],
        [True, False],
        ["coefficients", "functions"],
        ["separate", "joint"],
        ["layer", "network"],
    )
)


@pytest.mark.some(5)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_every_code_is_equal(variant, tmp_path, bits):
    model, x = variant
    flat, seen = model.flat(x), 0
    for number, (gain, bias, clustering, branches, scope) in enumerate(CHOICES):
        # Four for each number of bits: every choice comes with each, and every pair of choices.
        if number % 12 != (3 * (2, 4, 8).index(bits) + number // 12) % 12:
            continue
        config = config_of(
            activation_bits=bits,
            base_bits=bits,
            branch_inputs="separate",
            activation_granularity="channel" if number % 2 else "tensor",
            **{
                "codebook.gain": gain,
                "codebook.bias": bias,
                "codebook.clustering": clustering,
                "codebook.branches": branches,
                "codebook.scope": scope,
                "codebook.gain_bits": 2 + number % 4,
                "codebook.shape_bits": bits,
                "codebook.bias_bits": bits,
            },
        )
        if branches == "joint" and any(getattr(part, "spline_norm", None) for part in model.layers):
            with pytest.raises(InputError, match="0: its basis reads a normalised value and its"):
                quantize_model(model, x, config)
            continue
        program = assert_level_1(quantize_model(model, x, config), flat[:40], tmp_path)
        for own in codebooks_of(program):
            seen += 1
            assert len(own.shapes) <= 5
            assert np.abs(own.shapes).max() < 2 ** (bits - 1)
            sizes = np.abs(own.gains)
            if gain == "power_of_two":
                assert ((sizes & (sizes - 1)) == 0).all()
            if gain == "none":
                assert set(own.gains.ravel()) <= {0, 1}
            assert bias or own.biases is None
            assert (branches == "joint") <= (not own.base_weights.any())
        if scope == "network":
            for own in codebooks_of(program):
                np.testing.assert_array_equal(own.shapes, codebooks_of(program)[0].shapes)
    assert seen


def test_a_planted_fault_is_seen(tmp_path):
    rng = np.random.default_rng(0)
    model, x = uneven(rng), rng.normal(size=(60, 4))
    quantized = quantize_model(model, x, config_of(activation_calibration="mse"))
    program = lower(quantized)
    # An entry of a shape at the code in the middle, which is in use.
    layer = quantized.layers[-1]
    layer.shapes[layer.index[0, 0], layer.shapes.shape[1] // 2] += 64
    codes = program.input.encode(x)
    assert not np.array_equal(program(codes), quantized.activations(x)[-1][0])
    assert_level_1(quantized, x, tmp_path)


@pytest.mark.parametrize("model", [uneven, unpadded])
@pytest.mark.parametrize("clustering", ["coefficients", "functions"])
def test_offsets(model, clustering, tmp_path):
    rng = np.random.default_rng(1)
    model = model(rng)
    x = rng.normal(0, 2, (100, model.n_in))
    quantized = quantize_model(model, x, config_of(**{"codebook.clustering": clustering}))
    program = assert_level_1(quantized, x, tmp_path)
    own = codebooks_of(program)
    # Only offsets that are the same at every code cost nothing.
    assert all((part.biases is None) == (clustering == "functions") for part in own)
    if clustering == "coefficients" and model.shape is None:
        # Every input falls to 0 beyond its own knots.
        assert len(own[0].offsets) > 1
        assert not own[0].active.all()
        assert ((own[0].gains == 0) | own[0].active).all()


def test_padding_leaves_biases_to_the_taps(tmp_path):
    rng = np.random.default_rng(2)
    window = Window((1, 4, 4), (3, 3), padding=(1, 1))
    taps = random_layer(rng, GramBasis(rng.normal(size=3) * 0.05, 9, SILU, constant=True), 4, "0")
    model = KanModel((ConvLayer(taps, window),), shape=(1, 4, 4))
    x = rng.normal(size=(200, 16))
    program = assert_level_1(
        quantize_model(
            model,
            x,
            config_of(
                activation_calibration="mse",
                **{"codebook.size": 64, "codebook.gain_bits": 8, "codebook.bias_bits": 12},
            ),
        ),
        x,
        tmp_path,
    )
    (own,) = codebooks_of(program)
    # A constant for every tap, as large as the biases need it.
    assert own.biases.any()
    assert (own.offsets == own.offsets[0, 0]).all()
    real = program.decode_output(program(program.input.encode(x)))
    assert np.abs(real - model(x)).max() < 0.02 * np.ptp(model(x))


@pytest.mark.some(2)
def test_more_shapes_come_close_to_the_float_model(variant):
    model, x = variant
    x = model.flat(x)
    bits = {
        "activation_bits": 10,
        "base_bits": 10,
        "spline_bits": 10,
        "base_table_bits": 12,
        "norm_bits": 14,
        "product_bits": 16,
        "multiplier_bits": 20,
        "activation_calibration": "max_abs",
    }
    for options in (
        {"codebook.clustering": "functions"},
        {"codebook.clustering": "coefficients", "codebook.bias_bits": 12},
    ):
        errors = []
        for size in (2, 64):
            config = config_of(
                **bits,
                **options,
                **{"codebook.size": size, "codebook.shape_bits": 12, "codebook.gain_bits": 8},
            )
            quantized = quantize_model(model, x, config)
            errors.append(np.abs(quantized(x) - model(x)).max() / np.ptp(model(x)))
        assert errors[1] < 0.05
        assert errors[1] < errors[0] / 2


def test_layers_that_share_nothing(variant):
    model, x = variant
    kinds = [taps_of(layer).kind for layer in lower(quantize_model(model, x, config_of())).layers]
    if any(getattr(part, "symbolic", ()) for part in model.layers):
        assert kinds == ["edge_table", "product", "codebook"]
    if model.shape is not None:
        # A linear head has no basis; behind pooling it reads one code.
        assert kinds == ["codebook", "pooling", "basis_table"]
    assert "codebook" in kinds


def test_a_base_branch_in_the_shapes_needs_no_join():
    rng = np.random.default_rng(3)
    model = uneven(rng)
    x = rng.normal(size=(100, 4))
    program = lower(quantize_model(model, x, config_of(**{"codebook.branches": "joint"})))
    for own in codebooks_of(program):
        assert not own.base.any()
        assert not own.base_weights.any()
        for requantizer in own.requantizers:
            assert (requantizer.multipliers[1] == 1).all()
            assert (requantizer.multipliers[0] > 1).any()


def test_fields_of_single_layers():
    rng = np.random.default_rng(4)
    model, x = uneven(rng), rng.normal(size=(60, 4))
    config = QuantConfig(
        realisation="basis_table",
        layers={"1": {"realisation": "codebook", "codebook.size": 3, "codebook.gain": "none"}},
    )
    program = lower(quantize_model(model, x, config))
    assert [layer.kind for layer in program.layers] == ["basis_table", "codebook"]
    assert len(program.layers[1].shapes) == 3


def test_layers_without_active_edges(tmp_path):
    rng = np.random.default_rng(5)
    model = uneven(rng)
    first = replace(model.layers[0], coefficients=np.zeros_like(model.layers[0].coefficients))
    x = rng.normal(size=(50, 4))
    for branches in ("separate", "joint"):
        program = assert_level_1(
            quantize_model(
                KanModel((first, model.layers[1])),
                x,
                config_of(
                    **{"codebook.branches": branches},
                ),
            ),
            x,
            tmp_path,
        )
        own = codebooks_of(program)[0]
        if branches == "separate":
            assert own.shapes.shape[0] == 1
            assert not own.gains.any()


def test_data_decide_what_counts():
    rng = np.random.default_rng(6)
    basis = BSplineBasis(np.tile(np.linspace(-2, 2, 12), (6, 1)), 3)
    model = KanModel((random_layer(rng, basis, 8, "0"),))
    x = rng.normal(0.5, 0.1, (400, 6))
    # The range stays the same, but hardly any value is near its ends.
    x[:2] = [[-1.5], [1.5]]
    errors = {}
    for weighting in ("data", "uniform"):
        config = config_of(
            activation_calibration="max_abs",
            **{"codebook.weighting": weighting},
        )
        error = quantize_model(model, x, config)(x) - model(x)
        errors[weighting] = np.sqrt(np.square(error).mean())
    assert errors["data"] < 0.7 * errors["uniform"]


def heads(count=3):
    rng = np.random.default_rng(7)
    models = [uneven(rng) for _ in range(count)]
    return models, [rng.normal(size=(80, 4)) for _ in models]


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_heads_share_shapes(scope, tmp_path):
    models, data = heads()
    config = config_of(activation_bits=5, **{"codebook.scope": scope})
    quantized = quantize_heads(models, data, config)
    programs = [assert_level_1(q, x, tmp_path) for q, x in zip(quantized, data, strict=True)]
    for layers in zip(*(codebooks_of(program) for program in programs), strict=True):
        for own in layers[1:]:
            np.testing.assert_array_equal(own.shapes, layers[0].shapes)
            assert not np.array_equal(own.gains, layers[0].gains)
    shared, alone = codebook_storage(quantized), [codebook_storage(q) for q in quantized]
    assert shared.shapes == alone[0].shapes == (1 if scope == "network" else 2) * 5 * 32 * 8
    for part in ("edges", "indices", "gains", "biases", "base_weights", "tables", "dense_int4"):
        assert getattr(shared, part) == sum(getattr(own, part) for own in alone)
    one = quantize_heads(models[:1], data[:1], config)[0]
    np.testing.assert_array_equal(one(data[0]), quantize_model(models[0], data[0], config)(data[0]))


def test_storage_by_hand():
    rng = np.random.default_rng(8)
    basis = BSplineBasis(np.tile(np.linspace(-2, 2, 9), (3, 1)), 2)
    layer = random_layer(rng, basis, 4, "0")
    layer = replace(layer, coefficients=layer.coefficients * (np.arange(12) > 1).reshape(4, 3, 1))
    layer = replace(layer, base_weights=layer.base_weights * (np.arange(12) > 0).reshape(4, 3))
    model, x = KanModel((layer,)), rng.normal(size=(50, 3))
    fields = {
        "activation_bits": 4,
        "base_bits": 3,
        "codebook.gain_bits": 5,
        "codebook.bias_bits": 6,
        "codebook.shape_bits": 7,
    }
    config = config_of(base_table_bits=9, **fields, **{"codebook.clustering": "coefficients"})
    storage = codebook_storage(quantize_model(model, x, config))
    # 11 of 12 edges are left; 5 shapes of 16 codes; one base activation for all inputs.
    assert storage.edges == 11
    assert storage.shapes == 5 * 16 * 7
    assert storage.indices == 11 * 3
    assert storage.gains == 11 * 5
    assert storage.biases == 11 * 6
    assert storage.base_weights == 11 * 3
    (own,) = codebooks_of(quantize_model(model, x, config))
    offset_bits = int(own.offsets.max()).bit_length()
    assert storage.tables == 16 * 9 + 16 * offset_bits
    total = 5 * 16 * 7 + 11 * (3 + 5 + 6 + 3) + 16 * (9 + offset_bits)
    assert storage.total == total
    assert storage.dense_int4 == 11 * (6 + 1) * 4
    assert storage.float32 == 8 * storage.dense_int4
    assert storage.compression_over_int4 == pytest.approx(308 / total)
    assert storage.compression_over_float32 == pytest.approx(8 * 308 / total)
    assert f"{total} bits\ndense INT4            308 bits" in str(storage)

    free = codebook_storage(
        quantize_model(
            model,
            x,
            replace(
                config,
                codebook=replace(config.codebook, gain="none"),
            ),
        )
    )
    assert free.gains == 0
    joint = replace(
        config,
        codebook=replace(config.codebook, branches="joint", clustering="functions"),
    )
    bare = codebook_storage(quantize_model(model, x, joint))
    assert bare.base_weights == bare.biases == bare.tables == 0
    assert bare.total == bare.shapes + 11 * (3 + 5)


def test_nothing_to_count():
    rng = np.random.default_rng(9)
    quantized = quantize_model(uneven(rng), rng.normal(size=(20, 4)))
    with pytest.raises(InputError, match="no codebook layer: quantize with realisation='codebook'"):
        codebook_storage(quantized)


def test_what_cannot_share_a_codebook():
    rng = np.random.default_rng(10)
    model, x = uneven(rng), rng.normal(size=(30, 4))
    whole = config_of(**{"codebook.scope": "network"})
    with pytest.raises(InputError, match="0 and 1 share a codebook, but read codes of 4 and 8 bit"):
        quantize_model(model, x, replace(whole, input_bits=4))
    with pytest.raises(InputError, match="shape_bits must be the same, not 8 and 4"):
        quantize_model(model, x, replace(whole, layers={"1": {"codebook.shape_bits": 4}}))
    wider = BSplineBasis(np.tile(np.linspace(-2, 2, 12), (5, 1)), 3)
    other = KanModel((model.layers[0], random_layer(rng, wider, 2, "1")))
    with pytest.raises(InputError, match="have 6 and 8 coefficients per edge: choose"):
        quantize_model(
            other,
            x,
            replace(
                whole,
                codebook=replace(whole.codebook, clustering="coefficients"),
            ),
        )
    quantize_model(other, x, whole)
    for method in ("adaround", "brecq"):
        with pytest.raises(InputError, match=f"method='{method}' chooses how weights are rounded"):
            quantize_model(model, x, replace(whole, method=method))


def test_heads_that_are_refused():
    models, data = heads(2)
    with pytest.raises(InputError, match="not 2 models and 1 sets of data"):
        quantize_heads(models, data[:1], config_of())
    with pytest.raises(InputError, match="not 0 models"):
        quantize_heads([], [], config_of())
    with pytest.raises(InputError, match="choose realisation='codebook'"):
        quantize_heads(models, data, QuantConfig(realisation="basis_table"))
    with pytest.raises(InputError, match="method='uniform', not 'gptq'"):
        quantize_heads(models, data, config_of(method="gptq"))
    short = KanModel(models[1].layers[:1])
    with pytest.raises(InputError, match="of equal shapes, but head 1 has"):
        quantize_heads([models[0], short], data, config_of())


@pytest.mark.some(2)
@pytest.mark.parametrize(
    "options", [{}, {"codebook.gain": "power_of_two", "codebook.gain_bits": 4}]
)
def test_a_trained_network(trained, tmp_path, options):
    config = QuantConfig(realisation="codebook", activation_bits=5).changed(options)
    quantized = quantize_model(trained.model, trained.calibration, config)
    x = np.concatenate([trained.x, trained.x_far])
    assert_level_1(quantized, x, tmp_path)
    lost = trained.accuracy(trained.model(trained.x)) - trained.accuracy(quantized(trained.x))
    assert lost < 2.5
