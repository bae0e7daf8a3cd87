"""From PyTorch networks of KAN layers to the record, and from the record back."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from kanhw.errors import InputError
from kanhw.importers import chebykan, gramkan
from kanhw.layers import (
    KAGN,
    KAN,
    FastKAN,
    FastKANLayer,
    KAGNConv2DLayer,
    KAGNLayer,
    KANLinear,
    model_of,
    module_of,
)
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.convolution import ConvLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.model.symbolic import SymbolicEdge
from kanhw.windows import Window


def check(network: nn.Module, model: KanModel) -> None:
    x = 2 * torch.randn(8, *model.input_shape, generator=torch.Generator().manual_seed(1))
    y = network.eval()(x).detach().numpy()
    np.testing.assert_allclose(model(x.numpy()), y.reshape(len(x), -1), atol=2e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: KAN([3, 4, 2], scale_noise=1.0),
        lambda: KAN([3, 4, 2], 7, 2, base_activation=nn.PReLU, scale_spline=0.3),
        lambda: FastKAN([3, 4, 2]),
        lambda: KAGN([3, 4, 2]),
        lambda: KANLinear(3, 2),
        lambda: FastKANLayer(3, 2, use_layernorm=False, denominator=1.2),
        lambda: nn.Sequential(KAGNLayer(3, 4), nn.Dropout(), nn.Linear(4, 2), nn.Tanh()),
        lambda: nn.Sequential(
            nn.Sequential(FastKAN([3, 4, 4]), nn.BatchNorm1d(4)), nn.LayerNorm(4), KAN([4, 2, 2])
        ),
    ],
)
def test_features_there_and_back(make: Any) -> None:
    torch.manual_seed(0)
    network = make().eval()
    model = model_of(network)
    check(network, model)
    assert model.source == f"kanhw.layers.{type(network).__name__}"
    back = module_of(model)
    check(back, model)
    if isinstance(network, KAN | FastKAN | KAGN):
        assert type(back) is type(network)
        assert list(back.state_dict()) == list(network.state_dict())
        back.load_state_dict(network.state_dict(), strict=True)
        check(back, model)


def test_images_there_and_back() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        KAGNConv2DLayer(2, 4, 3, padding=1, groups=2),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        KAGNConv2DLayer(4, 3, (2, 1), degree=2, stride=(1, 2), norm_layer=nn.Identity),
        nn.Dropout2d(),
        nn.AvgPool2d(1),
        nn.Flatten(),
        FastKANLayer(12, 3),
    )
    network(torch.randn(64, 2, 6, 6))
    model = model_of(network, (2, 6, 6))
    check(network, model)
    with pytest.raises(InputError, match=r"^2: the only trainable convolution is KAGN's, with sil"):
        module_of(model)
    del network[2]
    model = model_of(network.eval(), (2, 6, 6))
    check(module_of(model), model)


def test_output_of_images_is_flat() -> None:
    layer = KAGNConv2DLayer(1, 2, 3).eval()
    model = layer.to_model((1, 4, 4))
    assert module_of(model)(torch.zeros(3, 1, 4, 4)).shape == (3, 8)


def test_uneven_and_zero_parts_survive() -> None:
    rng = np.random.default_rng(0)
    knots = np.cumsum(rng.uniform(0.1, 1, (3, 9)), axis=1) - 2
    layer = KanLayer(
        BSplineBasis(knots, 2), rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 3)),
        Activation("zero"), np.zeros(2), "odd", post=(Activation("relu"),),
    )  # fmt: skip
    model = KanModel((layer,))
    check(module_of(model), model)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(), r"^The network has no modules$"),
        (nn.Conv2d(1, 1, 1), r"^kanhw cannot convert the module 'network', Conv2d: it knows KANL"),
        (nn.Sequential(nn.Linear(1, 1), nn.Softmax(-1)), r"^kanhw cannot convert the module '1',"),
        (nn.Sequential(nn.GELU("tanh")), r"^kanhw has no equal of the base activation GELU\("),
        (nn.Sequential(nn.AvgPool2d(2, divisor_override=3)), r"^Pooling with divisor_override is "),
    ],
)  # fmt: skip
def test_model_of_refuses(network: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        model_of(network)


def spline(**changes: Any) -> KanLayer:
    return replace(model_of(KAN([2, 2])).layers[0], name="first", **changes)


def conv() -> ConvLayer:
    taps = KanLayer(
        NoBasis(4), np.zeros((1, 4, 0)), np.ones((1, 4)), Activation("identity"), np.zeros(1), "c"
    )
    return ConvLayer(taps, Window((1, 3, 3), (2, 2)))


CLOSE = np.array([[0.0, 1.0, 1.0 + 1e-12, 2.0]] * 2)
CHEBY = chebykan.build({"0.cheby_coeffs": np.ones((2, 2, 3))}, {})
GRAM = gramkan.build({"0.basis_weights": np.ones((2, 2, 3)), "0.beta_weights": np.zeros(3)}, {})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (spline(bias=np.ones(2)), r"^first has a bias, which EfficientKAN's layers have not: it "),
        (
            spline(spline_norm=model_of(FastKAN([2, 2])).layers[0].spline_norm),
            r"^first has a normalisation in front of its splines: it has no trainable equal$",
        ),
        (
            spline(basis=BSplineBasis(CLOSE, 1), coefficients=np.ones((2, 2, 2))),
            r"^first has knots too close for torch\.float32: it has no trainable equal$",
        ),
        (spline(symbolic=(SymbolicEdge(0, 0, "sin", 1, 0, 1, 0),)), r"^first: symbolic edges ha"),
        (spline(post=(Activation("zero"),)), r"^first: Activation has no trainable equal$"),
        (CHEBY.layers[0], r"^0: kanhw has no trainable layer with a ChebyshevBasis$"),
        (GRAM.layers[0], r"^0: the only trainable layer of Gram polynomials is KAGN's, with one "),
        (conv(), r"^c: the only trainable convolution is KAGN's"),
    ],
)  # fmt: skip
def test_module_of_refuses(layer: Any, message: str) -> None:
    shape = (1, 3, 3) if isinstance(layer, ConvLayer) else None
    with pytest.raises(InputError, match=message):
        module_of(KanModel((layer,), shape=shape))
