"""Reading a trained network: the table of libraries, and what a path or a state_dict is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from kanhw.importers.hyper_parameters import merge_config, read_config
from kanhw.importers.parts.checkpoint import State, read_checkpoint
from kanhw.importers.pykan import network as pykan
from kanhw.model.network import KanModel

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
    Importer("KAGN convolutions", kagn_conv.OPTIONS, kagn_conv.matches, kagn_conv.build),
    Importer("KAGN", kagn.OPTIONS, kagn.matches, kagn.build),
    Importer("FastKAN", fast_kan.OPTIONS, fast_kan.matches, fast_kan.build),
    Importer("GRAMKAN", gramkan.OPTIONS, gramkan.matches, gramkan.build),
    Importer("ChebyKAN", chebykan.OPTIONS, chebykan.matches, chebykan.build),
    Importer("inkan", inkan.OPTIONS, inkan.matches, inkan.build),
    # The same names as EfficientKAN's, but other shapes.
    Importer("kanx", kanx.OPTIONS, kanx.matches, kanx.build),
    Importer("EfficientKAN", efficient_kan.OPTIONS, efficient_kan.matches, efficient_kan.build),
    Importer("PyKAN", pykan.OPTIONS, pykan.matches, pykan.build),
)
# Its list of modules tells what the tensors are.
_SEQUENTIAL = Importer("nn.Sequential", sequential.OPTIONS, sequential.matches, sequential.build)

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
        :mod:`kanhw.importers.sequential`. The others are those of the library's importer.

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
        _check_options(options, pykan.OPTIONS, "The importer for PyKAN")
        config = read_config(triple.prefix.with_name(_FOLDER_CONFIG), options)
        known = {name: value for name, value in config.items() if name in pykan.OPTIONS}
        return pykan.load_triple(triple, {**known, **options})
    if path.is_dir():
        return _load_folder(path, options)
    if path.suffix == ".npz":
        from kanhw.model.neutral import load_neutral

        _check_options(options, (), f"{path} is a neutral file, which")
        return load_neutral(path)
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
        return _load_checkpoint(folder / _FOLDER_MODEL, options)
    raise InputError(
        f"{folder} holds no network that kanhw knows: neither {_FOLDER_MODEL} nor "
        f"{_KANELE_TABLES}; name the checkpoint file itself"
    )


def _load_checkpoint(path: Path, options: Mapping[str, Any]) -> KanModel:
    state = read_checkpoint(path)
    config = read_config(path.with_name(_FOLDER_CONFIG), options)
    importer = _SEQUENTIAL if "modules" in {**config, **options} else None
    importer = importer or next((entry for entry in IMPORTERS if entry.matches(state)), None)
    if importer is None:
        names = ", ".join(list(state)[:6]) + (", ..." if len(state) > 6 else "")
        known = ", ".join(entry.library for entry in IMPORTERS)
        raise InputError(
            f"{path} holds no KAN that kanhw knows ({known}); its tensors are: {names or 'none'}"
        )
    _check_options(options, importer.options, f"The importer for {importer.library}")
    config = {name: value for name, value in config.items() if name in importer.options}
    try:
        model = importer.build(state, merge_config(config, options))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # The name alone: where a file lay on one machine is of no use to whoever reads this later.
    told = f"; {', '.join(config)} from {_FOLDER_CONFIG}" if config else ""
    return replace(model, source=f"{path.name}: {model.source}{told}")


def _check_options(options: Mapping[str, Any], allowed: tuple[str, ...], owner: str) -> None:
    for name in options:
        if name not in allowed:
            choice = f"allowed are {', '.join(allowed)}" if allowed else "there are none"
            raise InputError(f"{owner} takes no option {name!r}: {choice}")
