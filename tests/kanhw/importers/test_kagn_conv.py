"""KAGN convolutions: level 0 against the library, the equations, and the trainable layer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kanhw.errors import InputError
from kanhw.importers import kagn_conv
from kanhw.importers.load import load_model
from kanhw.layers import KAGNConv2DLayer, module_of
from kanhw.model.convolution import ConvLayer
from kanhw.model.network import KanModel

State = dict[str, np.ndarray]
PLAIN = {"stride": 1, "padding": 0, "input_shape": (2, 5, 6)}


@pytest.fixture(scope="module")
def folder(shared_folder: Path) -> Path:
    return shared_folder / "fixtures" / "kan_libraries" / "kagn_conv_digits"


def check(model: Callable[[np.ndarray], np.ndarray], folder: Path) -> None:
    vectors = np.load(folder / "vectors.npz")
    tolerance = 1e-5 * (vectors["y"].max() - vectors["y"].min())
    for x, y in (("x", "y"), ("x_far", "y_far")):
        assert vectors[x].size
        assert np.abs(model(vectors[x]) - vectors[y]).max() <= tolerance


def test_equals_the_library(folder: Path) -> None:
    model = load_model(folder)
    assert isinstance(model, KanModel)
    assert model.input_shape == (1, 8, 8)
    assert model.source == (
        "model.pt: nn.Sequential, 3 layers ('0', '1', '4'); dilation 1 (the library's default); "
        "degree, input_shape, modules from config.json"
    )
    check(model, folder)


def test_layers_equal_the_library(folder: Path) -> None:
    network = nn.Sequential(
        KAGNConv2DLayer(1, 8, 3, padding=1),
        KAGNConv2DLayer(8, 16, 3, padding=1, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    ).eval()
    state = torch.load(folder / "model.pt", weights_only=True)
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state, strict=True)
    check(lambda x: network(torch.from_numpy(x)).detach().numpy(), folder)
    model = load_model(folder)
    assert isinstance(model, KanModel)
    check(lambda x: module_of(model).eval()(torch.from_numpy(x)).detach().numpy(), folder)


def by_the_equations(
    state: State, prefix: str, x: np.ndarray, norm: bool, eps: float = 1e-5, **options: Any
) -> np.ndarray:
    """One layer in torch float64: pad the basis values, then convolve, group by group."""
    t = {name.removeprefix(prefix): torch.from_numpy(v) for name, v in state.items()}
    poly, beta = t["poly_weights"], t["beta_weights"]
    silu = nn.functional.silu
    outputs = []
    for g, part in enumerate(torch.from_numpy(x).chunk(len(poly), dim=1)):
        y = nn.functional.conv2d(silu(part), t[f"base_conv.{g}.weight"], **options)
        before, now = torch.zeros_like(part), torch.ones_like(part)
        channels = part.shape[1]
        for d in range(len(beta)):
            kernel = poly[g][:, d * channels : (d + 1) * channels]
            y = y + nn.functional.conv2d(silu(now), kernel, **options)
            m = d + 1
            q = (2 * m - 1) * (m - 1) ** 2 * (4 * (m - 1) ** 2 - 1) / m**2 * beta[d]
            before, now = now, torch.tanh(part) * now - q * before
        if norm:
            mean, var, gamma, shift = (
                t[f"layer_norm.{g}.{name}"][:, None, None]
                for name in ("running_mean", "running_var", "weight", "bias")
            )
            y = (y - mean) / torch.sqrt(var + eps) * gamma + shift
        outputs.append(silu(y))
    return torch.cat(outputs, dim=1).numpy()


def make_state(
    prefix: str = "0.",
    n_in: int = 2,
    n_out: int = 4,
    size: tuple[int, int] = (3, 3),
    degree: int = 3,
    groups: int = 1,
    norm: bool = True,
    affine: bool = True,
    seed: int = 0,
) -> State:
    rng = np.random.default_rng(seed)
    rows, columns = n_out // groups, n_in // groups
    state: State = {
        "poly_weights": rng.standard_normal((groups, rows, (degree + 1) * columns, *size)),
        "beta_weights": rng.standard_normal(degree + 1) * 0.1,
    }
    for g in range(groups):
        state[f"base_conv.{g}.weight"] = rng.standard_normal((rows, columns, *size))
        if norm:
            state[f"layer_norm.{g}.running_mean"] = rng.standard_normal(rows)
            state[f"layer_norm.{g}.running_var"] = rng.uniform(0.0, 2, rows)
            state[f"layer_norm.{g}.num_batches_tracked"] = np.array(7)
        if norm and affine:
            state[f"layer_norm.{g}.weight"] = rng.standard_normal(rows)
            state[f"layer_norm.{g}.bias"] = rng.standard_normal(rows)
    return {f"{prefix}{name}": value for name, value in state.items()}


@given(
    groups=st.integers(1, 3),
    channels=st.integers(1, 2),
    rows=st.integers(1, 2),
    size=st.sampled_from([(1, 1), (2, 2), (3, 3), (3, 1)]),
    degree=st.integers(0, 5),
    stride=st.sampled_from([(1, 1), (2, 2), (2, 1)]),
    padding=st.sampled_from([(0, 0), (1, 1), (0, 2)]),
    dilation=st.sampled_from([(1, 1), (2, 2)]),
    norm=st.booleans(),
    prefix=st.sampled_from(["", "0.", "features.3."]),
    seed=st.integers(0, 1000),
)
def test_equals_the_equations(
    groups: int,
    channels: int,
    rows: int,
    size: tuple[int, int],
    degree: int,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    norm: bool,
    prefix: str,
    seed: int,
) -> None:
    n_in, n_out = groups * channels, groups * rows
    state = make_state(prefix, n_in, n_out, size, degree, groups, norm, seed=seed)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    told = {name: f"{pair[0]}x{pair[1]}" for name, pair in options.items()}
    model = kagn_conv.build(
        state,
        {**told, "input_shape": f"{n_in},6,7", **({} if norm else {"norm": "none"})},
    )
    x = np.random.default_rng(seed).uniform(-4, 4, (3, n_in, 6, 7))
    expected = by_the_equations(state, prefix, x, norm, **options)
    (layer,) = model.layers
    assert isinstance(layer, ConvLayer)
    assert layer.out_shape == expected.shape[1:]
    np.testing.assert_allclose(
        model(x), expected.reshape(len(x), -1), rtol=1e-7, atol=1e-8 * np.abs(expected).max()
    )
    # Groups do not mix.
    assert layer.active_edges == n_out * channels * size[0] * size[1]


def test_norm_without_affine_and_eps() -> None:
    state = make_state(affine=False)
    x = np.random.default_rng(0).uniform(-2, 2, (2, 2, 5, 6))
    full = {
        **state, "0.layer_norm.0.weight": np.ones(4), "0.layer_norm.0.bias": np.zeros(4)
    }  # fmt: skip
    for eps in (1e-5, 0.1):
        expected = by_the_equations(full, "0.", x, norm=True, eps=eps)
        model = kagn_conv.build(state, {**PLAIN, "eps": eps})
        np.testing.assert_allclose(model(x), expected.reshape(2, -1), atol=1e-9)


def test_instance_norm_with_running_statistics_is_a_batch_norm() -> None:
    state = make_state()
    x = np.random.default_rng(0).uniform(-2, 2, (2, 2, 5, 6))
    batch = kagn_conv.build(state, PLAIN)
    instance = kagn_conv.build(state, {**PLAIN, "norm": "InstanceNorm2d"})
    np.testing.assert_array_equal(batch(x), instance(x))


def test_options_one_for_all_or_one_each() -> None:
    state = {**make_state("0.", 2, 4), **make_state("1.module.", 4, 2)}
    x = np.random.default_rng(0).uniform(-2, 2, (2, 2, 9, 9))
    hidden = by_the_equations(state, "0.", x, True, stride=(2, 1), padding=1)
    expected = by_the_equations(state, "1.module.", hidden, True, stride=1, padding=1)
    for stride in ("2x1,1", [[2, 1], 1], ("2x1", 1)):
        options = {"stride": stride, "padding": "1", "input_shape": [2, 9, 9], "norm": "batch"}
        model = kagn_conv.build(state, options)
        np.testing.assert_allclose(model(x), expected.reshape(2, -1), atol=1e-8)
    assert model.source == (
        "KAGN convolutions, 2 layers ('0', '1'); dilation 1 (the library's default)"
    )


def test_from_a_file_with_a_flat_config(tmp_path: Path) -> None:
    torch.save({k: torch.from_numpy(v) for k, v in make_state().items()}, tmp_path / "net.pt")
    asked = r"net\.pt: stride, padding and input_shape are not in the checkpoint: pass stride="
    with pytest.raises(InputError, match=asked):
        load_model(tmp_path / "net.pt")
    (tmp_path / "config.json").write_text(
        '{"stride": 1, "padding": 2, "input_shape": [2, 5, 6], "norm": "batch", "layers": [3]}'
    )
    model = load_model(tmp_path / "net.pt")
    assert isinstance(model, KanModel)
    assert model.n_out == 4 * 7 * 8
    assert model.source.endswith("; norm, stride, padding, input_shape from config.json")
    other = load_model(tmp_path / "net.pt", padding=0)
    assert isinstance(other, KanModel)
    assert other.n_out == 4 * 3 * 4


def without(*names: str, **changes: np.ndarray) -> State:
    state = {name: value for name, value in make_state().items() if name[2:] not in names}
    return {**state, **{f"0.{name.replace('__', '.')}": v for name, v in changes.items()}}


NO_STATISTICS = ("layer_norm.0.running_mean", "layer_norm.0.running_var")
NO_NORM = (
    *NO_STATISTICS,
    *(f"layer_norm.0.{name}" for name in ("num_batches_tracked", "weight", "bias")),
)


@pytest.mark.parametrize(
    ("state", "options", "message"),
    [
        (
            make_state(),
            {"stride": 1, "input_shape": (2, 5, 5)},
            r"^padding is not in .*: pass padding=\.\.\. \(load\) or --option padding=\.\.\., or",
        ),
        (make_state(), {"padding": 1, "input_shape": (2, 5, 5)}, r"^stride is not in the checkpoi"),
        (make_state(), {"padding": 1, "stride": 1}, r"^input_shape is not in the checkpoint: pass"),
        (without(*NO_NORM), PLAIN, r"^norm is not in the checkpoint: pass norm=\.\.\. \(load\)"),
        (without(*NO_STATISTICS), PLAIN, r"^norm is not in the checkpoint: pass norm=\.\.\. \(loa"),
        (
            without(*NO_NORM),
            {**PLAIN, "norm": "instance"},
            r"^norm='instance' takes mean and .*: train with norm_layer=nn\.BatchNorm2d$",
        ),
        (
            without(*NO_STATISTICS),
            {**PLAIN, "norm": "nn.InstanceNorm2d"},
            r"^norm='nn\.InstanceNorm2d' takes mean and variance of every image",
        ),
        (
            without(*NO_STATISTICS),
            {**PLAIN, "norm": "batch"},
            r"^norm='batch', but there is no tensor '0\.layer_norm\.0\.running_mean': without runn",
        ),
        (
            without(*NO_STATISTICS),
            {**PLAIN, "norm": "GroupNorm"},
            r"^norm='GroupNorm' \(it has tensors\) is no norm that can be folded: train with nn\.B",
        ),
        (make_state(), {**PLAIN, "norm": "none"}, r"^norm='none' contradicts the tensors of '0\.l"),
        (without(poly_conv__weight=np.ones(1)), PLAIN, r"'0\.poly_conv\.weight' is of .* V2 layer"),
        (without("poly_weights", poly_weights=np.ones((1, 4, 8, 3))), PLAIN, r"1-dimensional conv"),
        (
            without("poly_weights", poly_weights=np.ones((1, 4, 8, 3, 3, 3))),
            PLAIN,
            r"^Tensor '0\.poly_weights' is of a 3-dimensional convolution: kanhw reads convolution",
        ),
        (without("poly_weights", poly_weights=np.ones(2)), PLAIN, r"weights' must have 5 dimensio"),
        (without("beta_weights"), PLAIN, r"^Tensor '0\.beta_weights' is missing"),
        (without(beta_weights=np.ones(3)), PLAIN, r"has 8 channels, which is no multiple of the 3"),
        (without("base_conv.0.weight"), PLAIN, r"^Tensor '0\.base_conv\.0\.weight' is missing"),
        (
            without(base_conv__0__weight=np.ones((4, 1, 3, 3))),
            PLAIN,
            r"^Tensor '0\.base_conv\.0\.weight' must have shape \[4, 2, 3, 3\] to fit",
        ),
        (without(prelus__0__weight=np.ones(1)), PLAIN, r"KAGNConv2DLayer has no such parameter"),
        (
            without(layer_norm__0__running_var=-np.ones(4)),
            PLAIN,
            r"^Tensor '0\.layer_norm\.0\.running_var' holds a negative variance$",
        ),
        (
            without(layer_norm__0__bias=np.ones(3)),
            PLAIN,
            r"^The tensors of the BatchNorm '0\.layer_norm\.0' differ in shape$",
        ),
        (
            without(**{f"layer_norm__0__{n}": np.ones(3) for n in (
                "weight", "bias", "running_mean", "running_var")}),
            PLAIN,
            r"^Tensor '0\.layer_norm\.0\.running_mean' must have shape \[4\] to fit",
        ),
        (make_state(), {**PLAIN, "input_shape": (3, 5, 5)}, r"^0 takes images of 2 channels, but"),
        (make_state(), {**PLAIN, "input_shape": (5, 5)}, r"^The option input_shape is channels, h"),
        (make_state(), {**PLAIN, "input_shape": "2,5,x"}, r"^The option input_shape must be made"),
        (make_state(), {**PLAIN, "input_shape": (2, 2, 5)}, r"^Windows of \(3, 3\) .* do not fit"),
        (make_state(), {**PLAIN, "stride": [1, 2]}, r"^The option stride has 2 values for 1 conv"),
        (make_state(), {**PLAIN, "stride": "1x2x3"}, r"^The option stride is one number, or rows"),
        (make_state(), {**PLAIN, "stride": 0}, r"^A window's stride must be 2 integers of at lea"),
        (make_state(), {**PLAIN, "padding": "same"}, r"^The option padding must be made of integ"),
        (make_state(), {**PLAIN, "padding": "[1"}, r"^'\[1' is not readable JSON: "),
        (make_state(), {**PLAIN, "degree": 2}, r"^degree=2 contradicts tensor '0\.beta_weights', "),
        (
            {**make_state(), "3.weight": np.ones((2, 2))},
            PLAIN,
            r"^The checkpoint holds more than KAGN convolutions \(tensor '3\.weight'\): list all ",
        ),
        (
            {**make_state("0."), **make_state("2.", 4, 4)},
            PLAIN,
            r"^Module '1' stands between the KAGN convolutions: list all its modules in order, p",
        ),
        (
            {**make_state("0."), "1.weight": np.ones((2, 2))},
            {**PLAIN, "layers": "0,1"},
            r"^Other layers among KAGN convolutions are read from 'modules' only$",
        ),
        (
            {**make_state("0.", 2, 4), **make_state("1.", 2, 4)},
            PLAIN,
            r"^1 takes images of 2 channels, but is given \(4, 3, 4\)$",
        ),
    ],
)  # fmt: skip
def test_refuses(state: State, options: dict[str, Any], message: str) -> None:
    assert kagn_conv.matches(state)
    with pytest.raises(InputError, match=message) as caught:
        kagn_conv.build(state, options)
    assert "\n" not in str(caught.value)


# The trainable layer ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"degree": 0, "padding": 1},
        {"degree": 5, "groups": 2, "stride": 2, "padding": 1},
        {"dilation": 2, "padding": (0, 2), "dropout": 0.5},
        {"norm_layer": nn.Identity},
        {"affine": False, "eps": 1e-2},
    ],
)
def test_to_model_equals_the_layer(options: dict[str, Any]) -> None:
    torch.manual_seed(2)
    layer = KAGNConv2DLayer(2, 4, 3, **options)
    x = 2 * torch.randn(32, 2, 6, 7)
    layer(x)  # gives the BatchNorm some statistics
    layer.eval()
    y = layer(x).detach().numpy()
    record = layer.to_model((2, 6, 7))
    assert record.input_shape == (2, 6, 7)
    np.testing.assert_allclose(record(x.numpy()), y.reshape(len(x), -1), atol=1e-4)
    back = module_of(record).eval()
    np.testing.assert_allclose(back(x).detach().numpy(), y.reshape(len(x), -1), atol=1e-4)
    # What it saved is read as by anyone.
    state = {name: value.numpy() for name, value in layer.state_dict().items()}
    told = {k: v for k, v in options.items() if k in ("stride", "dilation", "padding", "eps")}
    told["padding"] = [told["padding"]] if "padding" in told else 0
    told = {"stride": 1, **told, **({"norm": "none"} if "norm_layer" in options else {})}
    loaded = kagn_conv.build(state, {**told, "input_shape": (2, 6, 7)})
    np.testing.assert_allclose(loaded(x.numpy()), record(x.numpy()), atol=1e-6)


def test_learns_and_prints_its_sizes() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        KAGNConv2DLayer(1, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)
    )
    x = torch.randn(64, 1, 5, 5)
    target = x.square().mean(dim=(1, 2, 3))[:, None]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert "1, 4, degree=3, groups=1, stride=(1, 1), padding=(1, 1)" in repr(network)


def test_layer_refuses() -> None:
    with pytest.raises(InputError, match=r"^2 groups do not divide 3 input and 4 output channels$"):
        KAGNConv2DLayer(3, 4, 3, groups=2)
    with pytest.raises(InputError, match=r"^stride must be at least 1, not 0$"):
        KAGNConv2DLayer(3, 4, 3, stride=0)
    with pytest.raises(InputError, match=r"^kernel_size must be one integer, or rows and columns"):
        KAGNConv2DLayer(3, 4, (1, 2, 3))
    layer = KAGNConv2DLayer(3, 4, 3, norm_layer=nn.InstanceNorm2d)
    with pytest.raises(InputError, match=r"^KAGNConv2DLayer takes images \[N, 3, H, W\], but the "):
        layer(torch.zeros(1, 2, 5, 5))
    assert layer(torch.zeros(1, 3, 5, 5)).shape == (1, 4, 3, 3)
    with pytest.raises(InputError, match=r"^norm='InstanceNorm2d' takes mean and variance of ever"):
        layer.to_model((3, 5, 5))
