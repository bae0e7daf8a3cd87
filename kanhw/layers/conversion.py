"""From a PyTorch network of KAN layers to the float record, and from the record back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers import sequential
from kanhw.layers.common import activation_name, arrays, maker
from kanhw.layers.efficient_kan import KAN, KANLinear
from kanhw.layers.fast_kan import FastKAN, FastKANLayer
from kanhw.layers.kagn import KAGN, KAGNLayer
from kanhw.layers.kagn_conv import KAGNConv2DLayer
from kanhw.model.activation import Activation
from kanhw.model.bases.basis import NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.norm import LayerNorm

__all__ = ["model_of", "module_of"]

Entry = dict[str, Any]

# From PyTorch to the record ---------------------------------------------------------------------


def model_of(network: nn.Module, input_shape: Sequence[int] | None = None) -> KanModel:
    """Convert a network as it is now to the float record that quantization starts from.

    Parameters
    ----------
    network
        An ``nn.Sequential`` of kanhw's layers and networks, linear layers, norms, pooling,
        flatten, activations and Dropout; or one of kanhw's own networks.
    input_shape
        (C, H, W) where the network takes images.

    Raises
    ------
    InputError
        If a module is none of these, or cannot be folded.
    """
    entries = list(_entries(network, ""))
    if not entries:
        raise InputError("The network has no modules")
    options: Entry = {"modules": entries}
    if input_shape is not None:
        options["input_shape"] = list(input_shape)
    # A network that is one layer has no prefix to its tensors; the list of modules needs one.
    start = "network." if entries[0]["name"] == "network" else ""
    state = {f"{start}{key}": value for key, value in arrays(network).items()}
    model = sequential.build(state, options)
    return KanModel(model.layers, f"kanhw.layers.{type(network).__name__}", model.shape)


def _entries(module: nn.Module, name: str) -> Iterator[Entry]:
    """The entries of a module and all that is in it, in order."""
    if isinstance(module, nn.Sequential | KAN | FastKAN | KAGN):
        children = module if isinstance(module, nn.Sequential) else module.layers
        inside = "" if isinstance(module, nn.Sequential) else "layers."
        start = f"{name}." if name else ""
        for index, child in enumerate(children):
            yield from _entries(child, f"{start}{inside}{index}")
        return
    describe = _DESCRIBED.get(type(module))
    if describe is None:
        raise InputError(
            f"kanhw cannot convert the module {name or 'network'!r}, {type(module).__name__}: it "
            f"knows {', '.join(kind.__name__ for kind in _DESCRIBED)} and nn.Sequential"
        )
    yield {**describe(module), "name": name or "network"}


def _fast_kan(module: Any) -> Entry:
    entry = {"type": "fast_kan", "denominator": module.rbf.denominator}
    if module.base_linear is not None:
        entry["base_activation"] = activation_name(module.base_activation)
    if module.layernorm is not None:
        entry["eps"] = module.layernorm.eps
    return entry


def _kagn(module: Any) -> Entry:
    name = activation_name(module.base_activation)
    return {"type": "kagn", "base_activation": name, "eps": module.norm.eps}


def _pool(module: Any) -> Entry:
    if getattr(module, "divisor_override", None) is not None:
        raise InputError("Pooling with divisor_override is not supported")
    kind = "max_pool2d" if isinstance(module, nn.MaxPool2d) else "avg_pool2d"
    names = ("kernel_size", "stride", "padding", "ceil_mode", "dilation")
    return {"type": kind, **{n: getattr(module, n) for n in names if hasattr(module, n)}}


def _simple(kind: str, *names: str) -> Callable[[Any], Entry]:
    def describe(module: Any) -> Entry:
        return {"type": kind, **{name: getattr(module, name) for name in names}}

    return describe


def _activation(module: Any) -> Entry:
    return {"type": activation_name(module)}


_DESCRIBED: dict[type[nn.Module], Callable[[Any], Entry]] = {
    KANLinear: lambda m: {
        "type": "efficient_kan",
        "base_activation": activation_name(m.base_activation),
    },
    FastKANLayer: _fast_kan,
    KAGNLayer: _kagn,
    KAGNConv2DLayer: lambda m: {"type": "kagn_conv2d", **m.options()},
    nn.Linear: _simple("linear"),
    nn.Flatten: _simple("flatten", "start_dim", "end_dim"),
    nn.AdaptiveAvgPool2d: _simple("adaptive_avg_pool2d", "output_size"),
    nn.AvgPool2d: _pool,
    nn.MaxPool2d: _pool,
    nn.BatchNorm1d: _simple("batch_norm1d", "eps"),
    nn.BatchNorm2d: _simple("batch_norm2d", "eps"),
    nn.LayerNorm: _simple("layer_norm", "eps"),
    nn.Dropout: _simple("dropout"),
    nn.Dropout1d: _simple("dropout"),
    nn.Dropout2d: _simple("dropout"),
    nn.Identity: _simple("identity"),
    **dict.fromkeys((nn.SiLU, nn.ReLU, nn.GELU, nn.Tanh, nn.PReLU), _activation),
}

# From the record to PyTorch ---------------------------------------------------------------------


def module_of(model: KanModel) -> nn.Module:
    """Make the trainable network of a model.

    It computes the same function, in PyTorch's default type. What was folded stays folded: an
    EfficientKAN gets scalers of 1, a convolution a BatchNorm without effect and one group (weights
    between groups are 0), and a KAGN layer's bias, which is act(1) times the sum of all weights of
    P_0, is spread evenly over the weights of P_0.

    Returns
    -------
    nn.Module
        A :class:`KAN`, :class:`FastKAN` or :class:`KAGN` if every layer is of that kind, else an
        ``nn.Sequential``. It takes ``[N, *model.input_shape]``.

    Raises
    ------
    InputError
        If a layer has no trainable equal; the message names it.
    """
    modules = [module for layer in model.layers for module in _modules(layer)]
    modules = _flattened(model, modules)
    for network, kind in ((KAN, KANLinear), (FastKAN, FastKANLayer), (KAGN, KAGNLayer)):
        if all(isinstance(module, kind) for module in modules):
            result = network([1, 1])
            result.layers = nn.ModuleList(modules)
            return result
    return nn.Sequential(*modules)


def _flattened(model: KanModel, modules: list[nn.Module]) -> list[nn.Module]:
    """Flatten images before the first layer of features."""
    if len(model.input_shape) == 1:
        return modules
    images = (KAGNConv2DLayer, nn.AvgPool2d, nn.MaxPool2d)
    places = [i for i, module in enumerate(modules) if not isinstance(module, images)]
    first = places[0] if places else len(modules)
    # The record's outputs are flat, so the network's are too.
    return [*modules[:first], nn.Flatten(), *modules[first:]]


def _modules(layer: ModelLayer) -> list[nn.Module]:
    if isinstance(layer, PoolLayer):
        pool = nn.AvgPool2d if layer.kind == "average" else nn.MaxPool2d
        return [pool(layer.window.size, layer.window.stride)]
    if isinstance(layer, ConvLayer):
        return [_conv(layer)]
    if layer.symbolic:
        raise InputError(f"{layer.name}: symbolic edges have no trainable equal")
    if isinstance(layer.basis, GramBasis):
        return [_gram(layer, layer.basis)]
    if isinstance(layer.basis, BSplineBasis):
        return [_spline(layer, layer.basis), *_steps(layer)]
    if isinstance(layer.basis, RadialBasis):
        return [_radial(layer, layer.basis), *_steps(layer)]
    if isinstance(layer.basis, NoBasis) and layer.base_activation.is_identity:
        linear = nn.Linear(layer.n_in, layer.n_sums)
        _load(linear, {"weight": layer.base_weights, "bias": layer.bias})
        return [linear, *_steps(layer)]
    raise InputError(
        f"{layer.name}: kanhw has no trainable layer with a {type(layer.basis).__name__}"
    )


def _spline(layer: KanLayer, basis: BSplineBasis) -> KANLinear:
    _refuse(layer, layer.bias.any(), "a bias, which EfficientKAN's layers have not")
    _refuse(layer, layer.spline_norm is not None, "a normalisation in front of its splines")
    cells = basis.count - basis.order
    module = KANLinear(
        layer.n_in,
        layer.n_out,
        cells,
        basis.order,
        base_activation=maker(layer.base_activation),
    )
    knots = torch.tensor(basis.knots, dtype=module.grid.dtype)
    _refuse(layer, not bool((knots.diff(dim=1) > 0).all()), f"knots too close for {knots.dtype}")
    state = {
        "grid": basis.knots,
        "base_weight": _base_weights(layer),
        "spline_weight": layer.coefficients,
        "spline_scaler": np.ones((layer.n_out, layer.n_in)),
    }
    _load(module, state)
    return module


def _radial(layer: KanLayer, basis: RadialBasis) -> FastKANLayer:
    norm = layer.spline_norm
    module = FastKANLayer(
        layer.n_in,
        layer.n_out,
        num_grids=basis.count,
        use_layernorm=norm is not None,
        base_activation=maker(layer.base_activation),
        denominator=basis.denominator,
    )
    state = {
        "rbf.grid": basis.centres,
        "spline_linear.weight": layer.coefficients.reshape(layer.n_out, -1),
        "base_linear.weight": _base_weights(layer),
        "base_linear.bias": layer.bias,
    }
    if norm is not None and module.layernorm is not None:
        module.layernorm.eps = norm.epsilon
        state |= {"layernorm.weight": norm.gamma, "layernorm.bias": norm.beta}
    _load(module, state)
    return module


def _gram(layer: KanLayer, basis: GramBasis) -> KAGNLayer:
    act = layer.base_activation
    norm = layer.post[0] if len(layer.post) == 2 and layer.post[1] == act else None
    fits = isinstance(norm, LayerNorm) and basis.activation == act and not basis.constant
    if not fits or not isinstance(norm, LayerNorm) or not basis.constant_value:
        raise InputError(
            f"{layer.name}: the only trainable layer of Gram polynomials is KAGN's, with one "
            "activation around inputs, polynomials and a LayerNorm"
        )
    module = KAGNLayer(layer.n_in, layer.n_out, basis.degree, maker(act))
    module.norm.eps = norm.epsilon
    constant = layer.bias / (layer.n_in * basis.constant_value)
    weights = np.concatenate(
        [np.broadcast_to(constant[:, None, None], (*layer.base_weights.shape, 1)),
         layer.coefficients], axis=2,
    )  # fmt: skip
    state = {
        "beta_weights": basis.beta,
        "grams_basis_weights": weights.transpose(1, 0, 2),
        "base_weights": layer.base_weights,
        "norm.weight": norm.gamma,
        "norm.bias": norm.beta,
    }
    _load(module, state)
    return module


def _conv(layer: ConvLayer) -> KAGNConv2DLayer:
    taps, window, silu = layer.taps, layer.window, Activation("silu")
    basis = taps.basis
    if (
        not isinstance(basis, GramBasis)
        or not basis.constant
        or not basis.activation == taps.base_activation == silu
        or taps.post != (silu,)
        or taps.symbolic
    ):
        raise InputError(
            f"{layer.name}: the only trainable convolution is KAGN's, with silu around inputs, "
            "polynomials and sums"
        )
    channels = window.shape[0]
    module = KAGNConv2DLayer(
        channels,
        taps.n_out,
        window.size,
        basis.degree,
        padding=window.padding,
        stride=window.stride,
        dilation=window.dilation,
    )
    kernel = (taps.n_out, channels, *window.size)
    by_tap = taps.coefficients.reshape(*kernel, basis.count)
    epsilon = module.options()["eps"]
    state = {
        "poly_weights": by_tap.transpose(0, 4, 1, 2, 3).reshape(1, taps.n_out, -1, *window.size),
        "beta_weights": basis.beta,
        "base_conv.0.weight": taps.base_weights.reshape(kernel),
        "layer_norm.0.weight": np.ones(taps.n_out),
        "layer_norm.0.bias": taps.bias,
        "layer_norm.0.running_mean": np.zeros(taps.n_out),
        "layer_norm.0.running_var": np.full(taps.n_out, 1.0 - epsilon),
        "layer_norm.0.num_batches_tracked": np.array(0),
    }
    _load(module, state)
    return module


def _steps(layer: KanLayer) -> list[nn.Module]:
    """What follows the sums, as modules."""
    steps: list[nn.Module] = []
    for step in layer.post:
        if isinstance(step, Activation) and step.name != "zero":
            steps.append(maker(step)())
        elif isinstance(step, LayerNorm):
            norm = nn.LayerNorm(step.n, eps=step.epsilon)
            _load(norm, {"weight": step.gamma, "bias": step.beta})
            steps.append(norm)
        else:
            raise InputError(f"{layer.name}: {type(step).__name__} has no trainable equal")
    return steps


def _base_weights(layer: KanLayer) -> FloatArray:
    """A base activation that is zero is one with weights that are."""
    zero = layer.base_activation.name == "zero"
    return np.zeros_like(layer.base_weights) if zero else layer.base_weights


def _refuse(layer: KanLayer, wrong: object, what: str) -> None:
    if wrong:
        raise InputError(f"{layer.name} has {what}: it has no trainable equal")


def _load(module: nn.Module, state: dict[str, FloatArray]) -> None:
    """Load arrays strictly, but keep what an activation has of its own."""
    own = {key: value for key, value in module.state_dict().items() if "activation" in key}
    tensors = {key: torch.tensor(value) for key, value in state.items()}
    module.load_state_dict({**own, **tensors}, strict=True)
