"""What a command may write over: what the same command made before, or what a user forces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kanhw.design.manifest import MANIFEST, is_sealed, sha256_of_bytes
from kanhw.entries import parse_json, read_json_object
from kanhw.errors import InputError
from kanhw.files import read_arrays
from kanhw.places import check_place

__all__ = ["ESTIMATE", "OUTPUTS", "PROGRAM", "REPORT", "SIMULATION", "Product", "check_out", "ours"]


@dataclass(frozen=True)
class Product:
    """A kind of file that a command makes.

    Parameters
    ----------
    what
        Its name in messages.
    is_one
        Whether a file is of this kind, by what is in it.
    """

    what: str
    is_one: Callable[[Path], bool]


def check_out(
    path: str | Path | None, product: Product, *, force: bool, inputs: Iterable[str | Path | None]
) -> None:
    """See that a file can be written later, and that nobody misses what is there now.

    Parameters
    ----------
    path
        The file to write; None is no file.
    product
        What will be written.
    force
        Whether a user wants whatever is there written over.
    inputs
        Files that the command reads, which it never writes over.

    Raises
    ------
    InputError
        If the place is no good, or holds what this command did not make.
    """
    check_place(path)
    if path is None or not Path(path).exists():
        return
    path = Path(path)
    if any(given is not None and _same(path, Path(given)) for given in inputs):
        raise InputError(f"{path} is read by this command, which would write over it: name another")
    if not force and path.stat().st_size and not product.is_one(path):
        raise InputError(
            f"{path} exists and is no {product.what}, so this command has not made it: name "
            "another file, or write over it with --force"
        )


def ours(folder: Path) -> set[str]:
    """The files of a design folder that are as they were generated, the manifest among them."""
    try:
        data = read_json_object(folder / MANIFEST)
        digests = dict(data["files"])
        unchanged = {
            name
            for name, digest in digests.items()
            if Path(name).name == name and sha256_of_bytes((folder / name).read_bytes()) == digest
        }
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    # A manifest that ties together what is not there any more is somebody's trace.
    whole = unchanged == set(digests) and is_sealed(data)
    return {*unchanged, MANIFEST} if whole else unchanged


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _is_program(path: Path) -> bool:
    from kanhw.program import is_program_file

    return is_program_file(path)


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return b'<meta name="generator" content="kanhw">' in file.read(1 << 10)


def _has_keys(*keys: str) -> Callable[[Path], bool]:
    def is_one(path: Path) -> bool:
        try:
            data = parse_json(path.read_bytes(), str(path))
        except ValueError:
            return False
        return isinstance(data, dict) and set(keys) <= set(data)

    return is_one


def _is_outputs(path: Path) -> bool:
    try:
        return set(read_arrays(path, needed="y")) == {"y"}
    except InputError:
        return False


PROGRAM = Product("Program", _is_program)
REPORT = Product("report of kanhw", _is_report)
SIMULATION = Product("result of a simulation", _has_keys("engine", "mismatches", "vectors"))
_ESTIMATES = (
    _has_keys("target", "lut", "recipe"),
    _has_keys("target", "grade", "figures"),
    _has_keys("target", "grade", "designs"),
    _has_keys("board", "fits", "short"),
)
ESTIMATE = Product("estimate of kanhw", lambda path: any(is_one(path) for is_one in _ESTIMATES))
OUTPUTS = Product("file of outputs", _is_outputs)
