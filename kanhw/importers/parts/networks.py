"""Which layers of a checkpoint make up the network, and putting them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kanhw.errors import InputError
from kanhw.importers.parts.chain import Chain
from kanhw.importers.parts.checkpoint import State, strip_wrappers
from kanhw.importers.parts.left_over import check_nothing_left, left_over, named
from kanhw.importers.parts.plain import add_plain, is_plain
from kanhw.model.network import KanLayer, KanModel

__all__ = [
    "assemble",
    "build_from",
    "counted",
    "describe",
    "gaps",
    "layer_prefixes",
    "refuse_unknown",
    "select",
    "start_of",
]


@dataclass(frozen=True)
class _Network:
    """KAN layers that follow one another under one parent: their prefixes, in order."""

    prefix: str
    layers: tuple[str, ...]


def _no_notes(layers: Iterable[KanLayer], options: Mapping[str, Any]) -> Iterable[str]:
    return ()


def layer_prefixes(state: State, tensors: Iterable[str], at_least: int = 1) -> list[str]:
    """Where at least so many of these tensors lie: the prefixes, in the checkpoint's order."""
    seen: dict[str, int] = {}
    endings = tuple(tensors)
    for name in state:
        for ending in endings:
            if name == ending or name.endswith(f".{ending}"):
                prefix = name.removesuffix(ending).removesuffix(".")
                seen[prefix] = seen.get(prefix, 0) + 1
                break
    return [prefix for prefix, count in seen.items() if count >= at_least]


def start_of(prefix: str) -> str:
    """What the names of a module's tensors begin with."""
    return f"{prefix}." if prefix else ""


def refuse_unknown(state: State, prefix: str, known: tuple[str, ...], library: str) -> None:
    """Refuse a layer that holds a tensor which its library has not, as it would be left out."""
    start = start_of(prefix)
    for name in state:
        if name.startswith(start) and name.removeprefix(start) not in known:
            raise InputError(
                f"Tensor {name!r} lies in the KAN layer {prefix!r} but {library} has no such "
                f"parameter: kanhw reads {', '.join(known)}"
            )


def select(
    state: State, layers: list[str], wanted: object, *, skip_gaps: bool = False
) -> tuple[str, ...]:
    """Choose the modules to build, in order.

    Parameters
    ----------
    state
        Named tensors.
    layers
        The prefixes of all KAN layers.
    wanted
        The option ``layers``: None, the prefix of one network or layer, or the prefixes of modules
        in order, separated by commas, among which norms and linear layers may be.
    skip_gaps
        Whether a numbered module without tensors between the layers is Dropout for sure.

    Raises
    ------
    InputError
        If no single network follows.
    TypeError
        If ``wanted`` is not a string.
    """
    networks = _networks(layers)
    if wanted is not None:
        return _wanted(state, networks, wanted, skip_gaps)
    if len(networks) > 1:
        raise InputError(
            f"The checkpoint holds several networks: {_listing(networks)}; pick one with "
            f"layers='PREFIX', or name its layers in order with layers='FIRST,SECOND'"
        )
    _check_nothing_between(networks[0], state, skip_gaps)
    _check_nothing_beside(networks[0], state)
    return networks[0].layers


def _wanted(
    state: State, networks: list[_Network], wanted: object, skip_gaps: bool
) -> tuple[str, ...]:
    """The modules that the option ``layers`` names; what is beside them is left out, as told."""
    if not isinstance(wanted, str):
        raise TypeError(f"The option layers must be a string, not {wanted!r}")
    # Wrappers were taken off the names, but not off what the user reads in the file.
    names = [name.strip() for name in wanted.split(",")]
    names = [name if _has(networks, name) else _unwrapped(name) for name in names]
    singles = {layer for network in networks for layer in network.layers}
    groups = {network.prefix: network for network in networks}
    inside = [each for each in networks if each.prefix.startswith(f"{names[0]}.")]
    if len(names) == 1 and names[0] in groups:
        chosen = groups[names[0]]
    elif all(name in singles or is_plain(state, name) for name in names):
        return tuple(names)
    elif len(names) == len(inside) == 1:
        chosen = inside[0]
    else:
        raise InputError(
            f"layers={wanted!r} names no network of the checkpoint, which holds: "
            f"{_listing(networks)}"
        )
    _check_nothing_between(chosen, state, skip_gaps)
    return chosen.layers


def assemble(
    library: str,
    state: State,
    modules: tuple[str, ...],
    layers: Mapping[str, KanLayer],
    notes: Iterable[str] = (),
) -> KanModel:
    """Put modules one after the other.

    Parameters
    ----------
    library
        For the source.
    state
        Named tensors.
    modules
        Prefixes, in order, from :func:`select`.
    layers
        The KAN layers among them; the others are norms and linear layers.
    notes
        What the source is to say besides, such as the defaults that were taken.
    """
    if all(module in layers for module in modules):
        _check_widths(tuple(layers[module] for module in modules))
    chain = Chain()
    for module in modules:
        if module in layers:
            chain.append(layers[module])
        else:
            add_plain(chain, state, module)
    return chain.model("; ".join([describe(library, state, modules), *notes]))


def build_from(
    library: str,
    state: State,
    found: list[str],
    options: Mapping[str, Any],
    layer: Callable[[State, str, Mapping[str, Any]], KanLayer],
    notes: Callable[[Iterable[KanLayer], Mapping[str, Any]], Iterable[str]] = _no_notes,
) -> KanModel:
    """Select, read and put together: what ``build`` of most libraries does.

    Parameters
    ----------
    library
        For the source.
    state
        Named tensors.
    found
        The prefixes of all KAN layers.
    options
        ``layers`` is read here, the others by ``layer``.
    layer
        Reads one.
    notes
        What the source is to say of the layers besides.

    Raises
    ------
    InputError
        If no single network follows, or as ``layer`` says.
    """
    modules = select(state, found, options.get("layers"))
    layers = {name: layer(state, name, options) for name in modules if name in found}
    return assemble(library, state, modules, layers, notes(layers.values(), options))


def gaps(modules: tuple[str, ...]) -> list[str]:
    """Numbers that are left out between modules of one parent."""
    networks = _networks(list(modules))
    indices = [_index(module) for module in modules]
    known = [index for index in indices if index is not None]
    if len(networks) != 1 or len(known) != len(modules):
        return []
    start = start_of(networks[0].prefix)
    return [f"{start}{i}" for i in range(min(known), max(known)) if i not in known]


def counted(number: int, noun: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _networks(layers: list[str]) -> list[_Network]:
    groups: dict[str, list[str]] = {}
    for prefix in layers:
        parent, _, last = prefix.rpartition(".")
        groups.setdefault(parent if last.isdecimal() else prefix, []).append(prefix)
    return [
        _Network(parent, tuple(sorted(members, key=lambda p: _index(p) or 0)))
        for parent, members in groups.items()
    ]


def _index(prefix: str) -> int | None:
    last = prefix.rpartition(".")[2]
    return int(last) if last.isdecimal() else None


def _has(networks: list[_Network], name: str) -> bool:
    return any(name == network.prefix or name in network.layers for network in networks)


def _unwrapped(name: str) -> str:
    (result,) = strip_wrappers({f"{name}.": None})
    return result.removesuffix(".")


def _listing(networks: list[_Network]) -> str:
    return ", ".join(f"{n.prefix!r} ({counted(len(n.layers), 'layer')})" for n in networks)


def _check_nothing_between(network: _Network, state: State, skip_gaps: bool) -> None:
    """Refuse a sequence with other modules among its KAN layers, which we would leave out."""
    places = {_index(layer): layer for layer in network.layers}
    indices = [index for index in places if index is not None]
    if not indices:
        return
    start = start_of(network.prefix)
    for index in range(min(indices), max(indices)):
        if index in places:
            continue
        module = f"{start}{index}"
        others = [name for name in state if name.startswith(f"{module}.")]
        if not others and skip_gaps:
            continue
        what = f"tensor {others[0]!r}" if others else "no tensors (an activation, or Dropout)"
        if is_plain(state, module):
            listed = sorted([*network.layers, module], key=lambda p: _index(p) or 0)
            raise InputError(
                f"Module {module!r} stands between the KAN layers and holds {what}, as a norm "
                f"or a linear layer does: name it among them to have it applied, "
                f"layers='{','.join(listed)}'"
            )
        raise InputError(
            f"Module {module!r} stands between the KAN layers and holds {what}: kanhw would "
            f"leave it out; list all modules with modules=[...] to have it applied, or, if it does "
            f"nothing at inference, say so with layers='{','.join(network.layers)}'"
        )


def _check_nothing_beside(network: _Network, state: State) -> None:
    """Refuse other modules, or tensors of a wrapper, which we would leave out."""
    starts = [start_of(layer) for layer in network.layers]
    check_nothing_left(state, starts, lambda left: _cure(network, state, left))


def _cure(network: _Network, state: State, left: list[str]) -> str:
    """How to have them read: by their place among the layers, or by a list of all modules."""
    others = list(dict.fromkeys(name.rpartition(".")[0] for name in left))
    every = "list all modules that run, in order, with modules=[...]"
    if not all(other and is_plain(state, other) for other in others):
        return f"{every}, or choose the layers to read with layers='FIRST,SECOND'"
    numbered = [_index(name) for name in (*others, *network.layers)]
    same = {name.rpartition(".")[0] for name in (*others, *network.layers)}
    first = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    listed = sorted([*others, *network.layers], key=first.index)
    if None not in numbered and len(same) == 1:
        listed = sorted(listed, key=lambda name: _index(name) or 0)
    return (
        f"name all that run, in order, with layers='{','.join(listed)}'; where activations are "
        f"among them, which leave no tensors, {every}"
    )


def _check_widths(layers: tuple[KanLayer, ...]) -> None:
    if all(a.n_out == b.n_in for a, b in pairwise(layers)):
        return
    shapes = ", ".join(f"{layer.name!r} {layer.n_in} -> {layer.n_out}" for layer in layers)
    raise InputError(
        f"The KAN layers do not follow one another: {shapes}; pick the ones that do with "
        f"layers='PREFIX' or layers='FIRST,SECOND'"
    )


def describe(library: str, state: State, modules: tuple[str, ...]) -> str:
    """Say what was read, and which tensors were not."""
    starts = tuple(start_of(module) for module in modules)
    left = left_over(state, starts)
    names = ", ".join(repr(module) for module in modules)
    text = f"{library}, {counted(len(modules), 'layer')} ({names})"
    return f"{text}; not loaded, as told: {named(left)}" if left else text
