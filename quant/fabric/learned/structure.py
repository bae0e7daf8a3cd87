"""A network before widths are learned: its edge functions at the centres of codes of every width.

Every value between layers is a share u of its range, 0 to 1, and a code of n bits stands for the
centre of one of ``2**n`` cells of equal width. Whatever the basis is, an edge is a sum of functions
of u with coefficients, so it is held as these functions at all centres of 0, 1, ... bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.windows import Window

__all__ = [
    "HIDDEN_REACH",
    "LayerStructure",
    "Structure",
    "centres",
    "level",
    "line_layer",
    "spline_layer",
]

HIDDEN_REACH = 4.0
"""Sums in front of a hidden layer's codes are clipped to minus and plus this: a power of two."""

_ORDER = 3
_NOISE = 0.02
_SLOPE = 0.35


@dataclass(frozen=True, eq=False)
class LayerStructure:
    """A layer's edge functions, and where training starts.

    Parameters
    ----------
    name
        For messages and reports.
    functions
        ``[n_in, 2**(M + 1) - 1, K]``: K functions of each input at the centres of codes of 0 to M
        bits, one after the other; ``[1, ...]`` where all inputs have the same.
    coefficients
        ``[n_out, n_in, K]``: where training starts.
    bias
        ``[n_out]``, likewise.
    linear
        ``[K]``: coefficients of a straight line from -1/2 to 1/2, which random starts are made of;
        None for a start that is given.
    span
        What the range of an input is in units of a random slope.
    rate
        Learning rate of coefficients, in units of that of others: the more inputs a sum has, the
        further it moves in a step.
    window
        The windows that share the edges; None for a layer that reads vectors.
    """

    name: str
    functions: FloatArray
    coefficients: FloatArray
    bias: FloatArray
    linear: FloatArray | None = None
    span: float = 1.0
    rate: float = 1.0
    window: Window | None = None

    @property
    def n_out(self) -> int:
        """Sums, of one window."""
        return int(self.coefficients.shape[0])

    @property
    def n_in(self) -> int:
        """Inputs of an edge each, of one window."""
        return int(self.coefficients.shape[1])

    def start(self, random: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Coefficients and bias of one start."""
        noise = random.normal(0, _NOISE, self.coefficients.shape)
        if self.linear is None:
            return self.coefficients * (1 + noise), self.bias
        slopes = random.normal(0, _SLOPE, self.coefficients.shape[:2]) * self.span
        return slopes[:, :, None] * self.linear + noise, self.bias


@dataclass(frozen=True, eq=False)
class Structure:
    """Layers, the range of every input, and what the outputs stand for.

    Parameters
    ----------
    layers
        In order.
    low, high
        ``[n_in]``: the range of every input that training starts with, low < high.
    most_bits
        M, of an address.
    source
        Where the network came from.
    constant
        ``[n_in]``: which inputs never vary: they stand in the middle of their ranges.
    two_valued
        ``[n_in]``: which inputs have two values: they stand in the middles of the two cells of one
        bit, which is all that is learned of their widths; None is none.
    """

    layers: tuple[LayerStructure, ...]
    low: FloatArray
    high: FloatArray
    most_bits: int
    source: str
    constant: npt.NDArray[np.bool_]
    two_valued: npt.NDArray[np.bool_] | None = None

    @property
    def n_in(self) -> int:
        """Inputs."""
        return len(self.low)


def centres(bits: int) -> FloatArray:
    """``[2**bits]``: the middles of cells of equal width between 0 and 1."""
    result: FloatArray = (np.arange(1 << bits) + 0.5) / (1 << bits)
    return result


def level(bits: int) -> slice:
    """Where the centres of codes of so many bits are among those of all widths."""
    return slice((1 << bits) - 1, (1 << bits + 1) - 1)


def spline_layer(
    name: str, n_in: int, n_out: int, cells: int, span: float, most_bits: int
) -> LayerStructure:
    """A layer of cubic B-splines on grids of so many cells, for random starts.

    Parameters
    ----------
    name
        Of the layer.
    n_in, n_out
        Its sizes.
    cells
        Of the grid, over the whole range of an input.
    span
        As :class:`LayerStructure` has it.
    most_bits
        M, of an address.
    """
    knots = np.arange(-_ORDER, cells + _ORDER + 1, dtype=np.float64) / cells
    basis = BSplineBasis(knots[None], _ORDER)
    points = np.concatenate([centres(bits) for bits in range(most_bits + 1)])
    functions = basis.evaluate_input(0, points)
    # A spline whose coefficients are the means of its inner knots is a straight line.
    means = np.stack([knots[k + 1 : k + _ORDER + 1].mean() for k in range(basis.count)])
    return LayerStructure(
        name=name,
        functions=functions[None],
        coefficients=np.zeros((n_out, n_in, basis.count)),
        bias=np.zeros(n_out),
        linear=means - 0.5,
        span=span,
    )


def line_layer(name: str, n_in: int, n_out: int, span: float, most_bits: int) -> LayerStructure:
    """A layer of straight lines, all that edges of two-valued inputs can be, for random starts.

    They are 0 at the lower of the two values: tables of two entries are then as wide as their sums
    need, where entries that are alike but for the sign would span an even number of steps.

    Parameters
    ----------
    name, n_in, n_out, span, most_bits
        As :func:`spline_layer` has them.
    """
    points = np.concatenate([centres(bits) for bits in range(most_bits + 1)])
    return LayerStructure(
        name=name,
        functions=points[None, :, None] - centres(1)[0],
        coefficients=np.zeros((n_out, n_in, 1)),
        bias=np.zeros(n_out),
        linear=np.ones(1),
        span=span,
    )
