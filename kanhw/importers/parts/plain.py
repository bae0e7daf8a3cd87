"""PyTorch's own modules between KAN layers: linear layers and norms."""

from __future__ import annotations

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts.chain import Chain, linear_layer
from kanhw.importers.parts.checkpoint import State, parameter
from kanhw.importers.parts.settings import DEFAULT_EPSILON
from kanhw.model.norm import LayerNorm

__all__ = [
    "add_batch_norm",
    "add_layer_norm",
    "add_linear",
    "add_plain",
    "add_rms_norm",
    "batch_norm",
    "is_plain",
]

_TENSORS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def is_plain(state: State, prefix: str) -> bool:
    """Whether the tensors under a prefix are those of a linear layer or a norm."""
    start = f"{prefix}."
    names = {name.removeprefix(start) for name in state if name.startswith(start)}
    return bool(names) and names <= _TENSORS


def add_plain(chain: Chain, state: State, prefix: str) -> None:
    """Add the module that its tensors show: linear, BatchNorm or LayerNorm."""
    if f"{prefix}.running_mean" in state:
        add_batch_norm(chain, state, prefix)
    elif np.ndim(state.get(f"{prefix}.weight", 0)) == 2:
        add_linear(chain, state, prefix)
    elif f"{prefix}.bias" not in state:
        raise InputError(
            f"Module {prefix!r} holds a weight alone, as an RMSNorm or a LayerNorm without bias "
            "does: say which with modules=[...], the list of all modules, as the type rms_norm or "
            "layer_norm"
        )
    else:
        add_layer_norm(chain, state, prefix)


def add_linear(chain: Chain, state: State, prefix: str) -> None:
    """Add an ``nn.Linear``, with or without bias."""
    weights = parameter(state, f"{prefix}.weight", 2)
    name = f"{prefix}.bias"
    bias = parameter(state, name, 1) if name in state else np.zeros(len(weights))
    if bias.shape != weights.shape[:1]:
        raise InputError(
            f"Tensor {name!r} must have shape [{len(weights)}] to fit '{prefix}.weight', not "
            f"{list(bias.shape)}"
        )
    chain.append(linear_layer(prefix, weights, bias))


def add_layer_norm(
    chain: Chain, state: State, prefix: str, epsilon: float = DEFAULT_EPSILON
) -> None:
    """Add an ``nn.LayerNorm`` over the features of a sample, with or without bias."""
    gamma = parameter(state, f"{prefix}.weight", 1)
    name = f"{prefix}.bias"
    beta = parameter(state, name, 1) if name in state else np.zeros_like(gamma)
    chain.layer_norm(prefix, LayerNorm(gamma, beta, epsilon))


def add_rms_norm(chain: Chain, state: State, prefix: str, epsilon: float) -> None:
    """Add an ``nn.RMSNorm`` over the features of a sample."""
    chain.rms_norm(prefix, parameter(state, f"{prefix}.weight", 1), epsilon)


def add_batch_norm(
    chain: Chain, state: State, prefix: str, epsilon: float = DEFAULT_EPSILON
) -> None:
    """Add a BatchNorm with running statistics, folded into the layer before where it can be."""
    chain.affine(prefix, *batch_norm(state, prefix, epsilon))


def batch_norm(state: State, prefix: str, epsilon: float) -> tuple[FloatArray, FloatArray]:
    """Scale and shift ``[n]`` each that a BatchNorm is at inference; exact, epsilon included."""
    mean = parameter(state, f"{prefix}.running_mean", 1)
    variance = parameter(state, f"{prefix}.running_var", 1)
    if (variance < 0).any():
        raise InputError(f"Tensor '{prefix}.running_var' holds a negative variance")
    affine = f"{prefix}.weight" in state
    gamma = parameter(state, f"{prefix}.weight", 1) if affine else np.ones_like(mean)
    beta = parameter(state, f"{prefix}.bias", 1) if affine else np.zeros_like(mean)
    if not gamma.shape == beta.shape == mean.shape == variance.shape:
        raise InputError(f"The tensors of the BatchNorm {prefix!r} differ in shape")
    scale = gamma / np.sqrt(variance + epsilon)
    return scale, beta - mean * scale
