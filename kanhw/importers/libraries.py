"""The table of libraries whose checkpoints are read, and the network of named tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kanhw.errors import InputError
from kanhw.importers import (
    chebykan,
    efficient_kan,
    fast_kan,
    gramkan,
    inkan,
    kagn,
    kagn_conv,
    kanx,
    sequential,
)
from kanhw.importers.hyper_parameters import merge_config
from kanhw.importers.parts import normalisation
from kanhw.importers.parts.checkpoint import State
from kanhw.importers.parts.left_over import without_ignored
from kanhw.importers.parts.pruning import with_masks_applied
from kanhw.importers.pykan import network as pykan
from kanhw.model.network import KanModel

__all__ = ["AROUND", "IMPORTERS", "Importer", "check_options", "model_of_state"]


@dataclass(frozen=True)
class Importer:
    """What it takes to read one library's checkpoints.

    Parameters
    ----------
    library
        Its name, for messages.
    options
        The options that ``build`` understands.
    matches
        Whether a state_dict is this library's, by its tensor names.
    build
        The model of a state_dict and the options that the user gave.
    assumed
        What its layers do that no tensor tells and no option changes, for the source.
    """

    library: str
    options: tuple[str, ...]
    matches: Callable[[State], bool]
    build: Callable[[State, Mapping[str, Any]], KanModel]
    assumed: str = ""


_TANH = "inputs go through tanh (as in the library's forward)"
# A new library is one more line; the first that matches is taken.
IMPORTERS = (
    Importer("KAGN convolutions", kagn_conv.OPTIONS, kagn_conv.matches, kagn_conv.build),
    Importer("KAGN", kagn.OPTIONS, kagn.matches, kagn.build),
    Importer("FastKAN", fast_kan.OPTIONS, fast_kan.matches, fast_kan.build),
    Importer("GRAMKAN", gramkan.OPTIONS, gramkan.matches, gramkan.build, _TANH),
    Importer("ChebyKAN", chebykan.OPTIONS, chebykan.matches, chebykan.build, _TANH),
    Importer("inkan", inkan.OPTIONS, inkan.matches, inkan.build),
    # The same names as EfficientKAN's, but other shapes.
    Importer("kanx", kanx.OPTIONS, kanx.matches, kanx.build),
    Importer("EfficientKAN", efficient_kan.OPTIONS, efficient_kan.matches, efficient_kan.build),
    Importer("PyKAN", pykan.OPTIONS, pykan.matches, pykan.build),
)
# Its list of modules tells what the tensors are.
_SEQUENTIAL = Importer("nn.Sequential", sequential.OPTIONS, sequential.matches, sequential.build)

# Options of what is around a network, whatever its library.
AROUND = ("ignore", *normalisation.OPTIONS)


def model_of_state(
    owner: str,
    state: State,
    options: Mapping[str, Any],
    config: Mapping[str, Any],
    told: str = "config.json",
) -> KanModel:
    """The network of named tensors.

    Parameters
    ----------
    owner
        Where they are from, for messages.
    state
        Named tensors.
    options
        What the user gave.
    config
        What else is known of the network; entries that its importer does not understand are for
        others.
    told
        Where that is from, for the source.

    Raises
    ------
    InputError
        If no library's network follows from it, or an option does not exist.
    """
    around = {name: {**config, **options}.get(name) for name in AROUND}
    inner = {name: value for name, value in options.items() if name not in AROUND}
    try:
        state, pruned = with_masks_applied(state)
        ends = normalisation.read_normalisation(state, around)
        state = {name: array for name, array in state.items() if name not in ends.tensors}
        state, ignored = without_ignored(state, around["ignore"])
    except InputError as error:
        raise InputError(f"{owner}: {error}") from error
    importer = _importer(owner, state, {**config, **options})
    check_options(options, (*importer.options, *AROUND), f"The importer for {importer.library}")
    known = {name: value for name, value in config.items() if name in importer.options}
    try:
        model = importer.build(state, merge_config(known, inner))
        whole = normalisation.normalised(model, ends)
    except InputError as error:
        raise InputError(f"{owner}: {error}") from error
    notes = [model.source, importer.assumed, pruned, ignored, ends.described]
    notes.append(f"{', '.join(known)} from {told}" if known else "")
    return replace(whole, source="; ".join(note for note in notes if note))


def _importer(owner: str, state: State, options: Mapping[str, Any]) -> Importer:
    if "modules" in options:
        return _SEQUENTIAL
    matching = [entry for entry in IMPORTERS if entry.matches(state)]
    if len(matching) > 1 and isinstance(options.get("layers"), str):
        # Of several libraries' networks, the one whose layers were named.
        starts = tuple(f"{name.strip()}." for name in options["layers"].split(","))
        chosen = {name: array for name, array in state.items() if name.startswith(starts)}
        matching = [entry for entry in matching if entry.matches(chosen)] or matching
    if matching:
        return matching[0]
    names = ", ".join(list(state)[:6]) + (", ..." if len(state) > 6 else "")
    known = ", ".join(entry.library for entry in IMPORTERS)
    raise InputError(
        f"{owner} holds no KAN that kanhw knows ({known}); its tensors are: {names or 'none'}"
    )


def check_options(options: Mapping[str, Any], allowed: tuple[str, ...], owner: str) -> None:
    """Refuse options that do not exist, which would otherwise do nothing.

    Raises
    ------
    InputError
        Naming the first of them, and those that exist.
    """
    for name in options:
        if name not in allowed:
            choice = f"allowed are {', '.join(allowed)}" if allowed else "there are none"
            raise InputError(f"{owner} takes no option {name!r}: {choice}")
