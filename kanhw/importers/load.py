"""Reading a trained network, whatever a path names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.errors import InputError
from kanhw.importers.hyper_parameters import read_config
from kanhw.importers.libraries import check_options, model_of_state
from kanhw.importers.parts.checkpoint import State, file_kind, read_states
from kanhw.importers.parts.normalisation import OPTIONS as NORMALISATIONS
from kanhw.importers.parts.normalisation import normalised, read_normalisation
from kanhw.importers.pykan import network as pykan
from kanhw.model.network import KanModel

if TYPE_CHECKING:
    import torch

    from kanhw.program import Program

__all__ = ["load_model"]

_FOLDER_MODELS = ("model.pt", "model.safetensors", "model.pth", "pytorch_model.bin")
_FOLDER_CONFIG, _KANELE_TABLES = "config.json", "truth_tables.json"
_CHOICE = "state_dict"


def load_model(
    source: str | Path | Mapping[str, Any] | torch.nn.Module, **options: Any
) -> KanModel | Program:
    """Read a trained network.

    Parameters
    ----------
    source
        A checkpoint of torch.save or safetensors, whatever its suffix; a Program that kanhw saved;
        a folder of KANELE's truth tables; a folder with ``model.pt`` or ``model.safetensors``; the
        PATH (or a file, or the folder) of PyKAN's ``saveckpt``; a neutral file
        (:mod:`kanhw.model.neutral`). What a checkpoint does not hold is read from a
        ``config.json`` beside it. Or a state_dict or torch module in memory, which is read by its
        tensors.
    **options
        What a checkpoint does not hold; each wins over ``config.json``. ``base_activation``: silu
        (default), identity, zero, gelu, relu, tanh. ``layers``: which tensors to read where a
        checkpoint holds several networks. ``modules``, ``input_shape``: see
        :mod:`kanhw.importers.sequential`. ``ignore``: patterns of the names of tensors that no
        output depends on. ``input_mean``, ``input_std``, ``output_mean``, ``output_std``: numbers,
        or names of tensors, of the normalisations around the network, which are folded into it.
        ``state_dict``: the key of the state_dict to read, where a checkpoint holds several. The
        others are those of the library's importer.

    Returns
    -------
    KanModel or Program
        Floating-point layers, or the integers of a network that is quantized already.

    Raises
    ------
    InputError
        If the file is missing, damaged, unknown or inconsistent, or an option does not exist.
    ToolNotFound
        If the file needs PyTorch and that is not installed.
    """
    if not isinstance(source, str | Path):
        return _load_from_memory(source, options)
    path = Path(source)
    if (triple := pykan.find_triple(path)) is not None:
        return _load_triple(triple, options)
    if path.is_dir():
        return _load_folder(path, options)
    return _load_file(path, options)


def _load_from_memory(source: Any, options: Mapping[str, Any]) -> KanModel:
    """A state_dict, or a module of torch."""
    from kanhw.importers.in_memory import model_of_module

    if isinstance(source, Mapping):
        from kanhw.importers.parts.torch_file import states_in

        states = states_in(source, "The state_dict")
        return _model_of_states("The state_dict", states, options, {})
    torch = sys.modules.get("torch")  # a module of torch has imported it
    if torch is None or not isinstance(source, torch.nn.Module):
        raise TypeError(
            "load takes a path (a string or a Path), a state_dict or a torch module, not "
            f"{type(source).__name__}"
        )
    return model_of_module(source, options)


def _load_file(path: Path, options: Mapping[str, Any]) -> KanModel | Program:
    """A file, known by what is in it."""
    kind = file_kind(path) if path.is_file() else ""
    if kind == "npz":
        return _load_neutral(path, options)
    if kind == "safetensors":
        from kanhw.program import is_program_file, load_program

        if is_program_file(path):
            check_options(options, (), f"{path} is a Program, which")
            return load_program(path)
    states = read_states(path)
    place = path.with_name(_FOLDER_CONFIG)
    config = read_config(place, options)
    with _as_values(place, config):
        model = _model_of_states(str(path), states, options, config)
    # The name alone: where a file lay on one machine is of no use to whoever reads this later.
    return replace(model, source=f"{path.name}: {model.source}")


def _model_of_states(
    owner: str, states: Mapping[str, State], options: Mapping[str, Any], config: Mapping[str, Any]
) -> KanModel:
    """The network of the state_dict that is chosen, or the only one."""
    options = dict(options)
    wanted = options.pop(_CHOICE, None)
    listing = ", ".join(f"{key!r} ({len(state)} tensors)" for key, state in states.items())
    if wanted is None and len(states) > 1:
        raise InputError(
            f"{owner} holds several state_dicts: {listing}; choose one with --option {_CHOICE}=KEY "
            f"({_CHOICE}='KEY' in Python)"
        )
    if wanted is not None and wanted not in states:
        raise InputError(f"{owner} holds no state_dict under {wanted!r}: it has {listing}")
    state = next(iter(states.values())) if wanted is None else states[wanted]
    model = model_of_state(owner, state, options, config)
    return model if wanted is None else replace(model, source=f"{model.source}; under {wanted!r}")


def _load_folder(folder: Path, options: Mapping[str, Any]) -> KanModel | Program:
    if (folder / _KANELE_TABLES).is_file():
        from kanhw.importers.kanele import load_kanele

        check_options(options, (), f"{folder} is a KANELE network, which")
        return load_kanele(folder)
    present = [name for name in _FOLDER_MODELS if (folder / name).is_file()]
    if len(present) == 1:
        return _load_file(folder / present[0], options)
    if present:
        raise InputError(
            f"{folder} holds several checkpoints ({', '.join(present)}): name one of them"
        )
    if (folder / "manifest.json").is_file():
        raise InputError(
            f"{folder} is a design that 'kanhw generate' made: give the Program that it was made of"
        )
    raise InputError(
        f"{folder} holds no network that kanhw knows: neither {', '.join(_FOLDER_MODELS)} nor "
        f"{_KANELE_TABLES}; name the checkpoint file itself"
    )


def _load_triple(triple: pykan.Triple, options: Mapping[str, Any]) -> KanModel:
    """Read PyKAN's three files; normalisations are numbers, as they hold no others' tensors."""
    check_options(options, (*pykan.OPTIONS, *NORMALISATIONS), "The importer for PyKAN")
    place = triple.prefix.with_name(_FOLDER_CONFIG)
    config = read_config(place, options)
    known = {name: value for name, value in config.items() if name in pykan.OPTIONS}
    inner = {name: value for name, value in options.items() if name not in NORMALISATIONS}
    with _as_values(place, known):
        return _with_ends(pykan.load_triple(triple, {**known, **inner}), options)


@contextmanager
def _as_values(path: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """A wrong type in a file is a wrong value to whoever loads it, whoever finds it."""
    try:
        yield
    except TypeError as error:
        if not config:
            raise
        raise InputError(f"{path}: {error}") from error


def _load_neutral(path: Path, options: Mapping[str, Any]) -> KanModel:
    from kanhw.model.neutral import load_neutral

    check_options(options, NORMALISATIONS, f"{path} is a neutral file, which")
    return _with_ends(load_neutral(path), options)


def _with_ends(model: KanModel, options: Mapping[str, Any]) -> KanModel:
    """The network with the normalisations that were told in numbers."""
    ends = read_normalisation({}, options)
    if not ends.values:
        return model
    return replace(normalised(model, ends), source=f"{model.source}; {ends.described}")
