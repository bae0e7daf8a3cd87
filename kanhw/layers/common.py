"""What the trainable layers share: checks, activations by name, tensors as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.model.activation import Activation
from kanhw.values import is_integer

__all__ = [
    "activation_name",
    "arrays",
    "at_least",
    "checked_sizes",
    "maker",
    "pair",
    "positive",
    "rows",
    "to_numpy",
]

_NAMES: dict[type[nn.Module], str] = {
    nn.SiLU: "silu",
    nn.Identity: "identity",
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.GELU: "gelu",
    nn.PReLU: "prelu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.Sigmoid: "sigmoid",
    nn.Softplus: "softplus",
    nn.Mish: "mish",
    nn.SELU: "selu",
    nn.Hardswish: "hardswish",
}


def positive(name: str, value: int) -> int:
    """``value`` if it is an integer of at least 1, else an error."""
    return at_least(name, value, 1)


def at_least(name: str, value: int, lowest: int) -> int:
    """``value`` if it is an integer of at least ``lowest``, else an error."""
    if not is_integer(value):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < lowest:
        raise InputError(f"{name} must be at least {lowest}, not {value}")
    return value


def pair(name: str, value: int | Sequence[int], lowest: int = 1) -> tuple[int, int]:
    """Rows and columns: one integer for both, or two."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2:
        raise InputError(f"{name} must be one integer, or rows and columns, not {value!r}")
    return at_least(name, both[0], lowest), at_least(name, both[1], lowest)


def checked_sizes(kind: str, sizes: Sequence[int]) -> Sequence[int]:
    """The sizes of a network, at least two."""
    if len(sizes) < 2:
        raise InputError(
            f"A {kind} needs at least two sizes (inputs and outputs), not {list(sizes)}"
        )
    return sizes


def rows(kind: str, x: Tensor, n_in: int) -> Tensor:
    """``[..., n_in]`` as ``[N, n_in]``, or an error."""
    if x.ndim == 0 or x.shape[-1] != n_in:
        raise InputError(
            f"{kind} takes {n_in} features in the last axis, but the input has shape "
            f"{list(x.shape)}"
        )
    return x.reshape(-1, n_in)


def to_numpy(tensor: Tensor) -> npt.NDArray[Any]:
    """A float64 array."""
    return np.asarray(tensor.detach().cpu().double().numpy())


def arrays(module: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """The state_dict as float64 arrays, as importers take it."""
    return {key: to_numpy(tensor) for key, tensor in module.state_dict().items()}


def activation_name(module: nn.Module) -> str:
    """What kanhw calls an activation module.

    Raises
    ------
    InputError
        If kanhw has no equal of it.
    """
    if type(module) not in _NAMES or not _is_default(module):
        raise InputError(
            f"kanhw has no equal of the base activation {module!r}: train with one of "
            f"{', '.join(kind.__name__ for kind in _NAMES)} (with default parameters, "
            "GELU without approximation)"
        )
    return _NAMES[type(module)]


def _is_default(module: nn.Module) -> bool:
    """Whether an activation has the parameters that its name stands for; PReLU's is a tensor."""
    if isinstance(module, nn.PReLU):
        return True
    plain = type(module)()
    return all(
        getattr(module, name) == getattr(plain, name)
        for name in ("approximate", "negative_slope", "alpha", "beta", "threshold")
        if hasattr(plain, name)
    )


def maker(activation: Activation) -> Callable[[], nn.Module]:
    """What makes the module of an activation; of ``zero``, any that goes with zero weights.

    Raises
    ------
    InputError
        If it reads its inputs through scales, for which PyTorch has no module.
    """
    if activation.scale:
        raise InputError(
            "A base activation that reads its inputs through scales (a normalisation that was "
            "folded in) has no module: load the network without its normalisation for that"
        )
    if activation.name == "prelu":
        return lambda: nn.PReLU(init=activation.slope)
    if activation.name == "zero":
        return nn.SiLU
    if activation.name == "leaky_relu":
        return lambda: nn.LeakyReLU(activation.slope)
    return {name: kind for kind, name in _NAMES.items()}[activation.name]
