"""Codebooks: edges that share a few shapes, each with a gain of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.checks import (
    check_table_index,
    check_weights,
)
from kanhw.program.functions.tables import basis_table_sums, codebook_sums, constants_like
from kanhw.program.intervals import (
    Interval,
    basis_table_interval,
    check_magnitude,
    edge_table_interval,
)
from kanhw.program.kinds.layer import TwoBranches
from kanhw.program.requantizer import Requantizer

__all__ = ["MOST_SHAPES", "CodebookLayer"]

# An index of more bits would hardly be shorter than what it stands for.
MOST_SHAPES = 4096

_FIELDS = {"shapes": 2, "index": 2, "gains": 2, "base": 3, "base_index": 1, "base_weights": 3}
_OFFSET_FIELDS = {"biases": 2, "offsets": 2, "offsets_index": 1}


@dataclass(frozen=True, eq=False)
class CodebookLayer(TwoBranches):
    """A spline branch of shapes that edges share, and a tabulated base activation times weights.

    ``acc_spline[j] = sum_i gains[j,i] * shapes[index[j,i], a_i]
    + biases[j,i] * offsets[offsets_index[i], a_i]`` and
    ``acc_base[j] = sum_i base_weights[j,i] * base[base_index[i], a'_i]`` (SHARe-KAN's vector
    quantization). A layer whose shapes contain the base branch has base weights of zero.

    Parameters
    ----------
    shapes
        ``[K, 2**width]``: the codebook, at most 4096 shapes.
    index
        ``[n_out, n_in]``: which shape an edge has.
    gains
        ``[n_out, n_in]``: what an edge multiplies its shape by; 0 for an edge without one.
    base
        ``[T, 2**width', 1]``: the distinct tables of the base activation.
    base_index
        ``[n_in]``.
    base_weights
        ``[n_out, n_in, 1]``.
    requantizers
        One for every stream of codes that the next layer wants.
    biases
        ``[n_out, n_in]``: how often an edge adds the offsets of its input. None, together with
        both of the following: nothing is added, and nothing stored.
    offsets
        ``[U, 2**width]``: the distinct tables of the sum of all bases, by the spline branch's code.
    offsets_index
        ``[n_in]``.
    name
        For messages and reports.
    spline_stream, base_stream
        Which stream of the layer before addresses each branch.
    accumulator_formats
        Declared widths of the two accumulators; None derives them.
    """

    kind: ClassVar[str] = "codebook"
    edges: ClassVar[str] = "gains"

    shapes: IntArray
    index: IntArray
    gains: IntArray
    base: IntArray
    base_index: IntArray
    base_weights: IntArray
    requantizers: tuple[Requantizer, ...]
    biases: IntArray | None = None
    offsets: IntArray | None = None
    offsets_index: IntArray | None = None
    name: str = "layer"
    spline_stream: int = 0
    base_stream: int = 0
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        given = [field for field in _OFFSET_FIELDS if getattr(self, field) is not None]
        if given and len(given) < len(_OFFSET_FIELDS):
            raise InputError(
                f"Layer {self.name!r}: {', '.join(_OFFSET_FIELDS)} belong together, so give all "
                f"of them or none, not only {', '.join(given)}"
            )
        self.freeze({**_FIELDS, **_OFFSET_FIELDS} if given else _FIELDS)
        self._check_shapes()
        self._check_offsets()
        check_weights("base", self.base, self.base_weights, (self.n_out, self.n_in), self.name)
        check_table_index("base", self.base, self.base_index, self.n_in, self.name)
        self.check_joins(self.n_out)

    def _check_shapes(self) -> None:
        count = self.shapes.shape[0]
        if count > MOST_SHAPES:
            raise InputError(f"Layer {self.name!r}: shapes must be 1 to {MOST_SHAPES}, not {count}")
        if self.index.shape != self.gains.shape:
            raise InputError(
                f"Layer {self.name!r}: index must have the shape {self.gains.shape} of the gains, "
                f"not {self.index.shape}"
            )
        outside = self.index[(self.index < 0) | (self.index >= count)]
        if outside.size:
            raise InputError(
                f"Layer {self.name!r}: index must name shapes 0 to {count - 1}, not {outside[0]}"
            )

    def _check_offsets(self) -> None:
        if self.biases is None or self.offsets is None or self.offsets_index is None:
            return
        if self.biases.shape != self.gains.shape:
            raise InputError(
                f"Layer {self.name!r}: biases must have the shape {self.gains.shape} of the gains, "
                f"not {self.biases.shape}"
            )
        if self.offsets.shape[1] != self.shapes.shape[1]:
            raise InputError(
                f"Layer {self.name!r}: offsets must have {self.shapes.shape[1]} entries, as the "
                f"shapes have, not {self.offsets.shape[1]}"
            )
        check_table_index("offsets", self.offsets, self.offsets_index, self.n_in, self.name)

    @property
    def depths(self) -> tuple[int, ...]:
        """Table entries of each branch."""
        return (int(self.shapes.shape[1]), int(self.base.shape[1]))

    @property
    def index_bits(self) -> int:
        """Bits that name a shape; 0 where there is only one."""
        return (int(self.shapes.shape[0]) - 1).bit_length()

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """Which edges exist, ``[n_out, n_in]``: those with a factor that is not zero."""
        active = (self.gains != 0) | (self.base_weights != 0).any(axis=2)
        return np.asarray(active if self.biases is None else active | (self.biases != 0))

    def edge_tables(self, inputs: Sequence[int] | None = None) -> tuple[IntArray, IntArray]:
        """What every edge adds to each accumulator, as tables of its own.

        With them a :class:`~kanhw.program.BranchEdgeTableLayer` has the same accumulators.

        Parameters
        ----------
        inputs
            Whose edges; None is all inputs.

        Returns
        -------
        ``[n_out, inputs, 2**width]`` and ``[n_out, inputs, 2**width']``
        """
        chosen = range(self.n_in) if inputs is None else inputs
        spline, base = (np.arange(depth)[:, None] for depth in self.depths)
        # The reference function of one input at every address: [2**width, n_out].
        columns = [
            (
                codebook_sums(**self._spline_arguments(slice(i, i + 1)), addresses=spline).T,
                basis_table_sums(
                    self.base, self.base_index[[i]], self.base_weights[:, [i]], base
                ).T,
            )
            for i in chosen
        ]
        spline_tables, base_tables = zip(*columns, strict=True)
        return np.stack(spline_tables, axis=1), np.stack(base_tables, axis=1)

    def accumulate(self, addresses: tuple[Any, ...], present: Any = None) -> tuple[Any, ...]:
        """Both accumulators ``[N, n_out]``; see :func:`codebook_sums`, :func:`basis_table_sums`."""
        spline, base = addresses
        arguments = {
            field: constants_like(values, spline)
            for field, values in self._spline_arguments(slice(None)).items()
        }
        return (
            codebook_sums(**arguments, addresses=spline, present=present),
            basis_table_sums(
                constants_like(self.base, base),
                self.base_index,
                constants_like(self.base_weights, base),
                base,
                present,
            ),
        )

    def accumulator_intervals(
        self, addresses: tuple[Interval, ...], missing: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Interval, ...]:
        """Exact bounds of each edge's branch, added up; a ``missing`` input may add 0."""
        spline, base = addresses
        return (
            self._spline_interval(spline, missing),
            basis_table_interval(self.base, self.base_index, self.base_weights, base, missing),
        )

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name; those that are None are left out."""
        values = {field: getattr(self, field) for field in (*_FIELDS, *_OFFSET_FIELDS)}
        return {field: value for field, value in values.items() if value is not None}

    def _spline_arguments(self, inputs: slice) -> dict[str, Any]:
        """The constants that :func:`codebook_sums` takes, for some of the inputs."""
        arguments = {
            "shapes": self.shapes,
            "index": self.index[:, inputs],
            "gains": self.gains[:, inputs],
        }
        if self.biases is None or self.offsets is None or self.offsets_index is None:
            return arguments
        return arguments | {
            "biases": self.biases[:, inputs],
            "offsets": self.offsets,
            "offsets_index": self.offsets_index[inputs],
        }

    def _spline_interval(
        self, addresses: Interval, missing: npt.NDArray[np.bool_] | None
    ) -> Interval:
        total = Interval(np.zeros(self.n_out, np.int64), np.zeros(self.n_out, np.int64))
        every = np.arange(self.depths[0])[:, None]
        # Input by input: the tables of all edges at once may take gigabytes.
        for i in range(self.n_in):
            one = slice(i, i + 1)
            arguments = self._spline_arguments(one)
            sizes = {
                field: values if field.endswith("index") else np.abs(values * 1.0)
                for field, values in arguments.items()
            }
            check_magnitude(codebook_sums(**sizes, addresses=every))
            tables = codebook_sums(**arguments, addresses=every).T[:, None]
            total = total + edge_table_interval(
                tables,
                Interval(addresses.lo[one], addresses.hi[one]),
                None if missing is None else missing[one],
            )
        return total
