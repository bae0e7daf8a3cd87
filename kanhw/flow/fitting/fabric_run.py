"""Training with learned widths as one call: split data, train, write the front and its Programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kanhw.entries import read_json_object
from kanhw.errors import InputError, ToolNotFound
from kanhw.estimation.told import TELLERS
from kanhw.files import write_json
from kanhw.flow.fitting.held_out import split_off
from kanhw.frames import column_names, in_order
from kanhw.model.network import KanModel
from kanhw.places import check_place, write_whole
from kanhw.program import Labels, Program, save_program

if TYPE_CHECKING:
    from torch import nn

    from kanhw.quant.fabric.front import Front
    from kanhw.quant.fabric.stages import RunState
    from kanhw.quant.fabric.training import FabricTraining

__all__ = ["TrainedFront", "train_for_fabric"]

_STATE, _FRONT, _ROWS, _POINTS = "state.safetensors", "front.json", "front.csv", "points"
# The split is the same for all seeds, so that they can be compared.
_SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class TrainedFront:
    """The points of a training for the fabric, and the Program of each by name."""

    front: Front
    programs: dict[str, Program]

    def best(self, at_most: float | None = None) -> Program:
        """The Program of the point that :meth:`kanhw.quant.fabric.front.Front.best` takes."""
        return self.programs[self.front.best(at_most).name]


def train_for_fabric(
    network: KanModel | nn.Module | Sequence[int] | str,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    out: str | Path | None = None,
    validation: float | tuple[npt.ArrayLike, npt.ArrayLike] = 0.2,
    force: bool = False,
    on_epoch: Callable[[FabricTraining, RunState], None] | None = None,
    **settings: Any,
) -> TrainedFront:
    """Learn widths and weights of a network under the cost of the fabric that it will take.

    Parameters
    ----------
    network
        Sizes such as ``(16, 3, 7)`` or ``"16-3-7"``, to train cubic B-splines from scratch, with an
        image, convolutions and pooling in front such as ``"1x8x8-4@3x3-max2x2-10"``; or a trained
        float model (:func:`kanhw.load`) or a network of :mod:`kanhw.layers`.
    x, y
        Features ``[N, *input_shape]`` and targets as :func:`kanhw.train` takes them.
    out
        A folder for the front (``front.json``, ``front.csv``), the Programs (``points``) and the
        state, from which the same call goes on where it was ended; None writes nothing.
    validation
        The share of the data that points are chosen by, split off at random; or such data.
    force
        Whether what lies in the folder is written over.
    on_epoch
        Is told the training and its state behind every epoch.
    **settings
        Fields of :class:`kanhw.quant.fabric.settings.FabricSettings`.

    Raises
    ------
    InputError
        If a setting is out of its range, data and network do not fit, or the folder holds something
        else.
    TypeError
        If ``network`` is something else, or a setting does not exist.
    ToolNotFound
        If PyTorch is not installed.
    TrainingDiverged
        If parameters are not finite.
    """
    make = _training()
    given = _network(network)
    names = column_names(x)
    features, held_out = _split(given, in_order(x, None), np.asarray(y), validation)
    training = make(given, features, held_out, settings)
    folder = None if out is None else _folder(Path(out), force)
    front, programs = training.run(
        None if folder is None else folder / _STATE,
        None if on_epoch is None else lambda state: on_epoch(training, state),
    )
    labelled = {
        name: replace(program, labels=Labels(inputs=names)) for name, program in programs.items()
    }
    if folder is not None:
        _write(folder, front, labelled)
    return TrainedFront(front, labelled)


def _training() -> Callable[..., FabricTraining]:
    """What makes a training, of the room that needs PyTorch."""
    try:
        from kanhw.quant.fabric.settings import FabricSettings
        from kanhw.quant.fabric.training import Data, FabricTraining
    except ModuleNotFoundError as error:
        raise ToolNotFound("Training needs PyTorch: pip install 'kanhw[torch]'") from error

    def make(network: Any, own: Any, held_out: Any, settings: dict[str, Any]) -> FabricTraining:
        data = Data(own[0], own[1], held_out[0], held_out[1])
        return FabricTraining(network, data, FabricSettings(**settings), TELLERS)

    return make


def _network(network: object) -> KanModel | tuple[int, ...] | str:
    """A float model, or a shape."""
    if isinstance(network, str):
        return network
    if isinstance(network, Sequence):
        return tuple(network)
    from kanhw.quant.training.network import float_model

    return float_model(network)


def _split(
    network: KanModel | tuple[int, ...] | str,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    validation: float | tuple[npt.ArrayLike, npt.ArrayLike],
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    features = _flat(network, x)
    if isinstance(validation, tuple):
        return (features, y), (_flat(network, validation[0]), np.asarray(validation[1]))
    own, held_out = split_off({"x": features, "y": y}, validation, _SPLIT_SEED)
    return (own["x"], own["y"]), (held_out["x"], held_out["y"])


def _flat(network: KanModel | tuple[int, ...] | str, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    if isinstance(network, KanModel):
        return network.flat(np.asarray(x))
    values = np.asarray(x)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"Features x must be numbers, not {values.dtype}")
    if values.ndim < 2:
        raise InputError(f"Features x must be [N, n_in], not {list(values.shape)}")
    return values.reshape(len(values), -1).astype(np.float64)


def _folder(folder: Path, force: bool) -> Path:
    """A folder that is ours, or empty."""
    if folder.is_dir() and any(folder.iterdir()):
        known = (folder / _STATE).exists() or _is_front(folder / _FRONT)
        if not known and not force:
            raise InputError(
                f"{folder} holds something else than a training for the fabric: name another "
                "folder, or write into it with --force"
            )
        if force and (folder / _STATE).exists():
            (folder / _STATE).unlink()
    elif folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a folder")
    try:
        (folder / _POINTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}): name another") from error
    check_place(folder / _FRONT)
    return folder


def _is_front(path: Path) -> bool:
    try:
        return {"points", "limits", "unit"} <= set(read_json_object(path))
    except (OSError, ValueError):
        return False


def _write(folder: Path, front: Front, programs: dict[str, Program]) -> None:
    for name, program in programs.items():
        save_program(program, folder / _POINTS / f"{name}.safetensors")
    for path in (folder / _POINTS).glob("*.safetensors"):
        if path.stem not in programs:
            path.unlink()
    write_whole(folder / _ROWS, front.to_csv())
    write_json(folder / _FRONT, front.to_json())
