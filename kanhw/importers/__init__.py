"""Reading trained networks: one file per library, and the table that finds the right one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw.errors import InputError
from kanhw.importers import efficient_kan
from kanhw.importers.checkpoint import State, read_checkpoint
from kanhw.model import KanModel

if TYPE_CHECKING:
    from kanhw.program import Program

__all__ = ["IMPORTERS", "Importer", "load_model"]


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
    """

    library: str
    options: tuple[str, ...]
    matches: Callable[[State], bool]
    build: Callable[[State, Mapping[str, Any]], KanModel]


# A new library is one more line; the first that matches is taken.
IMPORTERS = (
    Importer("EfficientKAN", efficient_kan.OPTIONS, efficient_kan.matches, efficient_kan.build),
)

_FOLDER_MODEL, _FOLDER_CONFIG, _KANELE_TABLES = "model.pt", "config.json", "truth_tables.json"


def load_model(path: str | Path, **options: Any) -> KanModel | Program:
    """Read a trained network.

    Parameters
    ----------
    path
        A checkpoint of PyTorch (.pt, .pth, .bin, .ckpt) or safetensors; a Program that kanhw
        saved; a folder of KANELE's truth tables; or a folder with ``model.pt`` and, if need be, a
        ``config.json`` that names the ``base_activation``.
    **options
        ``base_activation``: silu (default), identity, zero, gelu, relu, tanh. ``layers``: which
        tensors to read where a checkpoint holds several networks.

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
    if path.is_dir():
        return _load_folder(path, options)
    if path.suffix == ".safetensors" and path.is_file() and path.stat().st_size:
        from kanhw.program import is_program_file, load_program

        if is_program_file(path):
            _check_options(options, (), f"{path} is a Program, which")
            return load_program(path)
    return _load_checkpoint(path, options)


def _load_folder(folder: Path, options: Mapping[str, Any]) -> KanModel | Program:
    if (folder / _KANELE_TABLES).is_file():
        from kanhw.importers.kanele import load_kanele

        _check_options(options, (), f"{folder} is a KANELE network, which")
        return load_kanele(folder)
    if (folder / _FOLDER_MODEL).is_file():
        return _load_checkpoint(folder / _FOLDER_MODEL, {**_folder_options(folder), **options})
    raise InputError(
        f"{folder} holds no network that kanhw knows: neither {_FOLDER_MODEL} nor "
        f"{_KANELE_TABLES}; name the checkpoint file itself"
    )


def _folder_options(folder: Path) -> dict[str, Any]:
    config = folder / _FOLDER_CONFIG
    if not config.is_file():
        return {}
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{config} is not readable JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{config} must hold a JSON object, not a {type(content).__name__}")
    activation = content.get("base_activation")
    if activation is None:
        return {}
    if not isinstance(activation, str):
        raise InputError(f"{config}: 'base_activation' must be a name, not {activation!r}")
    return {"base_activation": activation}


def _load_checkpoint(path: Path, options: Mapping[str, Any]) -> KanModel:
    state = read_checkpoint(path)
    importer = next((entry for entry in IMPORTERS if entry.matches(state)), None)
    if importer is None:
        names = ", ".join(list(state)[:6]) + (", ..." if len(state) > 6 else "")
        known = ", ".join(entry.library for entry in IMPORTERS)
        raise InputError(
            f"{path} holds no KAN that kanhw knows ({known}); its tensors are: {names or 'none'}"
        )
    _check_options(options, importer.options, f"The importer for {importer.library}")
    try:
        model = importer.build(state, options)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # The name alone: where a file lay on one machine is of no use to whoever reads this later.
    return replace(model, source=f"{path.name}: {model.source}")


def _check_options(options: Mapping[str, Any], allowed: tuple[str, ...], owner: str) -> None:
    for name in options:
        if name not in allowed:
            choice = f"allowed are {', '.join(allowed)}" if allowed else "there are none"
            raise InputError(f"{owner} takes no option {name!r}: {choice}")
