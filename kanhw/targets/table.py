"""The table of targets, and what is said where one lacks something. A new family is a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.ecp5 import ECP5
from kanhw.targets.energies import CellEnergies
from kanhw.targets.gatemate import GATEMATE
from kanhw.targets.gowin import GOWIN
from kanhw.targets.ice40 import ICE40
from kanhw.targets.nexus import NEXUS
from kanhw.targets.target import CellLibrary, PlaceAndRoute, ResourceModel, Target
from kanhw.targets.ultrascale_plus import ULTRASCALE_PLUS
from kanhw.targets.xc7 import XC7
from kanhw.values import meant

__all__ = [
    "DEMONSTRATED",
    "MODELLED",
    "TARGETS",
    "cell_kinds_of",
    "energies_of",
    "library_of",
    "model_of",
    "names_of_modelled",
    "names_of_placed",
    "names_of_powered",
    "names_of_simulated",
    "names_of_used",
    "network_model_of",
    "place_and_route_of",
    "target_named",
]

_DEMONSTRATED = (ULTRASCALE_PLUS, ECP5, ICE40)

_OTHERS = (XC7, GOWIN, NEXUS, GATEMATE)

TARGETS: dict[str, Target] = {target.name: target for target in (*_DEMONSTRATED, *_OTHERS)}
"""The targets by name. A family of one's own may be added while running."""

DEMONSTRATED = tuple(target.name for target in _DEMONSTRATED)
"""Those that the demonstration synthesises for: one large, one middling, one small."""

MODELLED = ULTRASCALE_PLUS.name
"""The target whose resources a budget limits where no other is named."""


def target_named(name: str) -> Target:
    """The target of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return TARGETS[name]
    except KeyError:
        raise InputError(
            f"Unknown target {name!r}: the targets are {', '.join(TARGETS)}{meant(name, TARGETS)}"
        ) from None


def library_of(name: str) -> CellLibrary:
    """The models of a target's cells.

    Raises
    ------
    InputError
        If there is no such target, or it has none.
    """
    library = target_named(name).library
    if library is None:
        raise InputError(
            f"A netlist of {name} cannot be simulated, since there are no models of its cells: "
            f"take {names_of_simulated()}, or simulate the Verilog itself"
        )
    return library


def names_of_simulated() -> str:
    """The targets whose netlists can be simulated, for a message or a help text."""
    return _names(lambda target: target.library)


def place_and_route_of(name: str) -> PlaceAndRoute:
    """How a target is placed and routed.

    Raises
    ------
    InputError
        If there is no such target, or it cannot be.
    """
    found = target_named(name).place_and_route
    if found is None:
        raise InputError(
            f"Fmax needs placing and routing, which there is for {names_of_placed()} only, not "
            f"{name}: estimate {name} without it, or with --board one of its boards "
            "('kanhw boards')"
        )
    return found


def energies_of(name: str) -> CellEnergies:
    """What toggles and clocks of a target take.

    Raises
    ------
    InputError
        If there is no such target, or nothing is known.
    """
    energies = target_named(name).energies
    if energies is None:
        raise InputError(
            f"Nothing is known of what {name} takes per toggle, so its power cannot be estimated: "
            f"take {names_of_powered()}"
        )
    return energies


def cell_kinds_of(name: str) -> Mapping[str, CellKind]:
    """What the cells of a target compute, by their types.

    Raises
    ------
    InputError
        If there is no such target, or its cells are not simulated.
    """
    kinds = target_named(name).cell_kinds
    if kinds is None:
        raise InputError(
            f"The activity of {name} netlists is not simulated, so its power cannot be estimated: "
            f"take {names_of_powered()}"
        )
    return kinds


def names_of_used() -> str:
    """The targets of whose look-up tables a use has an energy, for a message."""
    return _names(lambda target: target.energies and target.energies.lut_use)


def names_of_powered() -> str:
    """The targets whose power can be estimated, for a message or a help text."""
    return _names(lambda target: target.energies and target.cell_kinds)


def names_of_placed() -> str:
    """The targets that can be placed and routed, for a message or a help text."""
    return _names(lambda target: target.place_and_route)


def names_of_modelled() -> str:
    """The targets that there is a resource model of, for a message or a help text."""
    return _names(lambda each: each.block_rams and each.weights)


def model_of(name: str) -> ResourceModel:
    """What the resource model knows of a target.

    Raises
    ------
    InputError
        If there is no such target, or the model was not fitted for it.
    """
    target = target_named(name)
    if target.block_rams is None or target.weights is None:
        raise InputError(
            f"There is no resource model of {name}, it was fitted for "
            f"{names_of_modelled()} only: generate the design "
            f"and estimate it for {name}"
        )
    return ResourceModel(target.block_rams, target.weights, target.multipliers)


def network_model_of(name: str) -> ResourceModel:
    """What it knows of a target for unrolled networks of edge tables with learned widths.

    Raises
    ------
    InputError
        As :func:`model_of`.
    """
    found = model_of(name)
    return replace(found, weights=target_named(name).network_weights or found.weights)


def _names(part: Callable[[Target], object]) -> str:
    return ", ".join(name for name, target in TARGETS.items() if part(target)) or "no target"
