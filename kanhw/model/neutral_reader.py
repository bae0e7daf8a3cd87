"""Reading a neutral file, every entry and array of it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kanhw.entries import Entry, parse_json
from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.memory import check_archive
from kanhw.model.activation import Activation
from kanhw.model.bases.affine import AffineBasis
from kanhw.model.bases.basis import Basis, NoBasis
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.bases.polynomial import ChebyshevBasis, GramBasis
from kanhw.model.bases.radial import RadialBasis
from kanhw.model.bases.repeated_knots import RepeatedKnotBasis
from kanhw.model.convolution import ConvLayer, PoolLayer
from kanhw.model.layer import KanLayer, Post
from kanhw.model.network import KanModel, ModelLayer
from kanhw.model.norm import LayerNorm
from kanhw.model.products import Products
from kanhw.model.symbolic import SymbolicEdge
from kanhw.windows import Window

__all__ = ["AFFINE_FIELDS", "FORMAT", "HEADER", "VERSION", "WINDOW_FIELDS", "load_neutral"]

VERSION = 1
FORMAT, HEADER = "kanhw-model", "kanhw"
WINDOW_FIELDS = ("shape", "size", "stride", "padding", "dilation")
AFFINE_FIELDS = ("a", "b", "c", "d")

Arrays = dict[str, npt.NDArray[Any]]


def load_neutral(path: str | Path) -> KanModel:
    """Read a neutral file.

    Raises
    ------
    InputError
        If it is no such file, of a later version, or an entry or array is missing, unknown or
        wrong; the message names it.
    """
    path = Path(path)
    try:
        return _Reader(_read_archive(path)).model()
    except (InputError, TypeError) as error:
        # A wrong type in a file is a wrong value to whoever loads it.
        raise InputError(f"{path}: {error}") from error


def _read_archive(path: Path) -> Arrays:
    check_archive(path)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            return {name: np.asarray(archive[name]) for name in archive.files}
    # zipfile raises RuntimeError for what it cannot decompress.
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"it cannot be read as an npz file of plain arrays ({error})") from error


class _Reader:
    """Builds a model, and sees that every entry and array is used."""

    def __init__(self, arrays: Arrays) -> None:
        header = arrays.pop(HEADER, None)
        if header is None:
            raise InputError(
                f"there is no array {HEADER!r} with the description of a network, so this is "
                f"no neutral file (see docs/neutral-format.md); it has "
                f"{', '.join(arrays) or 'none'}: data come second, behind the file of a network"
            )
        self._header = parse_json(str(header[()]), f"the array {HEADER!r}")
        self._arrays = arrays
        self._used: set[str] = set()

    def model(self) -> KanModel:
        entry = Entry(self._header, "the header")
        if entry.get("format") != FORMAT or entry.get("version") != VERSION:
            raise InputError(
                f"format {entry.get('format')!r} version {entry.get('version')!r} is not what this "
                f"kanhw reads: {FORMAT!r} version {VERSION}"
            )
        layers = tuple(
            self._layer(Entry(each, f"layers.{index}"))
            for index, each in enumerate(entry.list("layers"))
        )
        shape = entry.integers("shape", None)
        source = entry.text("source", "a neutral file")
        entry.finish()
        unused = sorted(set(self._arrays) - self._used)
        if unused:
            raise InputError(f"the array {unused[0]!r} belongs to nothing: is its name right?")
        return KanModel(layers, source, shape)

    def _layer(self, entry: Entry) -> ModelLayer:
        kind = entry.choice("type", ("kan", "conv", "pool"), "kan")
        if kind == "kan":
            layer = self._kan(entry)
            entry.finish()
            return layer
        values = entry.child("window")
        fields: dict[str, Any] = {field: values.integers(field) for field in WINDOW_FIELDS}
        window = Window(**fields)
        values.finish()
        result: ModelLayer
        if kind == "conv":
            result = ConvLayer(self._kan(entry), window)
        else:
            mode = entry.choice("kind", ("average", "max"))
            result = PoolLayer("average" if mode == "average" else "max", window, _name(entry))
        entry.finish()
        return result

    def _kan(self, entry: Entry) -> KanLayer:
        prefix = entry.place
        coefficients = self._array(f"{prefix}.coefficients", 3)
        n_out, n_in, count = coefficients.shape
        norm = entry.optional_child("spline_norm")
        activation = entry.optional_child("base_activation")
        weights = self._array(f"{prefix}.base_weights", 2, np.zeros((n_out, n_in)))
        if activation is None and weights.any():
            raise InputError(f"{prefix} has base weights but no 'base_activation'")
        return KanLayer(
            basis=self._basis(entry.child("basis"), prefix, n_in, count),
            coefficients=coefficients,
            base_weights=weights,
            base_activation=Activation("zero") if activation is None else _activation(activation),
            bias=self._array(f"{prefix}.bias", 1, np.zeros(n_out)),
            name=_name(entry),
            spline_norm=None if norm is None else self._norm(norm),
            symbolic=tuple(
                _symbolic(each) for each in entry.children("symbolic", [])
            ),
            post=tuple(
                self._post(each) for each in entry.children("post", [])
            ),
        )

    def _basis(self, entry: Entry, prefix: str, n_in: int, count: int) -> Basis:
        kinds: Mapping[str, Callable[[], Basis]] = {
            "bspline": lambda: BSplineBasis(*self._knots(prefix, count)),
            "bspline_repeated_knots": lambda: RepeatedKnotBasis(*self._knots(prefix, count)),
            "radial": lambda: RadialBasis(
                self._array(f"{prefix}.centres", 1), entry.number("denominator"), n_in
            ),
            "gram": lambda: GramBasis(
                self._array(f"{prefix}.beta", 1),
                n_in,
                _optional_activation(entry),
                entry.boolean("constant", False),
            ),
            "chebyshev": lambda: ChebyshevBasis(count, n_in),
            "affine": lambda: AffineBasis(
                self._basis(entry.child("inner"), prefix, n_in, count),
                self._array(f"{prefix}.basis_scale", 1),
                self._array(f"{prefix}.basis_shift", 1),
            ),
            "none": lambda: NoBasis(n_in),
        }
        basis = kinds[entry.choice("kind", tuple(kinds))]()
        entry.finish()
        return basis

    def _knots(self, prefix: str, count: int) -> tuple[FloatArray, int]:
        knots = self._array(f"{prefix}.knots", 2)
        return knots, knots.shape[1] - count - 1

    def _norm(self, entry: Entry) -> LayerNorm:
        gamma, beta = (self._array(f"{entry.place}.{field}", 1) for field in ("gamma", "beta"))
        norm = LayerNorm(gamma, beta, entry.number("epsilon"))
        entry.finish()
        return norm

    def _post(self, entry: Entry) -> Post:
        kind = entry.choice("type", ("layer_norm", "activation", "products"))
        if kind == "layer_norm":
            return self._norm(entry)
        if kind == "activation":
            return _activation(entry)
        scale, bias = (self._array(f"{entry.place}.{field}", 1) for field in ("scale", "bias"))
        step = Products(entry.integer("sum_count"), entry.integers("arities"), scale, bias)
        entry.finish()
        return step

    def _array(self, name: str, dimensions: int, default: FloatArray | None = None) -> FloatArray:
        if name not in self._arrays:
            if default is None:
                raise InputError(f"the array {name!r} is missing")
            return default
        self._used.add(name)
        array = self._arrays[name]
        if array.dtype.kind not in "fiu" or array.ndim != dimensions:
            raise InputError(
                f"the array {name!r} must hold numbers along {dimensions} axes, not "
                f"{array.dtype} {list(array.shape)}"
            )
        return np.asarray(array, np.float64)


def _name(entry: Entry) -> str:
    name: str = entry.text("name", entry.place)
    return name


def _activation(entry: Entry) -> Activation:
    scale, shift = (entry.numbers(key) for key in ("scale", "shift"))
    activation = Activation(entry.text("name"), entry.number("slope", 0.0), scale, shift)
    entry.finish()
    return activation


def _optional_activation(entry: Entry) -> Activation | None:
    child = entry.optional_child("activation")
    return None if child is None else _activation(child)


def _symbolic(entry: Entry) -> SymbolicEdge:
    values = {field: entry.number(field) for field in AFFINE_FIELDS}
    function = entry.text("function", "")
    edge = SymbolicEdge(entry.integer("j"), entry.integer("i"), function, **values)
    entry.finish()
    return edge
