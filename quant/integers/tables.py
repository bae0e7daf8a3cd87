"""Integer tables of edges, bases and base activations, made in float64 from code values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.model.layer import KanLayer
from kanhw.model.symbolic import check_symbolic_edges
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.quantizers.rounding import round_half_up

__all__ = [
    "BasisTables",
    "base_tables",
    "basis_functions",
    "basis_tables",
    "finite_base_edges",
    "signed_codes",
    "table_codes",
]


@dataclass(frozen=True, eq=False)
class BasisTables:
    """Tabulated basis functions and the coefficients that belong to them.

    Functions without a support (Gram polynomials) differ much in size: each is scaled to a peak of
    1, and its peak moves into the coefficients. B-splines are one bump in several places and stay
    as they are, so that they add up to a constant.

    Parameters
    ----------
    tables
        ``[n_in, 2**width, K]`` integers.
    unit
        Real units of a step.
    coefficients
        ``[n_out, n_in, K]`` reals, times the peaks.
    """

    tables: IntArray
    unit: float
    coefficients: FloatArray


def basis_tables(
    layer: KanLayer,
    quantizer: ActivationQuantizer,
    bits: int,
    scale: FloatArray | None = None,
) -> BasisTables:
    """Tabulate a layer's bases over the codes of a quantizer; symbolic edges join as bases.

    Parameters
    ----------
    layer
        The layer.
    quantizer
        In front of the bases.
    bits
        Of a table value, its sign included where there are negative ones.
    scale
        ``[n_in, K']``: what functions are divided by, and coefficients multiplied with; None is 1.
    """
    values, coefficients = basis_functions(layer, quantizer.grid(), to_peaks=True)
    if scale is not None:
        values, coefficients = values / scale[:, None, :], coefficients * scale
    codes, unit = table_codes(values, bits)
    return BasisTables(codes, unit, coefficients)


def basis_functions(
    layer: KanLayer, grid: FloatArray, *, to_peaks: bool
) -> tuple[FloatArray, FloatArray]:
    """The functions of a layer's spline branch at points, symbolic edges among them.

    Parameters
    ----------
    layer
        The layer.
    grid
        ``[A, n_in]``: points of every input.
    to_peaks
        Whether functions without a support are scaled to a peak of 1.

    Returns
    -------
    FloatArray
        ``[n_in, A, K']`` values.
    FloatArray
        ``[n_out, n_in, K']`` coefficients that belong to them.
    """
    values = layer.basis(grid).transpose(1, 0, 2)
    coefficients = layer.coefficients
    if to_peaks and layer.basis.support is None:
        peaks = np.abs(values).max(axis=(0, 1), initial=0.0)
        peaks[peaks == 0] = 1.0
        values, coefficients = values / peaks, coefficients * peaks
    values, coefficients = _with_symbolic(layer, grid, values, coefficients)
    if values.shape[2] == 0:
        # A layer without bases keeps the shape of one: a function that is 0.
        values = np.zeros((layer.n_in, len(grid), 1))
        coefficients = np.zeros((layer.n_sums, layer.n_in, 1))
    return values, coefficients


def table_codes(values: FloatArray, bits: int) -> tuple[IntArray, float]:
    """Round tables of functions, of any shape, to one unit; integers and that unit.

    They are unsigned where nothing is negative.
    """
    signed = bool((values < 0).any())
    top = max((1 << (bits - 1)) - 1, 1) if signed else (1 << bits) - 1
    unit = (float(np.abs(values).max()) or 1.0) / top
    return round_half_up(values / unit).astype(np.int64), unit


def _with_symbolic(
    layer: KanLayer, grid: FloatArray, values: FloatArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Append the symbolic edges: each is one more function of its input, for one output."""
    if not layer.symbolic:
        return values, coefficients
    edges = finite_base_edges(layer, grid, symbolic_only=True)
    extra = max(sum(edge.i == i for edge in layer.symbolic) for i in range(layer.n_in))
    more_values = np.zeros((layer.n_in, len(grid), extra))
    more_coefficients = np.zeros((layer.n_sums, layer.n_in, extra))
    used = [0] * layer.n_in
    for j, i in sorted({(edge.j, edge.i) for edge in layer.symbolic}):
        peak = float(np.abs(edges[j, i]).max()) or 1.0
        more_values[i, :, used[i]] = edges[j, i] / peak
        more_coefficients[j, i, used[i]] = peak
        used[i] += 1
    return (
        np.concatenate([values, more_values], axis=2),
        np.concatenate([coefficients, more_coefficients], axis=2),
    )


def finite_base_edges(
    layer: KanLayer, grid: FloatArray, *, symbolic_only: bool = False
) -> FloatArray:
    """The base branch at every code, ``[n_out, n_in, 2**width]``, symbolic edges included.

    Raises
    ------
    InputError
        If a symbolic edge has a pole, or leaves its domain, inside the range of the codes.
    """
    check_symbolic_edges(layer.symbolic, grid.min(axis=0), grid.max(axis=0), layer.name)
    if not symbolic_only:
        return layer.base_edges(grid)
    edges = np.zeros((layer.n_sums, layer.n_in, len(grid)))
    for edge in layer.symbolic:
        edges[edge.j, edge.i] += edge(grid[:, edge.i])
    return edges


def base_tables(
    layer: KanLayer,
    quantizer: ActivationQuantizer,
    bits: int,
    scale: FloatArray | None = None,
) -> tuple[IntArray, float]:
    """Signed tables of the base activation ``[n_in, 2**width']`` and the real units of a step.

    ``scale`` is what each input's is divided by, ``[n_in]``; None is 1.
    """
    values = layer.base_activation(quantizer.grid()).T
    if scale is not None:
        values = values / scale[:, None]
    return signed_codes(values, bits)


def signed_codes(values: FloatArray, bits: int) -> tuple[IntArray, float]:
    """Round to signed integers, of which the largest is ``2**(bits - 1) - 1``, and their unit."""
    top = float(np.abs(values).max())
    unit = top / ((1 << (bits - 1)) - 1) if top > 0 else 1.0
    return round_half_up(values / unit).astype(np.int64), unit
