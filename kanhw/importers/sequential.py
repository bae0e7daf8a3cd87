"""Networks of several kinds of modules, listed in order under ``modules`` (nn.Sequential).

Every entry of the list is an object with a ``type``, one of :data:`TYPES`, and what the checkpoint
does not hold, such as a stride; what the checkpoint does hold, such as ``in_channels``, may be
there too and is checked. The tensors of an entry are looked for under its number in the list, or
under its ``name``. A ``config.json``::

    {"input_shape": [1, 8, 8],
     "modules": [{"type": "kagn_conv2d", "stride": 1, "padding": 1, "norm": "batch"},
                 {"type": "adaptive_avg_pool2d", "output_size": 1},
                 {"type": "flatten"},
                 {"type": "linear"}]}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kanhw.entries import parse_json
from kanhw.errors import InputError
from kanhw.importers import chebykan, efficient_kan, fast_kan, gramkan, inkan, kagn, kagn_conv, kanx
from kanhw.importers.parts import networks, plain
from kanhw.importers.parts.chain import Chain
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.left_over import check_nothing_left
from kanhw.importers.parts.settings import (
    default_notes,
    epsilon,
    integers,
    missing,
    pairs,
    read_activation,
)
from kanhw.model.activation import ACTIVATIONS, Activation
from kanhw.model.layer import KanLayer
from kanhw.model.network import KanModel
from kanhw.values import brief
from kanhw.windows import Window

__all__ = ["OPTIONS", "TYPES", "build", "inherited", "matches", "module_list"]

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class _Module:
    """One entry of the list: where its tensors are, and what it says."""

    prefix: str
    entry: Entry

    @property
    def start(self) -> str:
        """What the names of its tensors begin with."""
        return networks.start_of(self.prefix)


@dataclass(frozen=True)
class _Type:
    """One type of module.

    ``options`` are what an entry may say that changes what is computed; ``facts`` what it may say
    that the checkpoint tells too.
    """

    add: Callable[[Chain, State, _Module], None]
    options: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    tensors: bool = True


_RMS_EPSILON = 2.0**-23  # torch's for float32, where none is given
# Every entry may say these: where it is, and what training alone needs.
_ALWAYS = ("type", "name", "p", "dropout", "inplace")
_SIZES = ("in_features", "out_features")


def matches(state: State) -> bool:
    """Any checkpoint will do: it is the list of modules that tells."""
    return bool(state)


def build(state: State, options: Mapping[str, Any]) -> KanModel:
    """Build the network that a list of modules describes.

    Parameters
    ----------
    state
        Named tensors.
    options
        ``modules``: the list, or its JSON text. ``input_shape``: of the images, where there are
        any. ``layers``: the prefix under which the numbered modules are. The options of the
        modules' own importers win over what the list says: one for all of them or, for
        convolutions, one each.

    Raises
    ------
    InputError
        If the list is wrong or does not fit the tensors.
    """
    state = kagn.without_wrappers(state)
    modules = _modules(state, options)
    _check_tensors(state, modules, options)
    shape = options.get("input_shape")
    chain = Chain(None if shape is None else _shape(shape))
    notes = []
    for module in modules:
        kind = module.entry["type"]
        image = kind in _IMAGE_TYPES
        if image and chain.shape is None and not chain.layers:
            raise InputError(missing(["input_shape"]))
        TYPES[kind].add(chain, state, module)
        notes += _notes(chain, module)
    early = [m.prefix for m in modules[:-1] if m.entry["type"] in _ON_THE_HOST]
    if early:
        raise InputError(
            f"Module {early[0]!r} is a softmax, which is left to the host, so it must be the last "
            "one: what is behind it cannot be read"
        )
    names = tuple(module.prefix for module in modules if TYPES[module.entry["type"]].tensors)
    source = networks.describe("nn.Sequential", state, names)
    return chain.model("; ".join([source, *dict.fromkeys(notes)]))


def _shape(value: object) -> tuple[int, ...]:
    numbers = integers("input_shape", value)
    return numbers if len(numbers) == 1 else kagn_conv.input_shape(value)


def _notes(chain: Chain, module: _Module) -> list[str]:
    kind = module.entry["type"]
    if kind == "kagn_conv2d" and "dilation" not in module.entry:
        return ["dilation 1 (the library's default)"]
    if kind == "rms_norm" and "eps" not in module.entry:
        return [f"RMSNorm's eps {_RMS_EPSILON:g} (torch's default)"]
    if kind in _ON_THE_HOST:
        return [f"{kind} at the end is left to the host: outputs are what goes into it"]
    last = chain.layers[-1] if chain.layers else None
    if "base_activation" in TYPES[kind].options and isinstance(last, KanLayer):
        return default_notes([last], module.entry)
    return []


# The list --------------------------------------------------------------------------------------


def _modules(state: State, options: Mapping[str, Any]) -> list[_Module]:
    value = module_list(options["modules"])
    parent = _parent(state, options.get("layers"))
    entries = [_checked(index, entry) for index, entry in enumerate(value)]
    entries = _overridden(entries, options)
    return [
        _Module(str(entry.get("name", f"{networks.start_of(parent)}{index}")), entry)
        for index, entry in enumerate(entries)
    ]


def module_list(value: object) -> list[Any]:
    """The option ``modules``: a list, or its JSON text; what is in it is checked later."""
    if isinstance(value, str):
        value = parse_json(value, "The option modules")
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"modules must be a list of objects with a 'type', not {brief(value)}")
    return list(value)


def _checked(index: int, entry: object) -> dict[str, Any]:
    if not isinstance(entry, Mapping) or "type" not in entry:
        raise InputError(f"modules[{index}] must be an object with a 'type', not {brief(entry)}")
    kind = entry["type"]
    if not isinstance(kind, str) or kind not in TYPES:
        raise InputError(
            f"modules[{index}] has the unknown type {brief(kind)}: kanhw knows {', '.join(TYPES)}"
        )
    allowed = (*_ALWAYS, *TYPES[kind].options, *TYPES[kind].facts)
    for key in entry:
        if key not in allowed:
            raise InputError(
                f"modules[{index}] ({kind}) says {key!r}, which kanhw does not know: allowed are "
                f"{', '.join(allowed)}"
            )
    return {str(key): item for key, item in entry.items() if item is not None}


def _overridden(
    entries: list[dict[str, Any]], options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Options that are given on their own win over the entries."""
    convolutions = [i for i, entry in enumerate(entries) if entry["type"] == "kagn_conv2d"]
    chosen = kagn_conv.per_layer(options, len(convolutions)) if convolutions else []
    for index, each in zip(convolutions, chosen, strict=True):
        entries[index].update(each)
    for entry in entries:
        if entry["type"] not in _KAN_TYPES:
            continue
        for name in inherited(entry["type"]):
            if options.get(name) is not None:
                entry[name] = options[name]
    return entries


def inherited(kind: str) -> tuple[str, ...]:
    """Which options an entry of this type takes from outside of the list, if it does not say."""
    if kind == "kagn_conv2d":
        return TYPES[kind].options
    # The norm is a convolution's: the linear layers have each their own.
    return tuple(name for name in TYPES[kind].options if kind in _KAN_TYPES and name != "norm")


def _parent(state: State, wanted: object) -> str:
    """Under which prefix the numbers are: what the option says, or the shortest there is."""
    if wanted is not None:
        if not isinstance(wanted, str):
            raise TypeError(f"The option layers must be a string, not {wanted!r}")
        return wanted
    parents = []
    for name in state:
        parts = name.split(".")
        numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
        if numbers:
            parents.append(".".join(parts[: numbers[0]]))
    return min(parents, key=len, default="")


def _check_tensors(state: State, modules: list[_Module], options: Mapping[str, Any]) -> None:
    """Every module has the tensors that its type needs, and no tensor of a sequence is left out."""
    for index, module in enumerate(modules):
        found = [name for name in state if name.startswith(module.start)]
        kind = module.entry["type"]
        if found and not TYPES[kind].tensors:
            raise InputError(
                f"modules[{index}] is {kind}, but the checkpoint holds {found[0]!r} there: the "
                "list must name every module, in order"
            )
        if not found and TYPES[kind].tensors:
            raise InputError(
                f"modules[{index}] is {kind}, but the checkpoint holds no tensor under "
                f"{module.start!r}: the list must name every module, in order"
            )
    start = networks.start_of(_parent(state, options.get("layers")))
    starts = tuple(module.start for module in modules)
    for name in state:
        rest = name.removeprefix(start)
        if (
            name.startswith(start)
            and rest.partition(".")[0].isdecimal()
            and not name.startswith(starts)
        ):
            raise InputError(
                f"Tensor {name!r} belongs to none of the {len(modules)} modules: the list must "
                "name every module, in order"
            )
    # Where it was told which modules are meant, the others are nobody's business.
    told = networks.start_of(str(options.get("layers") or ""))
    check_nothing_left({name: state[name] for name in state if name.startswith(told)}, starts)


# The types -------------------------------------------------------------------------------------


def _add_conv(chain: Chain, state: State, module: _Module) -> None:
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
) -> Callable[[Chain, State, _Module], None]:
    def add(chain: Chain, state: State, module: _Module) -> None:
        layer = read(state, module.prefix, module.entry)
        _check_fact(module, "in_features", layer.n_in)
        _check_fact(module, "out_features", layer.n_out)
        chain.append(layer)

    return add


def _add_linear(chain: Chain, state: State, module: _Module) -> None:
    plain.add_linear(chain, state, module.prefix)
    last = chain.layers[-1]
    _check_fact(module, "in_features", last.n_in)
    _check_fact(module, "out_features", last.n_out)


def _add_batch_norm(chain: Chain, state: State, module: _Module) -> None:
    plain.add_batch_norm(chain, state, module.prefix, epsilon(module.entry))


def _add_layer_norm(chain: Chain, state: State, module: _Module) -> None:
    plain.add_layer_norm(chain, state, module.prefix, epsilon(module.entry))


def _add_rms_norm(chain: Chain, state: State, module: _Module) -> None:
    eps = module.entry.get("eps", _RMS_EPSILON)
    plain.add_rms_norm(chain, state, module.prefix, epsilon({"eps": eps}))


def _add_nothing(chain: Chain, state: State, module: _Module) -> None:
    pass


def _add_flatten(chain: Chain, state: State, module: _Module) -> None:
    if module.entry.get("start_dim", 1) != 1 or module.entry.get("end_dim", -1) != -1:
        raise InputError(f"Module {module.prefix!r}: flatten must keep the batch axis alone")
    chain.flatten()


def _add_activation(chain: Chain, state: State, module: _Module) -> None:
    name = module.entry["type"]
    slope = f"{module.start}weight"
    if name == "prelu":
        renamed = {"base_activation.weight": state[slope]} if slope in state else {}
        chain.activation(module.prefix, read_activation(renamed, "", name))
    else:
        chain.activation(module.prefix, Activation(name))


def _add_adaptive(chain: Chain, state: State, module: _Module) -> None:
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


def _add_pool(kind: Literal["average", "max"]) -> Callable[[Chain, State, _Module], None]:
    def add(chain: Chain, state: State, module: _Module) -> None:
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


def _pair(module: _Module, name: str) -> tuple[int, int]:
    if name not in module.entry:
        raise InputError(f"Module {module.prefix!r} ({module.entry['type']}) needs {name!r}")
    value = module.entry[name]
    (result,) = pairs(name, [value])
    return result


def _check_fact(module: _Module, name: str, actual: int) -> None:
    if name in module.entry and module.entry[name] != actual:
        _contradicts(module, name, actual)


def _contradicts(module: _Module, name: str, actual: object) -> None:
    raise InputError(
        f"Module {module.prefix!r}: {name}={module.entry[name]!r} contradicts its tensors, which "
        f"make it {actual}"
    )


def _layer_options(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in options if name != "layers")


def _kan(importer: Any) -> _Type:
    facts = (*_SIZES, "grid_size", "num_grids", "spline_order")
    options = _layer_options(importer.OPTIONS)
    return _Type(_add_kan(importer.layer), options, tuple(f for f in facts if f not in options))


_KAN_TYPES = {
    "efficient_kan": _kan(efficient_kan),
    "fast_kan": _kan(fast_kan),
    "kagn": _kan(kagn),
    "gramkan": _kan(gramkan),
    "chebykan": _kan(chebykan),
    "inkan": _kan(inkan),
    "kanx": _kan(kanx),
}
# Classes are the largest outputs, in front of these as behind them.
_ON_THE_HOST = ("softmax", "log_softmax")
_NORM_FACTS = ("num_features", "normalized_shape", "affine", "momentum")
_POOL = ("kernel_size", "stride", "padding", "ceil_mode")
_ACTIVATIONS = {
    name: _Type(_add_activation, tensors=False)
    for name in ACTIVATIONS
    if name not in ("identity", "zero", "prelu")
}

TYPES: dict[str, _Type] = {
    "kagn_conv2d": _Type(
        _add_conv,
        kagn_conv.LAYER_OPTIONS,
        ("in_channels", "out_channels", "kernel_size", "groups"),
    ),
    **_KAN_TYPES,
    "linear": _Type(_add_linear, (), (*_SIZES, "bias")),
    "batch_norm1d": _Type(_add_batch_norm, ("eps",), _NORM_FACTS),
    "batch_norm2d": _Type(_add_batch_norm, ("eps",), _NORM_FACTS),
    "layer_norm": _Type(_add_layer_norm, ("eps",), _NORM_FACTS),
    "rms_norm": _Type(_add_rms_norm, ("eps",), _NORM_FACTS),
    "adaptive_avg_pool2d": _Type(_add_adaptive, ("output_size",), tensors=False),
    "avg_pool2d": _Type(_add_pool("average"), _POOL, tensors=False),
    "max_pool2d": _Type(_add_pool("max"), (*_POOL, "dilation"), tensors=False),
    "flatten": _Type(_add_flatten, ("start_dim", "end_dim"), tensors=False),
    "dropout": _Type(_add_nothing, tensors=False),
    "identity": _Type(_add_nothing, tensors=False),
    **_ACTIVATIONS,
    "prelu": _Type(_add_activation, (), ("num_parameters", "init")),
    **{name: _Type(_add_nothing, facts=("dim",), tensors=False) for name in _ON_THE_HOST},
}
_IMAGE_TYPES = ("kagn_conv2d", "adaptive_avg_pool2d", "avg_pool2d", "max_pool2d", "batch_norm2d")

_KAN_OPTIONS = [name for kind in _KAN_TYPES.values() for name in kind.options]
OPTIONS = tuple(
    dict.fromkeys(("modules", "input_shape", "layers", *kagn_conv.LAYER_OPTIONS, *_KAN_OPTIONS))
)
