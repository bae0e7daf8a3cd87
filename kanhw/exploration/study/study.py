"""What an exploration holds fixed: the float model, the data, and the code that computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw import __version__
from kanhw.errors import InputError
from kanhw.files import read_arrays, write_arrays
from kanhw.flow.fitting.held_out import split_off
from kanhw.formats import FloatArray
from kanhw.interruption import temporary_folder
from kanhw.measures.quality import check_targets
from kanhw.model.network import KanModel
from kanhw.values import brief

__all__ = ["Study", "digest_of", "load_study", "save_study", "study_of"]

Arrays = dict[str, npt.NDArray[Any]]

HELD_OUT_SHARE = 0.2
_NAMES = ("x", "labels", "y")
_MODEL, _CALIBRATION, _HELD_OUT = "model.npz", "calibration.npz", "held-out.npz"


@dataclass(frozen=True, eq=False)
class Study:
    """A float model, the data that it is quantized with, and the data that points are measured on.

    Parameters
    ----------
    model
        The float model.
    calibration
        ``x`` ``[N, n_in]``, and ``labels`` ``[N]`` or ``y`` ``[N, n_out]`` where there are some.
    held_out
        The same of other samples.
    argmax
        Whether designs hand out the class index.
    """

    model: KanModel
    calibration: Mapping[str, npt.NDArray[Any]]
    held_out: Mapping[str, npt.NDArray[Any]]
    argmax: bool = False

    @cached_property
    def exact(self) -> FloatArray:
        """What the float model gives for the held-out samples."""
        return self.model(self.held_out["x"])

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What was given, as digests: two studies with the same ones are about the same."""
        return {
            "model": _model_digest(self.model),
            "calibration": _arrays_digest(self.calibration),
            "held_out": _arrays_digest(self.held_out),
            "argmax": self.argmax,
        }

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that figures hang on beside a configuration."""
        return {**self.inputs, "kanhw": __version__, "code": _code_digest()}

    def name_of(self, choices: Mapping[str, Any]) -> str:
        """The name of what choices give: a digest of everything that makes it."""
        return digest_of({**self.identity, "choices": choices})


def study_of(
    model: KanModel,
    data: Mapping[str, npt.ArrayLike],
    held_out: Mapping[str, npt.ArrayLike] | None = None,
    *,
    seed: int = 0,
    argmax: bool = False,
) -> Study:
    """A study of a model and arrays by their names, checked.

    Parameters
    ----------
    model
        The float model.
    data
        ``x``, and ``labels`` or ``y``; others are left out.
    held_out
        The same, of samples to measure on; None splits a fifth of ``data`` off.
    seed
        Of the split.
    argmax
        Whether designs hand out the class index.

    Raises
    ------
    InputError
        If arrays do not fit the model or each other, are not finite, or there are both labels and
        y.
    TypeError
        If the model is no float model.
    """
    if not isinstance(model, KanModel):
        raise TypeError(f"explore needs a float KanModel, not {type(model).__name__}")
    own = _checked(model, data, "data")
    if held_out is None:
        left, taken = split_off(own, HELD_OUT_SHARE, seed)
    else:
        left, taken = own, _checked(model, held_out, "held_out")
    if set(left) != set(taken):
        raise InputError(
            f"The data have {', '.join(left)}, but the held-out data {', '.join(taken)}: give both "
            "the same"
        )
    if argmax and "y" in own:
        raise InputError("argmax hands out classes, but the data have values y: leave it out")
    return Study(model, left, taken, argmax)


def save_study(study: Study, folder: Path) -> None:
    """Write what a study is made of into a folder, as files that ``kanhw quantize`` takes too."""
    from kanhw.model.neutral import save_model

    folder.mkdir(parents=True, exist_ok=True)
    save_model(study.model, folder / _MODEL)
    write_arrays(folder / _CALIBRATION, **study.calibration)
    write_arrays(folder / _HELD_OUT, **study.held_out)


def load_study(folder: Path, *, argmax: bool) -> Study:
    """The study that :func:`save_study` wrote.

    Raises
    ------
    InputError
        If a file is missing or damaged.
    """
    from kanhw.model.neutral import load_neutral

    arrays = [read_arrays(folder / name) for name in (_CALIBRATION, _HELD_OUT)]
    return Study(load_neutral(folder / _MODEL), arrays[0], arrays[1], argmax)


def digest_of(value: Any) -> str:
    """SHA-256 of plain JSON values, in hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(model: KanModel, given: Mapping[str, npt.ArrayLike], what: str) -> Arrays:
    if not isinstance(given, Mapping) or "x" not in given:
        raise InputError(f"{what} must map names to arrays, x among them, not {brief(given)}")
    x = np.asarray(given["x"])
    if x.dtype.kind not in "iubf":
        raise InputError(f"{what}: x must hold numbers, not {x.dtype}")
    features = model.flat(x.astype(np.float64))
    named: dict[str, Any] = {
        name: given[name] for name in _NAMES[1:] if given.get(name) is not None
    }
    if len(named) > 1:
        raise InputError(f"{what} has both labels and y: say which with targets (--targets labels)")
    try:
        y, labels = check_targets((len(features), model.n_out), **named)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    found = {"x": features, "labels": labels, "y": y}
    return {name: np.asarray(array) for name, array in found.items() if array is not None}


def _model_digest(model: KanModel) -> str:
    """Of what it computes, and not of where it came from."""
    from kanhw.model.neutral import save_model

    with temporary_folder("kanhw-study-") as folder:
        path = save_model(replace(model, source=""), folder / _MODEL)
        return _arrays_digest(_raw(path))


def _raw(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: np.asarray(file[name]) for name in file.files}


def _arrays_digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """Of every module of this package: other code may give other figures."""
    digest = hashlib.sha256()
    for path in _modules():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _modules() -> Iterable[Path]:
    import kanhw

    (root,) = kanhw.__path__
    # The links of the checkout are followed one by one, as none of them leads back.
    folders = sorted(path for path in Path(root).iterdir() if path.is_dir())
    yield from sorted(Path(root).glob("*.py"))
    for folder in folders:
        yield from sorted(folder.resolve().rglob("*.py"))
