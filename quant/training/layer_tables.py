"""A layer's functions at every code, as deployed, made anew whenever its quantizers have moved."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kanhw.formats import FloatArray
from kanhw.model.bases.basis import Basis
from kanhw.model.layer import KanLayer
from kanhw.quant.config import QuantConfig
from kanhw.quant.integers.tables import basis_functions, signed_codes, table_codes
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.training.tabulate import cell_slopes

__all__ = ["Functions", "LayerTables", "functions_of"]


@dataclass(frozen=True, eq=False)
class Functions:
    """Tabulated functions.

    Parameters
    ----------
    table, slopes
        ``[T, A, F]`` each; T is 1 where all inputs have the same.
    """

    table: Tensor
    slopes: Tensor


@dataclass(frozen=True, eq=False)
class _OneInput:
    """The basis of one input of another basis."""

    inner: Basis
    n_in: int = 1

    @property
    def count(self) -> int:
        """K."""
        return self.inner.count

    @property
    def spare(self) -> int:
        """As the inner basis."""
        return self.inner.spare

    @property
    def support(self) -> FloatArray | None:
        """That of the input."""
        return None if self.inner.support is None else self.inner.support[:1]

    def __call__(self, x: FloatArray) -> FloatArray:
        """[N, 1] to [N, 1, K]."""
        return self.inner.evaluate_input(0, x[:, 0])[:, np.newaxis]

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """[M] to [M, K]."""
        return self.inner.evaluate_input(i, x)


class LayerTables:
    """Makes a layer's tables for the quantizers that it is given.

    Parameters
    ----------
    layer
        Its weights do not matter, its basis, activation and symbolic edges do.
    realisation
        Edge tables are made of exact functions; basis tables round them.
    config
        Bits of the basis tables.
    """

    def __init__(self, layer: KanLayer, realisation: str, config: QuantConfig) -> None:
        self.rounded = realisation == "basis_table"
        self.config = config
        ones = np.ones_like(layer.coefficients)
        self.layer = replace(layer, spline_norm=None, post=(), coefficients=ones)
        self.alike = not layer.symbolic and _alike(layer.basis)
        # Quantizers that stand still give the same tables again.
        self.last_spline: tuple[ActivationQuantizer, Functions, FloatArray] | None = None
        self.last_base: tuple[ActivationQuantizer, Functions] | None = None
        if self.alike:
            self.single = KanLayer(
                _OneInput(layer.basis),
                np.ones((1, 1, layer.basis.count)),
                np.ones((1, 1)),
                layer.base_activation,
                np.zeros(1),
                layer.name,
            )

    def spline(self, quantizer: ActivationQuantizer) -> tuple[Functions, FloatArray]:
        """The spline branch's functions, and what belongs to each, ``[n_out or 1, n_in or 1, F]``.

        The latter multiplies a coefficient (peaks), or is one itself (symbolic edges, behind the
        first K).
        """
        layer, quantizer = self._smallest(quantizer)
        if self.last_spline is not None and _equal(self.last_spline[0], quantizer):
            return self.last_spline[1:]
        values, factors = basis_functions(layer, quantizer.grid(), to_peaks=self.rounded)
        if self.rounded:
            codes, unit = table_codes(values, self.config.basis_bits)
            values = codes * np.float64(unit)
        functions = functions_of(values, quantizer)
        self.last_spline = quantizer, functions, factors
        return functions, factors

    def base(self, quantizer: ActivationQuantizer) -> Functions:
        """The base activation."""
        if _one_code(quantizer) and len(self.layer.base_activation.scale) < 2:
            quantizer = quantizer.cut_to(1)
        if self.last_base is not None and _equal(self.last_base[0], quantizer):
            return self.last_base[1]
        values = self.layer.base_activation(quantizer.grid()).T
        if self.rounded:
            codes, unit = signed_codes(values, self.config.base_table_bits)
            values = codes * np.float64(unit)
        functions = functions_of(values[:, :, None], quantizer)
        self.last_base = quantizer, functions
        return functions

    def _smallest(self, quantizer: ActivationQuantizer) -> tuple[KanLayer, ActivationQuantizer]:
        if self.alike and _one_code(quantizer):
            return self.single, quantizer.cut_to(1)
        return self.layer, quantizer


def functions_of(values: FloatArray, quantizer: ActivationQuantizer) -> Functions:
    """Tables ``[T, A, F]`` with their slopes, in PyTorch's default type."""
    kind = torch.get_default_dtype()
    table = torch.tensor(values, dtype=kind)
    step = torch.tensor(quantizer.scale[: len(values)], dtype=kind)
    return Functions(table, cell_slopes(table, step))


def _equal(one: ActivationQuantizer, other: ActivationQuantizer) -> bool:
    return (
        one.format == other.format
        and one.activation == other.activation
        and np.array_equal(one.scale, other.scale)
        and np.array_equal(one.zero_point, other.zero_point)
        and _same_bounds(one.read_within, other.read_within)
    )


def _same_bounds(one: FloatArray | None, other: FloatArray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _one_code(quantizer: ActivationQuantizer) -> bool:
    """Whether a code means the same for every feature."""
    scale, origin = quantizer.scale, quantizer.zero_point
    bounds = quantizer.read_within
    alike = bounds is None or bool((bounds == bounds[0]).all())
    return alike and bool((scale == scale[0]).all() and (origin == origin[0]).all())


def _alike(basis: Basis) -> bool:
    """Whether every input has the same functions, judged at 32 points inside their support."""
    support = basis.support
    if support is not None and not (support == support[:1]).all():
        return False
    lo, hi = (-3.0, 3.0) if support is None else (support[0, 0], support[0, 1])
    points = np.repeat(np.linspace(lo, hi, 34)[1:-1, None], basis.n_in, axis=1)
    values = basis(points)
    return bool((values == values[:, :1]).all())
