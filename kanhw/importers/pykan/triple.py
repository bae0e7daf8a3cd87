"""The three files of PyKAN's ``saveckpt``: PATH_config.yml, PATH_state and PATH_cache_data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kanhw.data_files import torch_content
from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.importers.parts.checkpoint import State, read_checkpoint
from kanhw.importers.pykan.config_yaml import read_yaml
from kanhw.importers.pykan.options import PykanOptions

__all__ = ["Triple", "calibration_data", "find_triple"]

_CONFIG, _STATE, _CACHE = "_config.yml", "_state", "_cache_data"


@dataclass(frozen=True)
class Triple:
    """Where one network's files lie.

    Parameters
    ----------
    prefix
        What ``saveckpt`` was given.
    """

    prefix: Path

    @property
    def config_path(self) -> Path:
        """Settings and the names of symbolic functions."""
        return Path(f"{self.prefix}{_CONFIG}")

    @property
    def state_path(self) -> Path:
        """The state_dict."""
        return Path(f"{self.prefix}{_STATE}")

    @property
    def cache_path(self) -> Path:
        """The inputs of the last forward pass, or None."""
        return Path(f"{self.prefix}{_CACHE}")

    def config(self) -> dict[str, Any]:
        """Read the config.

        Raises
        ------
        InputError
            If it is missing or no text.
        """
        try:
            return read_yaml(self.config_path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.config_path} cannot be read: {error}") from error

    def state(self) -> State:
        """Read the tensors.

        Raises
        ------
        InputError, ToolNotFound
            As :func:`kanhw.importers.parts.checkpoint.read_checkpoint`.
        """
        return read_checkpoint(self.state_path)


def find_triple(path: Path) -> Triple | None:
    """Find the network that a path names: saveckpt's PATH, one of its files, or their folder.

    A PATH comes before a folder of the same name, because PyKAN keeps the history of ``model_*`` in
    the folder ``model``.

    Raises
    ------
    InputError
        If only one of PATH_config.yml and PATH_state is there, or a folder holds several networks.
    """
    if path.name:
        for prefix in (path, *_prefixes(path)):
            triple = Triple(prefix)
            present = [each.is_file() for each in (triple.config_path, triple.state_path)]
            if all(present):
                return triple
            # A file or folder of the very name is what is meant, whatever lies beside it.
            if any(present) and (prefix != path or not path.exists()):
                missing = triple.state_path if present[0] else triple.config_path
                raise InputError(
                    f"{missing} is missing: keep the files that saveckpt writes together (or give "
                    f"the state the suffix .pt, to load it on its own)"
                )
    # A folder with a model.pt is that model's.
    return None if (path / "model.pt").is_file() else _only_triple(path)


def _prefixes(path: Path) -> list[Path]:
    return [
        path.with_name(path.name.removesuffix(ending))
        for ending in (_CONFIG, _STATE, _CACHE)
        if path.name.endswith(ending) and path.name != ending
    ]


def _only_triple(folder: Path) -> Triple | None:
    found = [
        Triple(Path(str(config).removesuffix(_CONFIG))) for config in folder.glob(f"*{_CONFIG}")
    ]
    found = sorted((each for each in found if each.state_path.is_file()), key=lambda t: t.prefix)
    if len(found) > 1:  # none where the path is no folder
        names = ", ".join(triple.prefix.name for triple in found)
        raise InputError(
            f"{folder} holds several PyKAN networks ({names}): name one, such as {found[-1].prefix}"
        )
    return found[0] if found else None


def calibration_data(path: str | Path, **options: Any) -> FloatArray | None:
    """Offer the batch that PyKAN saved with a network, as data to calibrate it with.

    ``saveckpt`` keeps the inputs of the last forward pass, which are often training data; they may
    be private.

    Parameters
    ----------
    path
        What :func:`kanhw.load` was given.
    **options
        Its options; only ``input_ids`` and ``n_features`` matter here.

    Returns
    -------
    FloatArray or None
        ``[N, n_in]`` for the model that ``kanhw.load`` makes with these options; None where the
        path is no such network, or nothing was saved with it.

    Raises
    ------
    InputError
        If the batch does not fit the network, or the file is damaged.
    """
    triple = find_triple(Path(path))
    if triple is None or not triple.cache_path.is_file():
        return None
    batch = _read_batch(triple.cache_path)
    if batch is None:
        return None
    taken = next(
        array.shape[0] for name, array in triple.state().items() if name.endswith("act_fun.0.coef")
    )
    return _fitted(batch, taken, PykanOptions.of(_known(options)), triple.cache_path)


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("input_ids", "n_features") if name in options}


def _read_batch(path: Path) -> FloatArray | None:
    batch = torch_content(
        path, f"{path} is damaged, or holds more than a batch: copy the file that pykan saved again"
    )
    if batch is None:
        return None
    import torch

    if not isinstance(batch, torch.Tensor) or batch.ndim != 2:
        raise InputError(f"{path} must hold a batch [N, n_in], not {type(batch).__name__}")
    return np.asarray(batch.detach().double().numpy())


def _fitted(batch: FloatArray, taken: int, options: PykanOptions, path: Path) -> FloatArray:
    """The batch in the columns of the model, which reads ``taken`` of them."""
    ids, width = options.input_ids, batch.shape[1]
    if ids is None and width == taken:
        return batch
    if ids is not None:
        total = options.n_features or max(ids) + 1
        if width == taken == len(ids):
            columns = np.zeros((len(batch), total))
            columns[:, list(ids)] = batch
            return columns
        if width >= total:
            return batch[:, :total]
    raise InputError(
        f"{path} holds samples of {width} features, but the network takes {taken}: prune_input "
        f"leaves such a file, for which input_ids tells the columns that were kept"
    )
