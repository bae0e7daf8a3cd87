"""Networks of several kinds of modules, from a list of them, against PyTorch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kanhw.errors import InputError
from kanhw.importers import sequential
from kanhw.importers.load import load_model
from kanhw.layers import FastKANLayer, KAGNConv2DLayer, KAGNLayer, KANLinear
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel

CONV = {"type": "kagn_conv2d", "stride": 1, "padding": 1}
POOL = {"type": "avg_pool2d", "kernel_size": 2}
Entry = dict[str, Any]


def state_of(network: nn.Module) -> dict[str, np.ndarray]:
    state = network.state_dict()
    return {k: v.double().numpy() if v.is_floating_point() else v.numpy() for k, v in state.items()}


def shaken(network: nn.Module) -> nn.Module:
    """The network with norms that do something, ready for inference."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in own:
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm) and tensor.ndim:
                with torch.no_grad():
                    tensor.uniform_(0.5 if name == "running_var" else -1, 2, generator=generator)
    return network.eval()


def build(network: nn.Module, modules: list[Entry], **options: Any) -> KanModel:
    return sequential.build(state_of(network), {"modules": modules, **options})


def check(network: nn.Module, model: KanModel) -> None:
    x = 2 * torch.randn(8, *model.input_shape, generator=torch.Generator().manual_seed(1))
    y = network(x).detach().numpy()
    np.testing.assert_allclose(model(x.numpy()), y.reshape(len(x), -1), atol=2e-5)


@pytest.mark.parametrize(
    ("pool", "entry"),
    [
        (nn.AdaptiveAvgPool2d(2), {"type": "adaptive_avg_pool2d", "output_size": 2}),
        (nn.AdaptiveAvgPool2d((1, 3)), {"type": "adaptive_avg_pool2d", "output_size": [1, 3]}),
        (nn.AvgPool2d(2), POOL),
        (nn.AvgPool2d((2, 3), 1), {"type": "avg_pool2d", "kernel_size": [2, 3], "stride": 1}),
        (nn.MaxPool2d(2), {"type": "max_pool2d", "kernel_size": 2, "padding": 0, "dilation": 1}),
        (nn.MaxPool2d(3, 3, ceil_mode=True), {"type": "max_pool2d", "kernel_size": 3,
                                              "ceil_mode": True}),
    ],
)  # fmt: skip
def test_pooling(pool: nn.Module, entry: Entry) -> None:
    torch.manual_seed(0)
    body = nn.Sequential(KAGNConv2DLayer(2, 3, 3, padding=1), pool)
    width = body(torch.zeros(1, 2, 6, 6)).numel()
    network = shaken(nn.Sequential(*body, nn.Flatten(), nn.Linear(width, 2)))
    entries = [CONV, entry, {"type": "flatten"}, {"type": "linear", "in_features": width}]
    model = build(network, entries, input_shape="2,6,6")
    assert [type(layer) for layer in model.layers] == [ConvLayer, PoolLayer, KanLayer]
    check(network, model)


def test_norms_and_activations_join_their_layer_or_stand_alone() -> None:
    torch.manual_seed(0)
    network = shaken(
        nn.Sequential(
            nn.BatchNorm2d(2),  # before anything: a layer of its own
            KAGNConv2DLayer(2, 3, 3, padding=1),
            nn.ReLU(),  # joins the convolution
            nn.BatchNorm2d(3, eps=1e-2),  # after an activation: cannot be folded
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(27, 4, bias=False),
            nn.BatchNorm1d(4),  # folded
            nn.LayerNorm(4, eps=1e-3),
            nn.PReLU(),
            nn.Dropout(),
            nn.Identity(),
            nn.Linear(4, 3),
            nn.GELU(),
        )
    )
    modules = [
        {"type": "batch_norm2d"},
        CONV,
        {"type": "relu", "inplace": False},
        {"type": "batch_norm2d", "eps": 1e-2, "num_features": 3},
        {"type": "tanh"},
        {"type": "flatten", "start_dim": 1},
        {"type": "linear", "in_features": 27, "out_features": 4, "bias": False},
        {"type": "batch_norm1d"},
        {"type": "layer_norm", "eps": 1e-3},
        {"type": "prelu"},
        {"type": "dropout", "p": 0.5},
        {"type": "identity"},
        {"type": "linear"},
        {"type": "gelu"},
    ]
    model = build(network, modules, input_shape=[2, 3, 3])
    check(network, model)
    names = [layer.name for layer in model.layers]
    assert names == ["0", "1", "3", "6", "12"]


def test_kan_layers_of_several_libraries() -> None:
    torch.manual_seed(0)
    network = shaken(
        nn.Sequential(
            nn.LayerNorm(3),
            KANLinear(3, 4),
            nn.SiLU(),
            FastKANLayer(4, 5, denominator=0.8),
            nn.BatchNorm1d(5),
            KAGNLayer(5, 2, base_activation=nn.GELU),
        )
    )
    modules = [
        {"type": "layer_norm"},
        {"type": "efficient_kan", "in_features": 3, "grid_size": 5},
        {"type": "silu"},
        {"type": "fast_kan", "denominator": 0.8, "num_grids": 8},
        {"type": "batch_norm1d"},
        {"type": "kagn", "base_activation": "gelu", "degree": 3},
    ]
    model = build(network, modules)
    check(network, model)
    assert model.source == (
        "nn.Sequential, 6 layers ('0', '1', '2', '3', '4', '5'); base_activation silu (the "
        "library's default)"
    ).replace("6 layers", "5 layers").replace("'2', ", "")
    assert len(model.layers) == 4


def test_names_and_prefixes() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(KAGNConv2DLayer(1, 2, 3, padding=1), nn.MaxPool2d(2), nn.Flatten())
    network = shaken(nn.Sequential(inner, nn.Linear(8, 2)))
    state = {f"net.{name}": value for name, value in state_of(network).items()}
    state = {name.replace("net.0.", "features.").replace("net.1.", "head."): value
             for name, value in state.items()}  # fmt: skip
    modules = [CONV, {"type": "max_pool2d", "kernel_size": 2}, {"type": "flatten"},
               {"type": "linear", "name": "head"}]  # fmt: skip
    options = {"modules": modules, "input_shape": (1, 4, 4)}
    for layers in ({}, {"layers": "features"}):
        check(network, sequential.build(state, {**options, **layers}))


def save(folder: Path, network: nn.Module, config: dict[str, Any]) -> Path:
    torch.save(network.state_dict(), folder / "model.pt")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_options_win_over_entries_and_entries_over_the_rest_of_the_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = shaken(
        nn.Sequential(
            KAGNConv2DLayer(1, 2, 3, padding=1),
            KAGNConv2DLayer(2, 2, 3, padding=1, stride=2),
            nn.Flatten(),
            KAGNLayer(8, 2, base_activation=nn.GELU),
        )
    )
    conv = {"type": "kagn_conv2d"}
    modules = [{**conv, "stride": 2}, conv, {"type": "flatten"}, {"type": "kagn"}]
    config = {"modules": modules, "input_shape": [1, 4, 4], "stride": 1, "padding": 1,
              "base_activation": "gelu", "norm": "batch"}  # fmt: skip
    folder = save(tmp_path, network, config)
    plain = load_model(folder)
    assert isinstance(plain, KanModel)
    windows = [layer.window for layer in plain.layers if isinstance(layer, ConvLayer)]
    assert [(w.stride, w.padding) for w in windows] == [((2, 2), (1, 1)), ((1, 1), (1, 1))]
    model = load_model(folder, stride="1,2")
    assert isinstance(model, KanModel)
    check(network, model)
    text = json.dumps([{**conv, "padding": 1, "stride": s} for s in (1, 2)] + modules[2:])
    other = load_model(
        folder / "model.pt", modules=text, input_shape="1,4,4", base_activation="gelu"
    )
    assert isinstance(other, KanModel)
    check(network, other)


def changed(modules: list[Entry], place: int, **changes: Any) -> list[Entry]:
    return [{**entry, **(changes if i == place else {})} for i, entry in enumerate(modules)]


MODULES: list[Entry] = [CONV, POOL, {"type": "flatten"}, {"type": "linear"}]


@pytest.mark.parametrize(
    ("modules", "options", "message"),
    [
        ([], {}, r"^modules must be a list of objects with a 'type', not \[\]$"),
        ("{", {}, r"^The option modules is not readable JSON: "),
        ('{"type": "linear"}', {}, r"^modules must be a list of objects with a 'type', not a dict"),
        (["linear"], {}, r"^modules\[0\] must be an object with a 'type', not 'linear'$"),
        ([{"type": "lstm"}], {}, r"^modules\[0\] has the unknown type 'lstm': kanhw knows kagn_c"),
        (
            changed(MODULES, 1, window=3),
            {},
            r"^modules\[1\] \(avg_pool2d\) says 'window', which kanhw does not know: allowed are",
        ),
        (MODULES, {"input_shape": None}, r"^input_shape is not in the checkpoint: pass input_sha"),
        (
            [{"type": "kagn_conv2d", "stride": 1}, *MODULES[1:]],
            {},
            r"^Module '0': padding is not in the checkpoint: pass padding=\.\.\. \(load\) or --o",
        ),
        (MODULES[:3], {}, r"^Tensor '3\.weight' belongs to none of the 3 modules: the list must n"),
        (
            [*MODULES[:2], *MODULES[3:]],
            {},
            r"^modules\[2\] is linear, but the checkpoint holds no tensor under '2\.': the list mu",
        ),
        (
            [*MODULES[:3], {"type": "flatten"}],
            {},
            r"^modules\[3\] is flatten, but the checkpoint holds '3\.weight' there: the list must ",
        ),
        (changed(MODULES, 0, in_channels=3), {}, r"^Module '0': in_channels=3 contradicts its te"),
        (changed(MODULES, 0, out_channels=3), {}, r"^Module '0': out_channels=3 contradicts its "),
        (changed(MODULES, 0, groups=2), {}, r"^Module '0': groups=2 contradicts its tensors, whi"),
        (changed(MODULES, 0, kernel_size=5), {}, r"^Module '0': kernel_size=5 contradicts its te"),
        (changed(MODULES, 0, degree=5), {}, r"^degree=5 contradicts tensor '0\.beta_weights', wh"),
        (changed(MODULES, 3, in_features=9), {}, r"^Module '3': in_features=9 contradicts its te"),
        (changed(MODULES, 3, out_features=9), {}, r"^Module '3': out_features=9 contradicts its "),
        (
            [CONV, {"type": "adaptive_avg_pool2d", "output_size": 3}, *MODULES[2:]],
            {},
            r"^Module '1': an image of 4x4 has no 3x3 equal parts, so the windows of adaptive pool",
        ),
        (changed(MODULES, 1, padding=1), {}, r"^Module '1': pooling with padding=1 is not suppor"),
        (
            changed(MODULES, 1, type="max_pool2d", dilation=2),
            {},
            r"^Module '1': pooling with dilation=2 is not supported$",
        ),
        (
            changed(MODULES, 1, kernel_size=3, ceil_mode=True),
            {},
            r"^Module '1': ceil_mode pools beyond the edge of \(2, 4, 4\), which is not supported$",
        ),
        (
            [CONV, {"type": "max_pool2d"}, *MODULES[2:]],
            {},
            r"^Module '1' \(max_pool2d\) needs 'kernel_size'$",
        ),
        (changed(MODULES, 2, start_dim=2), {}, r"^Module '2': flatten must keep the batch axis al"),
        (
            [*MODULES[:2], {"type": "identity"}, MODULES[3]],
            {},
            r"^3 takes 8 features, but is given an image \(2, 2, 2\): flatten it first$",
        ),
        ([CONV, {"type": "flatten"}, POOL, MODULES[3]], {}, r"^2 takes an image \(C, H, W\), but"),
        (MODULES, {"input_shape": (1, 6, 6)}, r"^3 takes 8 features, but is given 18$"),
        (MODULES, {"input_shape": (1, 6)}, r"^The option input_shape is channels, height and widt"),
        (MODULES, {"stride": "1,2"}, r"^The option stride has 2 values for 1 convolution: give on"),
        (MODULES, {"norm": "instance2d", "eps": 1}, None),
    ],
)
def test_refuses(modules: Any, options: dict[str, Any], message: str | None) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        KAGNConv2DLayer(1, 2, 3, padding=1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 2)
    )
    given = {"modules": modules, "input_shape": (1, 4, 4), **options}
    assert sequential.matches(state_of(network))
    if message is None:
        assert sequential.build(state_of(network), given).n_out == 2
        return
    with pytest.raises(InputError, match=message) as caught:
        sequential.build(state_of(network), given)
    assert "\n" not in str(caught.value)


def test_refuses_an_activation_before_anything_and_misfits() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Linear(2, 2), nn.BatchNorm1d(2))
    with pytest.raises(InputError, match=r"^0 is the first module: how many features it takes is"):
        build(network, [{"type": "relu"}, {"type": "linear"}, {"type": "batch_norm1d"}])
    model = build(
        network.eval(),
        [{"type": "relu"}, {"type": "linear"}, {"type": "batch_norm1d"}],
        input_shape="2",
    )
    check(network, model)
    misfit = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(2))
    with pytest.raises(InputError, match=r"^1 is of 2 features, but is given 3$"):
        build(misfit, [{"type": "linear"}, {"type": "batch_norm1d"}])
    state = {"0.weight": np.ones((2, 2)), "0.bias": np.ones(3)}
    with pytest.raises(InputError, match=r"^Tensor '0\.bias' must have shape \[2\] to fit '0\.we"):
        sequential.build(state, {"modules": [{"type": "linear"}]})
    with pytest.raises(TypeError, match=r"^The option layers must be a string, not 3$"):
        sequential.build(state, {"modules": [{"type": "linear"}], "layers": 3})


def test_refuses_configs_of_a_wrong_type(tmp_path: Path) -> None:
    network = nn.Sequential(KAGNConv2DLayer(1, 2, 3))
    for config, message in (
        ({"modules": {}}, r"config\.json: 'modules' must be a list of objects, not a dict of 0$"),
        ({"stride": "1"}, r"config\.json: 'stride' must be an integer, or a list of them, not '1'"),
        ({"degree": True}, r"config\.json: 'degree' must be an integer, not True$"),
        ({"norm": 3}, r"config\.json: 'norm' must be a name, not 3$"),
        ({"layernorm": 1}, r"config\.json: 'layernorm' must be true or false, not 1$"),
        ({"modules": ["x"]}, r"modules\[0\] must be an object with a 'type', not 'x'$"),
    ):
        folder = save(tmp_path, network, config)
        with pytest.raises(InputError, match=message):
            load_model(folder)
