"""Reading arrays, and writing files so that they appear whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.data_files import is_text, is_torch, read_csv, read_tensors
from kanhw.errors import InputError
from kanhw.values import meant

__all__ = [
    "check_place",
    "missing",
    "read_arrays",
    "read_texts",
    "write_arrays",
    "write_folder",
    "write_json",
    "write_whole",
]


def missing(path: Path) -> str:
    """What to say of a file that is not there."""
    return f"{path} does not exist{_near(path) or ': check the path'}"


def _near(path: Path) -> str:
    """A file beside it that is called much the same."""
    folder = path.parent
    return meant(path.name, (entry.name for entry in folder.iterdir())) if folder.is_dir() else ""


def check_place(path: str | Path | None) -> None:
    """See that a file can be written later, before long work is done for it; None is no file.

    Raises
    ------
    InputError
        If the folder is missing or not writable, or the path is a folder or device.
    """
    if path is None:
        return
    path = Path(path)
    # A file takes the place of what was there, which must not happen to /dev/null.
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file: name one to write, in a folder that exists")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: choose a folder that exists and is yours")


def write_whole(path: str | Path, data: bytes | str) -> Path:
    """Write a file through a neighbour that takes its place when it is complete.

    Raises
    ------
    InputError
        If the folder is missing or not writable.
    """
    check_place(path)
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}): choose a folder that exists and is yours"
        ) from error
    finally:
        # The folder that refused the file may refuse this too; the first error is the one to tell.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return path


def write_json(path: str | Path, data: Any) -> Path:
    """Write JSON, indented and with sorted keys; see :func:`write_whole`."""
    return write_whole(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def write_folder(
    folder: str | Path,
    files: Mapping[str, bytes],
    *,
    ours: Callable[[Path], Collection[str]] | None = None,
    force: bool = False,
) -> Path:
    """Make a folder that holds exactly these files.

    A folder that already holds them is left as it is.

    Parameters
    ----------
    folder
        Where.
    files
        Contents by name.
    ours
        Which files of a folder may be written over, as they were made here before; None is none.
    force
        Whether to write over what lies there of these names, and over what is ours; other files
        stay.

    Raises
    ------
    InputError
        If it holds anything else, or cannot be made.
    """
    folder = Path(folder)
    others: set[str] = set()
    if folder.exists():
        if not folder.is_dir():
            raise InputError(f"{folder} is a file: name a folder that does not exist yet")
        present = {entry.name for entry in folder.iterdir()}
        if present and _holds(folder, present, files):
            return folder
        others = present - set(ours(folder) if ours else ())
        if others and not force:
            raise InputError(
                f"{folder} already holds something else ({', '.join(sorted(others)[:4])}): remove "
                "it, or name another folder"
            )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made ({error.strerror}): choose a place that is yours"
        ) from error
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
        # mkdtemp makes private folders; a design is as readable as any other file.
        partial.chmod(0o755)
        if folder.is_dir() and any(folder.iterdir()):
            _take_the_place(folder, partial, others - set(files))
        else:
            partial.replace(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}): name another folder"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _take_the_place(folder: Path, complete: Path, others: Collection[str]) -> None:
    """Put a complete folder where another one is, and what is not ours back into it."""
    old = complete.with_name(f"{complete.name}.old")
    folder.rename(old)
    try:
        complete.replace(folder)
    except OSError:
        old.rename(folder)
        raise
    for name in others:
        (old / name).rename(folder / name)
    shutil.rmtree(old, ignore_errors=True)


def _holds(folder: Path, present: set[str], files: Mapping[str, bytes]) -> bool:
    """Whether a folder is made of these files already."""
    return present == set(files) and all(
        (folder / name).is_file() and (folder / name).read_bytes() == content
        for name, content in files.items()
    )


def read_arrays(path: str | Path, needed: str = "x") -> dict[str, npt.NDArray[Any]]:
    """Every array of a file of data that holds numbers; others come empty, for their names.

    An npz file; or rows of text (.csv, .tsv, .txt), or tensors of torch, as
    :mod:`kanhw.data_files` reads them.

    Parameters
    ----------
    path
        The file.
    needed
        The array that must be there, and hold numbers.

    Raises
    ------
    InputError
        If the file is missing, of another kind, or damaged, or lacks that array. Pickled objects,
        which could run code, are never loaded.
    """
    path = Path(path)
    if not path.is_file():
        near = "" if path.exists() else _near(path)
        raise InputError(
            f"{path} is not a file: data are read from an npz file with an array x, or from a csv"
            f"{near}"
        )
    arrays = _read(path)
    if needed not in arrays:
        cure = ": write it with numpy.savez(path, x=x)" if needed == "x" else ""
        raise InputError(
            f"{path} has no array '{needed}' (it has {', '.join(arrays) or 'none'}){cure}"
        )
    if arrays[needed].dtype.kind not in "iubf":
        raise InputError(f"{path}: '{needed}' must hold numbers, not {arrays[needed].dtype}")
    return arrays


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if is_text(path):
        return read_csv(path)
    if is_torch(path):
        return read_tensors(path)
    try:
        # Opened here, because numpy leaves a file that is no archive open.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            return {name: _array(archive, name) for name in archive.files}
    except Exception as error:
        # What damaged files end in has no common type: BadZipFile, TokenError, MemoryError, ...
        raise InputError(
            f"{path} cannot be read as an npz file ({error}): write it with numpy.savez(path, x=x)"
        ) from error


def read_texts(path: str | Path, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Those of some arrays of an npz file that it has, as texts; none of a file without.

    Parameters
    ----------
    path
        A file that :func:`read_arrays` reads.
    names
        Of the arrays: one-dimensional, of text.

    Raises
    ------
    InputError
        If one of them holds something else.
    """
    arrays, found = read_arrays(path), dict[str, tuple[str, ...]]()
    for name in names:
        array = arrays.get(name)
        if array is None:
            continue
        if array.dtype.kind != "U" or array.ndim != 1:
            raise InputError(
                f"{path}: '{name}' must be a list of texts, numpy.array(['a', 'b']), not "
                f"{array.dtype} {array.shape}"
            )
        found[name] = tuple(array.tolist())
    return found


def _array(archive: Any, name: str) -> npt.NDArray[Any]:
    """An array, unless it holds objects, which only unpickling could read."""
    try:
        return np.asarray(archive[name])
    except ValueError:
        if name in ("x", "y", "labels"):
            raise
        return np.empty(0)


def write_arrays(path: str | Path, **arrays: npt.ArrayLike) -> Path:
    """Write an npz file; see :func:`write_whole`."""
    buffer = io.BytesIO()
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(buffer, **named)
    return write_whole(path, buffer.getvalue())
