"""The types of modules that a list may name, and how each is added to a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kanhw.errors import InputError
from kanhw.importers import chebykan, efficient_kan, fast_kan, gramkan, inkan, kagn, kagn_conv, kanx
from kanhw.importers.parts import networks, plain
from kanhw.importers.parts.chain import Chain
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.settings import epsilon, missing, pairs, read_activation
from kanhw.model.activation import ACTIVATIONS, Activation
from kanhw.model.layer import KanLayer
from kanhw.windows import Window

__all__ = [
    "IMAGE_TYPES",
    "KAN_TYPES",
    "ON_THE_HOST",
    "RMS_EPSILON",
    "TYPES",
    "ModuleType",
    "SequenceModule",
]

Entry = Mapping[str, Any]
RMS_EPSILON = 2.0**-23  # torch's for float32, where none is given
_SIZES = ("in_features", "out_features")


@dataclass(frozen=True)
class SequenceModule:
    """One entry of the list: where its tensors are, and what it says."""

    prefix: str
    entry: Entry

    @property
    def start(self) -> str:
        """What the names of its tensors begin with."""
        return networks.start_of(self.prefix)


@dataclass(frozen=True)
class ModuleType:
    """One type of module.

    ``options`` are what an entry may say that changes what is computed; ``facts`` what it may say
    that the checkpoint tells too.
    """

    add: Callable[[Chain, State, SequenceModule], None]
    options: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    tensors: bool = True


def _add_conv(chain: Chain, state: State, module: SequenceModule) -> None:
    ask = kagn_conv.missing_options(state, module.prefix, module.entry)
    if ask:
        raise InputError(f"Module {module.prefix!r}: {missing(ask)}")
    layer = kagn_conv.layer(state, module.prefix, module.entry, chain.image(module.prefix))
    window = layer.window
    _check_fact(module, "in_channels", window.shape[0])
    _check_fact(module, "out_channels", layer.taps.n_out)
    _check_fact(module, "groups", len(state[f"{module.start}poly_weights"]))
    if "kernel_size" in module.entry and _pair(module, "kernel_size") != window.size:
        _contradicts(module, "kernel_size", window.size)
    chain.append(layer)


def _add_kan(
    read: Callable[[State, str, Mapping[str, Any]], KanLayer],
) -> Callable[[Chain, State, SequenceModule], None]:
    def add(chain: Chain, state: State, module: SequenceModule) -> None:
        layer = read(state, module.prefix, module.entry)
        _check_fact(module, "in_features", layer.n_in)
        _check_fact(module, "out_features", layer.n_out)
        chain.append(layer)

    return add


def _add_linear(chain: Chain, state: State, module: SequenceModule) -> None:
    plain.add_linear(chain, state, module.prefix)
    last = chain.layers[-1]
    _check_fact(module, "in_features", last.n_in)
    _check_fact(module, "out_features", last.n_out)


def _add_batch_norm(chain: Chain, state: State, module: SequenceModule) -> None:
    plain.add_batch_norm(chain, state, module.prefix, epsilon(module.entry))


def _add_layer_norm(chain: Chain, state: State, module: SequenceModule) -> None:
    plain.add_layer_norm(chain, state, module.prefix, epsilon(module.entry))


def _add_rms_norm(chain: Chain, state: State, module: SequenceModule) -> None:
    eps = module.entry.get("eps", RMS_EPSILON)
    plain.add_rms_norm(chain, state, module.prefix, epsilon({"eps": eps}))


def _add_nothing(chain: Chain, state: State, module: SequenceModule) -> None:
    pass


def _add_flatten(chain: Chain, state: State, module: SequenceModule) -> None:
    if module.entry.get("start_dim", 1) != 1 or module.entry.get("end_dim", -1) != -1:
        raise InputError(f"Module {module.prefix!r}: flatten must keep the batch axis alone")
    chain.flatten()


def _add_activation(chain: Chain, state: State, module: SequenceModule) -> None:
    name = module.entry["type"]
    slope = f"{module.start}weight"
    if name == "prelu":
        renamed = {"base_activation.weight": state[slope]} if slope in state else {}
        chain.activation(module.prefix, read_activation(renamed, "", name))
    else:
        chain.activation(module.prefix, Activation(name))


def _add_adaptive(chain: Chain, state: State, module: SequenceModule) -> None:
    image = chain.image(module.prefix)
    height, width = image[1:]
    rows, columns = _pair(module, "output_size")
    if min(rows, columns) < 1 or height % rows or width % columns:
        raise InputError(
            f"Module {module.prefix!r}: an image of {height}x{width} has no {rows}x{columns} equal "
            "parts, so the windows of adaptive pooling would overlap: kanhw pools where the sizes "
            "divide"
        )
    window = (height // rows, width // columns)
    chain.pool(module.prefix, "average", Window(image, window, window))


def _add_pool(kind: Literal["average", "max"]) -> Callable[[Chain, State, SequenceModule], None]:
    def add(chain: Chain, state: State, module: SequenceModule) -> None:
        entry = module.entry
        for name, neutral in (("padding", 0), ("dilation", 1)):
            if name in entry and _pair(module, name) != (neutral, neutral):
                raise InputError(
                    f"Module {module.prefix!r}: pooling with {name}={entry[name]!r} is not "
                    "supported"
                )
        size = _pair(module, "kernel_size")
        stride = _pair(module, "stride") if "stride" in entry else size
        image = chain.image(module.prefix)
        lengths = zip(image[1:], size, stride, strict=True)
        if entry.get("ceil_mode") and any((n - k) % s for n, k, s in lengths):
            raise InputError(
                f"Module {module.prefix!r}: ceil_mode pools beyond the edge of {image}, which is "
                "not supported"
            )
        chain.pool(module.prefix, kind, Window(image, size, stride))

    return add


def _pair(module: SequenceModule, name: str) -> tuple[int, int]:
    if name not in module.entry:
        raise InputError(f"Module {module.prefix!r} ({module.entry['type']}) needs {name!r}")
    value = module.entry[name]
    (result,) = pairs(name, [value])
    return result


def _check_fact(module: SequenceModule, name: str, actual: int) -> None:
    if name in module.entry and module.entry[name] != actual:
        _contradicts(module, name, actual)


def _contradicts(module: SequenceModule, name: str, actual: object) -> None:
    raise InputError(
        f"Module {module.prefix!r}: {name}={module.entry[name]!r} contradicts its tensors, which "
        f"make it {actual}"
    )


def _layer_options(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in options if name != "layers")


def _kan(importer: Any) -> ModuleType:
    facts = (*_SIZES, "grid_size", "num_grids", "spline_order")
    options = _layer_options(importer.OPTIONS)
    told = tuple(fact for fact in facts if fact not in options)
    return ModuleType(_add_kan(importer.layer), options, told)


KAN_TYPES = {
    "efficient_kan": _kan(efficient_kan),
    "fast_kan": _kan(fast_kan),
    "kagn": _kan(kagn),
    "gramkan": _kan(gramkan),
    "chebykan": _kan(chebykan),
    "inkan": _kan(inkan),
    "kanx": _kan(kanx),
}
# Classes are the largest outputs, in front of these as behind them.
ON_THE_HOST = ("softmax", "log_softmax")
_NORM_FACTS = ("num_features", "normalized_shape", "affine", "momentum")
_POOL = ("kernel_size", "stride", "padding", "ceil_mode")
_ACTIVATIONS = {
    name: ModuleType(_add_activation, tensors=False)
    for name in ACTIVATIONS
    if name not in ("identity", "zero", "prelu")
}

TYPES: dict[str, ModuleType] = {
    "kagn_conv2d": ModuleType(
        _add_conv,
        kagn_conv.LAYER_OPTIONS,
        ("in_channels", "out_channels", "kernel_size", "groups"),
    ),
    **KAN_TYPES,
    "linear": ModuleType(_add_linear, (), (*_SIZES, "bias")),
    "batch_norm1d": ModuleType(_add_batch_norm, ("eps",), _NORM_FACTS),
    "batch_norm2d": ModuleType(_add_batch_norm, ("eps",), _NORM_FACTS),
    "layer_norm": ModuleType(_add_layer_norm, ("eps",), _NORM_FACTS),
    "rms_norm": ModuleType(_add_rms_norm, ("eps",), _NORM_FACTS),
    "adaptive_avg_pool2d": ModuleType(_add_adaptive, ("output_size",), tensors=False),
    "avg_pool2d": ModuleType(_add_pool("average"), _POOL, tensors=False),
    "max_pool2d": ModuleType(_add_pool("max"), (*_POOL, "dilation"), tensors=False),
    "flatten": ModuleType(_add_flatten, ("start_dim", "end_dim"), tensors=False),
    "dropout": ModuleType(_add_nothing, tensors=False),
    "identity": ModuleType(_add_nothing, tensors=False),
    **_ACTIVATIONS,
    "prelu": ModuleType(_add_activation, (), ("num_parameters", "init")),
    **{name: ModuleType(_add_nothing, facts=("dim",), tensors=False) for name in ON_THE_HOST},
}
IMAGE_TYPES = ("kagn_conv2d", "adaptive_avg_pool2d", "avg_pool2d", "max_pool2d", "batch_norm2d")
