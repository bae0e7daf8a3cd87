"""Files of torch.save: every state_dict in them, and no Python object but harmless ones."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kanhw.data_files import tensor_to_numpy, torch_content
from kanhw.errors import InputError
from kanhw.importers.parts.state import Array, State

__all__ = ["arrays_of", "read_torch", "states_in"]

# What is never a checkpoint, whatever is in it.
_TEXTS = (".csv", ".tsv", ".json", ".py", ".yaml", ".yml", ".md", ".v")

# What training loops keep beside the weights, none of which is a network.
_NO_NETWORK = re.compile(
    r"(.*_)?(optim\w*|opt|sched\w*|lr_\w+|scaler|rng\w*|callbacks|loops)(_.*)?"
)
_DEPTH = 6


def read_torch(path: Path) -> dict[str, State]:
    """Read every state_dict of a file by the keys that lead to it.

    Raises
    ------
    InputError
        If it is damaged, holds no tensors, or Python objects other than numbers and settings.
    ToolNotFound
        If torch is not installed.
    """
    damaged = (
        f"{path} is not a state_dict: it is damaged, or holds Python objects other than "
        f"tensors, which kanhw never unpickles; save it with torch.save(model.state_dict(), path)"
    )
    if path.suffix.lower() in _TEXTS:
        damaged = (
            f"{path} is a text file, not a network: name the file that "
            "torch.save(model.state_dict(), path) or 'kanhw quantize' wrote"
        )
    with warnings.catch_warnings():
        # TorchScript archives warn before they are refused.
        warnings.simplefilter("ignore")
        content = torch_content(path, damaged, _harmless)
    return states_in(content, str(path))


def states_in(content: Any, owner: str) -> dict[str, State]:
    """Find the state_dicts in what was saved, or is in memory.

    Raises
    ------
    InputError
        If there is none.
    """
    if not isinstance(content, Mapping):
        raise InputError(
            f"{owner} holds a {type(content).__name__} instead of a state_dict: save it with "
            f"torch.save(model.state_dict(), path)"
        )
    found = dict(_walk(content, (), set()))
    # Below a state_dict's own name is what a loop saved beside it, such as a best score.
    named = {key: state for key, state in found.items() if _is_network(state)}
    states = named or {key: state for key, state in found.items() if state}
    if not states:
        keys = ", ".join(repr(key) for key in list(content)[:8]) or "nothing"
        raise InputError(
            f"{owner} holds no tensors ({keys}): a state_dict is looked for at the top and under "
            f"every key"
        )
    return states


def _walk(
    content: Mapping[Any, Any], keys: tuple[str, ...], visited: set[int]
) -> Iterator[tuple[str, State]]:
    """The tensors of every mapping, each visited once, those that hold themselves too."""
    visited.add(id(content))
    yield ".".join(keys), arrays_of(content)
    for key, value in content.items():
        if (
            isinstance(value, Mapping)
            and id(value) not in visited
            and len(keys) < _DEPTH
            and not _NO_NETWORK.fullmatch(str(key).lower())
        ):
            yield from _walk(value, (*keys, str(key)), visited)


def _is_network(state: State) -> bool:
    """Whether tensors are parameters of modules: named by their place, and not single numbers."""
    return any(array.ndim > 0 and isinstance(name, str) for name, array in state.items()) and (
        any("." in name for name in state) or any(array.ndim > 1 for array in state.values())
    )


def arrays_of(content: Mapping[Any, Any]) -> dict[str, Array]:
    """The tensors, and arrays of numbers, of a mapping."""
    import torch

    found: dict[str, Array] = {}
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            found[str(name)] = tensor_to_numpy(str(name), value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            found[str(name)] = value.astype(np.float64) if value.dtype.kind == "f" else value
    return found


def _harmless() -> list[Any]:
    """What may stand beside tensors: numbers and arrays of numpy, and settings of argparse.

    Making one runs no code of the file's: a Namespace is its attributes, an array its bytes.
    """
    makers = [np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]]
    older = [_as_of_numpy_1(each) for each in makers]
    kinds = {type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"}
    return [argparse.Namespace, np.ndarray, np.dtype, *makers, *older, *kinds]


def _as_of_numpy_1(maker: Any) -> Any:
    """The same function by the name that numpy 1 wrote into files."""

    def named(*arguments: Any) -> Any:
        return maker(*arguments)

    named.__module__ = "numpy.core.multiarray"
    named.__name__ = named.__qualname__ = maker.__name__
    return named
