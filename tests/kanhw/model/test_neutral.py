"""The neutral file: every kind of layer there and back, the documented example, every refusal."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kanhw
from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.neutral import load_neutral, save_model
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.windows import Window

DOCUMENT = Path(__file__).parents[3] / "docs" / "neutral-format.md"
SILU = Activation("silu")


def layer(rng, basis, n_out, **extras):
    fields = {
        "basis": basis,
        "coefficients": rng.normal(size=(n_out, basis.n_in, basis.count)),
        "base_weights": rng.normal(size=(n_out, basis.n_in)),
        "base_activation": SILU,
        "bias": rng.normal(size=n_out),
        "name": type(basis).__name__,
    }
    return KanLayer(**fields | extras)


def norm(rng, n):
    return LayerNorm(rng.normal(size=n), rng.normal(size=n), 1e-3)


def bases(rng, n_in):
    knots = np.sort(rng.normal(size=(n_in, 9)), axis=1)
    repeated = knots.copy()
    repeated[:, 3] = repeated[:, 4]
    return [
        BSplineBasis(knots, 3),
        RepeatedKnotBasis(repeated, 2),
        RadialBasis(rng.normal(size=4), 0.7, n_in),
        GramBasis(rng.normal(size=4) / 100, n_in, SILU, False),
        GramBasis(rng.normal(size=3) / 100, n_in, None, True),
        ChebyshevBasis(3, n_in),
        NoBasis(n_in),
    ]


def assert_same(model, again, x):
    np.testing.assert_array_equal(again(x), model(x))
    assert again.source == model.source
    assert again.input_shape == model.input_shape
    assert [each.name for each in again.layers] == [each.name for each in model.layers]


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 4))
def test_every_basis(tmp_path_factory, seed, kind, n_in):
    rng = np.random.default_rng(seed)
    slope = Activation("prelu", 0.25)
    basis = bases(rng, n_in)[kind]
    model = KanModel((layer(rng, basis, 3, base_activation=slope),), "somewhere")
    path = save_model(model, tmp_path_factory.mktemp("neutral") / "model.npz")
    again = kanhw.load(path)
    assert type(again.layers[0].basis) is type(basis)
    assert_same(model, again, rng.normal(size=(20, n_in)) * 3)


def test_everything_else_of_a_layer(tmp_path):
    rng = np.random.default_rng(0)
    edges = (SymbolicEdge(1, 0, "sin", 1.5, 0.1, -2.0, 0.3), SymbolicEdge(0, 1, "x", 1, 0, 1, 0))
    products = Products(1, (2, 3), rng.normal(size=3), rng.normal(size=3))
    first, _, radial, *_ = bases(rng, 2)
    model = KanModel(
        (
            layer(rng, first, 6, symbolic=edges, post=(products,)),
            layer(rng, NoBasis(3), 2, post=(norm(rng, 2), SILU)),
            layer(rng, radial, 2, spline_norm=norm(rng, 2)),
        )
    )
    again = kanhw.load(save_model(model, tmp_path / "model.npz"))
    assert_same(model, again, rng.normal(size=(20, 2)))
    assert again.layers[0].symbolic == edges


def test_images(tmp_path):
    rng = np.random.default_rng(0)
    window = Window((1, 6, 5), (3, 2), (2, 1), (1, 1), (1, 2))
    taps = layer(rng, GramBasis(rng.normal(size=4) / 100, 6, SILU, True), 2, post=(SILU,))
    conv = ConvLayer(taps, window)
    pool = PoolLayer("max", Window(conv.out_shape, (2, 2)), "pooling")
    head = layer(rng, NoBasis(pool.n_out), 3)
    model = KanModel((conv, pool, head), "images", (1, 6, 5))
    again = kanhw.load(save_model(model, tmp_path / "model.npz"))
    assert_same(model, again, rng.normal(size=(4, 1, 6, 5)))
    assert again.layers[0].window == window


def test_library_models_survive(shared_folder, tmp_path):
    for name in ("pykan_wine", "efficient_kan_wine"):
        folder = shared_folder / "fixtures" / "kan_libraries" / name
        model = kanhw.load(folder)
        again = kanhw.load(save_model(model, tmp_path / "model.npz"))
        assert_same(model, again, np.load(folder / "vectors.npz")["x"])


def test_files_are_reproducible(tmp_path):
    model = KanModel((layer(np.random.default_rng(0), NoBasis(2), 2),))
    one, two = (save_model(model, tmp_path / name) for name in ("a.npz", "b.npz"))
    assert one.read_bytes() == two.read_bytes()


def test_the_documented_example(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    model = kanhw.load("model.npz")
    assert (model.n_in, model.n_out) == (2, 3)
    assert model.layers[0].basis.order == 3
    assert model.layers[0].basis.uniform.all()
    assert not model.layers[0].bias.any()
    arrays = np.load("model.npz")
    x = np.random.default_rng(1).normal(size=(9, 2))
    silu = x / (1 + np.exp(-x))
    basis = BSplineBasis(arrays["layers.0.knots"], 3)(x)
    expected = silu @ arrays["layers.0.base_weights"].T
    expected += np.einsum("nik,oik->no", basis, arrays["layers.0.coefficients"])
    np.testing.assert_allclose(model(x), expected, atol=1e-12)


def test_the_document_names_all_kinds():
    text = DOCUMENT.read_text(encoding="utf-8")
    kinds = ["bspline", "bspline_repeated_knots", "radial", "gram", "chebyshev", "none"]
    for kind in [*kinds, "layer_norm", "activation", "products"]:
        assert f"| `{kind}` |" in text


# Refusals ----------------------------------------------------------------------------------------


def contents():
    """A file's header and arrays, of one layer with everything."""
    header = {
        "format": "kanhw-model",
        "version": 1,
        "layers": [
            {
                "basis": {"kind": "bspline"},
                "base_activation": {"name": "silu"},
                "spline_norm": {"epsilon": 1e-5},
                "symbolic": [{"j": 0, "i": 0, "function": "x", "a": 1, "b": 0, "c": 1, "d": 0}],
                "post": [{"type": "products", "sum_count": 1, "arities": [2]}],
            }
        ],
    }
    arrays = {
        "layers.0.knots": np.arange(16.0).reshape(2, 8),
        "layers.0.coefficients": np.ones((3, 2, 4)),
        "layers.0.base_weights": np.ones((3, 2)),
        "layers.0.bias": np.ones(3),
        "layers.0.spline_norm.gamma": np.ones(2),
        "layers.0.spline_norm.beta": np.ones(2),
        "layers.0.post.0.scale": np.ones(2),
        "layers.0.post.0.bias": np.ones(2),
    }
    return header, arrays


def write(path, header, arrays):
    np.savez(path, kanhw=json.dumps(header), **arrays)
    return path


def changed(where, value):
    """Change an entry of the header; None takes it away."""

    def apply(header, arrays):
        *steps, last = where
        place = header
        for step in steps:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return apply


def array(name, value):
    def apply(header, arrays):
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value

    return apply


LAYER = ("layers", 0)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (changed(("version",), 2), "version 2 is not what this kanhw reads"),
        (changed(("format",), None), "the header lacks 'format'"),
        (changed(("layers",), {}), "the header.layers must be a list"),
        (changed(("layers",), []), "'layers.0.base_weights' belongs to nothing"),
        (changed(("author",), "me"), "the header has no 'author'"),
        (changed(("shape",), [1.5, 2]), "the header.shape must hold integers"),
        (changed(("shape",), [3, 2]), r"Samples of shape \(3, 2\)"),
        (changed(("source",), 3), "the header.source must be a string"),
        (changed(LAYER, 3), "layers.0 must be a JSON object"),
        (changed((*LAYER, "type"), "rnn"), "layers.0.type must be one of kan, conv, pool"),
        (changed((*LAYER, "type"), "conv"), "layers.0 lacks 'window'"),
        (changed((*LAYER, "basis"), None), "layers.0 lacks 'basis'"),
        (changed((*LAYER, "basis", "kind"), "fourier"), "layers.0.basis.kind must be one of bspl"),
        (changed((*LAYER, "basis", "order"), 3), "layers.0.basis has no 'order'"),
        (changed((*LAYER, "basis", "kind"), "radial"), "'layers.0.centres' is missing"),
        (changed((*LAYER, "base_activation"), None), "base weights but no 'base_activation'"),
        (changed((*LAYER, "base_activation", "name"), "swish"), "Unknown base activation 'swish'"),
        (changed((*LAYER, "base_activation", "name"), 3), "name must be a string, not 3"),
        (changed((*LAYER, "base_activation", "slope"), "1"), "slope must be a number, not '1'"),
        (changed((*LAYER, "spline_norm", "epsilon"), None), "layers.0.spline_norm lacks 'epsilon'"),
        (changed((*LAYER, "symbolic", 0, "function"), "cosh"), "unknown symbolic function 'cosh'"),
        (changed((*LAYER, "symbolic", 0, "j"), 7), "no edge from input 0 to output 7"),
        (changed((*LAYER, "symbolic", 0, "i"), 0.5), "layers.0.symbolic.0.i must be an integer"),
        (changed((*LAYER, "post", 0, "type"), "pool"), "layers.0.post.0.type must be one of"),
        (changed((*LAYER, "post", 0, "arities"), ["2"]), "post.0.arities must hold integers"),
        (changed((*LAYER, "post", 0, "arities"), [3]), "Products takes 4 values, but is given 3"),
        (array("layers.0.coefficients", None), "'layers.0.coefficients' is missing"),
        (array("layers.0.coefficients", np.ones((3, 2))), "numbers along 3 axes, not float64 .3"),
        (array("layers.0.bias", np.array(["a"] * 3)), "'layers.0.bias' must hold numbers"),
        (array("layers.0.bias", np.full(3, np.nan)), "bias holds nan"),
        (array("layers.0.knots", np.ones((2, 8))), "the knot 1 twice"),
        (array("layers.0.knots", np.ones((2, 5))), "order must be at least 1, not 0"),
        (array("layers.0.base_weigths", np.ones(2)), "'layers.0.base_weigths' belongs to nothing"),
    ],
)
def test_damaged_files(tmp_path, harm, message):
    header, arrays = contents()
    path = write(tmp_path / "model.npz", header, arrays)
    assert kanhw.load(path).n_out == 2
    harm(header, arrays)
    with pytest.raises(InputError, match=rf"model.npz: .*{message}"):
        load_neutral(write(path, header, arrays))


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "model.npz"
    with pytest.raises(InputError, match=r"model.npz does not exist"):
        kanhw.load(path)
    path.write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(InputError, match=r"model.npz: it cannot be read as an npz file"):
        kanhw.load(path)
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(InputError, match="it holds a single array"):
        kanhw.load(path)
    np.savez(path, x=np.ones(3))
    with pytest.raises(InputError, match=r"no array 'kanhw'.*no neutral file"):
        kanhw.load(path)
    np.savez(path, kanhw="{")
    with pytest.raises(InputError, match="array 'kanhw' is not readable JSON"):
        kanhw.load(path)
    np.savez(path, kanhw=np.array({"a": 1}, dtype=object))
    with pytest.raises(InputError, match="cannot be read as an npz file of plain arrays"):
        kanhw.load(path)
    empty = {"format": "kanhw-model", "version": 1, "layers": []}
    with pytest.raises(InputError, match="needs at least one layer"):
        kanhw.load(write(path, empty, {}))
    np.savez(path, kanhw=json.dumps([1]))
    with pytest.raises(InputError, match="the header must be a JSON object"):
        kanhw.load(path)
    with pytest.raises(InputError, match="is a neutral file, which takes no option 'layers'"):
        kanhw.load(write(path, *contents()), layers="a")


def test_saving_refuses(tmp_path):
    model = KanModel((layer(np.random.default_rng(0), NoBasis(2), 2),))
    with pytest.raises(InputError, match=r"must end in .npz"):
        save_model(model, tmp_path / "model.zip")
    with pytest.raises(InputError, match="cannot be written"):
        save_model(model, tmp_path / "nowhere" / "model.npz")
    with pytest.raises(TypeError, match="needs a KanModel"):
        save_model(3, tmp_path / "model.npz")

    class Unknown(NoBasis):
        pass

    with pytest.raises(TypeError, match="no neutral form of Unknown"):
        other = layer(np.random.default_rng(0), Unknown(2), 2)
        save_model(KanModel((other,)), tmp_path / "model.npz")
