"""Reading a trained network, whatever a path names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.errors import InputError
from kanhw.importers.hyper_parameters import read_config
from kanhw.importers.libraries import check_options, model_of_state
from kanhw.importers.parts.checkpoint import read_checkpoint
from kanhw.importers.parts.normalisation import OPTIONS as NORMALISATIONS
from kanhw.importers.parts.normalisation import normalised, read_normalisation
from kanhw.importers.pykan import network as pykan
from kanhw.model.network import KanModel

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["load_model"]

_FOLDER_MODEL, _FOLDER_CONFIG, _KANELE_TABLES = "model.pt", "config.json", "truth_tables.json"


def load_model(path: str | Path, **options: Any) -> KanModel | Program:
    """Read a trained network.

    Parameters
    ----------
    path
        A checkpoint of PyTorch (.pt, .pth, .bin, .ckpt) or safetensors; a Program that kanhw saved;
        a folder of KANELE's truth tables; a folder with ``model.pt``; the PATH (or a file, or the
        folder) of PyKAN's ``saveckpt``; or a neutral file (.npz, :mod:`kanhw.model.neutral`). What
        a checkpoint does not hold is read from a ``config.json`` beside it.
    **options
        What a checkpoint does not hold; each wins over ``config.json``. ``base_activation``: silu
        (default), identity, zero, gelu, relu, tanh. ``layers``: which tensors to read where a
        checkpoint holds several networks. ``modules``, ``input_shape``: see
        :mod:`kanhw.importers.sequential`. ``ignore``: patterns of the names of tensors that no
        output depends on. ``input_mean``, ``input_std``, ``output_mean``, ``output_std``: numbers,
        or names of tensors, of the normalisations around the network, which are folded into it.
        The others are those of the library's importer.

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
    if not isinstance(path, str | Path):
        raise TypeError(f"A path must be a string or a Path, not {path!r}")
    path = Path(path)
    if (triple := pykan.find_triple(path)) is not None:
        return _load_triple(triple, options)
    if path.is_dir():
        return _load_folder(path, options)
    if path.suffix == ".npz":
        return _load_neutral(path, options)
    if path.suffix == ".safetensors" and path.is_file() and path.stat().st_size:
        from kanhw.program import is_program_file, load_program

        if is_program_file(path):
            check_options(options, (), f"{path} is a Program, which")
            return load_program(path)
    return _load_checkpoint(path, options)


def _load_folder(folder: Path, options: Mapping[str, Any]) -> KanModel | Program:
    if (folder / _KANELE_TABLES).is_file():
        from kanhw.importers.kanele import load_kanele

        check_options(options, (), f"{folder} is a KANELE network, which")
        return load_kanele(folder)
    if (folder / _FOLDER_MODEL).is_file():
        return _load_checkpoint(folder / _FOLDER_MODEL, options)
    raise InputError(
        f"{folder} holds no network that kanhw knows: neither {_FOLDER_MODEL} nor "
        f"{_KANELE_TABLES}; name the checkpoint file itself"
    )


def _load_triple(triple: pykan.Triple, options: Mapping[str, Any]) -> KanModel:
    """Read PyKAN's three files; normalisations are numbers, as they hold no others' tensors."""
    check_options(options, (*pykan.OPTIONS, *NORMALISATIONS), "The importer for PyKAN")
    config = read_config(triple.prefix.with_name(_FOLDER_CONFIG), options)
    known = {name: value for name, value in config.items() if name in pykan.OPTIONS}
    inner = {name: value for name, value in options.items() if name not in NORMALISATIONS}
    return _with_ends(pykan.load_triple(triple, {**known, **inner}), options)


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


def _load_checkpoint(path: Path, options: Mapping[str, Any]) -> KanModel:
    state = read_checkpoint(path)
    config = read_config(path.with_name(_FOLDER_CONFIG), options)
    model = model_of_state(str(path), state, options, config)
    # The name alone: where a file lay on one machine is of no use to whoever reads this later.
    return replace(model, source=f"{path.name}: {model.source}")
