"""Tensors beside the network: ignored as told, harmless, or a refusal that says what to do."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable

import numpy as np

from kanhw.errors import InputError
from kanhw.importers.parts.checkpoint import WRAPPER_PREFIXES, State
from kanhw.importers.parts.settings import listed

__all__ = ["check_nothing_left", "left_over", "named", "without_ignored"]

# Counters of training loops, of weight averaging and of BatchNorm: no output depends on them.
_COUNTERS = {
    "num_batches_tracked", "n_averaged", "num_updates", "initted", "decay", "step", "global_step",
    "epoch",
}  # fmt: skip
_SHOWN = 4
# What tensors of normalisations are called, and the option that reads them.
_NORMALISATIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("output-mean", re.compile(r"(y|out|target|label).*(mean|mu|offset|shift)")),
    ("output-std", re.compile(r"(y|out|target|label).*(std|sigma|scale)")),
    ("input-mean", re.compile(r".*(mean|mu|offset|shift)")),
    ("input-std", re.compile(r".*(std|sigma|scale)")),
)


def without_ignored(state: State, patterns: object) -> tuple[State, str]:
    """Take out the tensors that the option ``ignore`` names, and say so.

    Parameters
    ----------
    state
        Named tensors.
    patterns
        A pattern as of file names, such as ``norm.*``, a list of them, or text with commas; None
        ignores nothing.

    Returns
    -------
    State, str
        What is left, and a note for the source, empty where there is nothing to say.

    Raises
    ------
    InputError
        If a pattern names no tensor.
    """
    if patterns is None:
        return state, ""
    gone: set[str] = set()
    for pattern in listed(patterns):
        if not isinstance(pattern, str):
            raise TypeError(f"ignore takes patterns of tensor names, not {type(pattern).__name__}")
        either = (pattern, _unwrapped(pattern))
        found = {name for name in state if any(fnmatch.fnmatchcase(name, p) for p in either)}
        if not found:
            raise InputError(
                f"ignore={pattern!r} names no tensor of the checkpoint: it has {named(state)}"
            )
        gone |= found
    ignored = [name for name in state if name in gone]
    kept = {name: array for name, array in state.items() if name not in gone}
    return kept, f"ignored as told: {named(ignored)}"


def left_over(state: State, starts: Iterable[str]) -> list[str]:
    """The tensors outside of the modules whose names begin so, counters and empty ones apart."""
    read = tuple(starts)
    return [
        name
        for name, array in state.items()
        if not name.startswith(read)
        and name.rpartition(".")[2] not in _COUNTERS
        and np.size(array) > 0
    ]


def check_nothing_left(
    state: State, starts: Iterable[str], cure: Callable[[list[str]], str] | None = None
) -> None:
    """Refuse a checkpoint that holds more than what is read.

    Parameters
    ----------
    state
        Named tensors, without those that are ignored.
    starts
        What the names of the tensors begin with that are read.
    cure
        Makes of the names that are left the advice on how to have them read.

    Raises
    ------
    InputError
        Naming the first of them, and the ways out.
    """
    left = left_over(state, starts)
    if not left:
        return
    advice = [_normalised(left), cure(left) if cure else "", _IGNORE.format(_pattern(left))]
    raise InputError(
        f"The checkpoint holds {named(left)} beside the network, which would be left out: "
        f"{'; '.join(part for part in advice if part)}"
    )


_IGNORE = (
    "or --ignore {0!r} (ignore=[{0!r}] in Python) if what the network computes does not depend on "
    "them"
)


def named(names: Iterable[str]) -> str:
    """``2 tensors (a.weight, a.bias)``, the first few by name."""
    every = list(names)
    shown = ", ".join(every[:_SHOWN]) + (", ..." if len(every) > _SHOWN else "")
    return f"{len(every)} tensor{'' if len(every) == 1 else 's'} ({shown or 'none'})"


def _normalised(left: list[str]) -> str:
    """The options that would read means and deviations by their names."""
    found: dict[str, str] = {}
    for name in left:
        if "running_" in name:
            continue
        last = name.rpartition(".")[2].lower()
        option = next((opt for opt, pattern in _NORMALISATIONS if pattern.fullmatch(last)), None)
        if option is not None:
            found.setdefault(option, name)
    if not found:
        return ""
    flags = " ".join(f"--{option} {found[option]}" for option in sorted(found))
    return f"if they normalise inputs or outputs, read them with {flags}"


def _pattern(left: list[str]) -> str:
    """A pattern for the module of the first name."""
    parent, dot, _ = left[0].rpartition(".")
    return f"{parent}.*" if dot else left[0]


def _unwrapped(pattern: str) -> str:
    """The pattern as names read once wrappers are taken off them."""
    for prefix in WRAPPER_PREFIXES:
        pattern = pattern.removeprefix(prefix)
    return pattern
