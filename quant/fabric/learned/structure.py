"""A network before widths are learned: its edge functions at the centres of codes of every width.

Every value between layers is a share u of its range, 0 to 1, and a code of n bits stands for the
centre of one of ``2**n`` cells of equal width. Whatever the basis is, an edge is a sum of functions
of u with coefficients, so it is held as these functions at all centres of 0, 1, ... bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.formats import FloatArray, IntArray
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.quant.fabric.cost import CodeWork
from kanhw.quant.fabric.learned.pooling import Pool
from kanhw.quant.fabric.learned.reading import Reading

__all__ = [
    "HIDDEN_REACH",
    "LayerStructure",
    "Structure",
    "are_binary",
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
    reading
        Which values its inputs are: all windows share the edges.
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
    pool
        What happens to the codes behind its sums; None is nothing.
    rate
        Learning rate of coefficients, in units of that of others: the more inputs a sum has, the
        further it moves in a step.
    """

    name: str
    reading: Reading
    functions: FloatArray
    coefficients: FloatArray
    bias: FloatArray
    linear: FloatArray | None = None
    span: float = 1.0
    pool: Pool | None = None
    rate: float = 1.0

    @property
    def n_out(self) -> int:
        """Sums, of one window: channels of what it gives."""
        return int(self.coefficients.shape[0])

    @property
    def n_in(self) -> int:
        """Inputs of an edge each, of one window."""
        return int(self.coefficients.shape[1])

    @property
    def channels(self) -> IntArray:
        """``[values]``: of which channel each value is that it gives."""
        pool = self.reading.positions if self.pool is None else self.pool.window.positions
        result: IntArray = np.repeat(np.arange(self.n_out), pool)
        return result

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
        ``[channels]``: the range of every input channel that training starts with, low < high; a
        feature of a vector is a channel.
    most_bits
        M, of an address.
    source
        Where the network came from.
    constant
        ``[channels]``: which never vary: they stand in the middle of their ranges.
    two_valued
        ``[channels]``: which have two values: they stand in the middles of the two cells of one
        bit, which is all that is learned of their widths; None is none.
    """

    layers: tuple[LayerStructure, ...]
    low: FloatArray
    high: FloatArray
    most_bits: int
    source: str
    constant: npt.NDArray[np.bool_]
    two_valued: npt.NDArray[np.bool_] | None = None

    def work(self, index: int) -> CodeWork:
        """What is done with the codes behind a layer before the next one reads them."""
        pool, after = self.layers[index].pool, self.layers[index + 1 : index + 2]
        own = CodeWork() if pool is None else pool.work
        return own + after[0].reading.work if after else own

    @property
    def is_binary(self) -> bool:
        """Whether all inputs that vary have two values."""
        return self.two_valued is not None and are_binary(self.constant, self.two_valued)

    @property
    def has_windows(self) -> bool:
        """Whether images come pixel by pixel."""
        return any(layer.reading.window is not None for layer in self.layers)

    @property
    def channels(self) -> IntArray:
        """``[n_in]``: the channel of every input."""
        return self.layers[0].reading.channels

    def shares(self, x: FloatArray) -> FloatArray:
        """Inputs ``[N, n_in]`` in units of the ranges of the start."""
        low, high = (end[self.channels] for end in (self.low, self.high))
        result: FloatArray = (x - low) / (high - low)
        return result


def are_binary(constant: npt.NDArray[np.bool_], two_valued: npt.NDArray[np.bool_]) -> bool:
    """Whether all inputs that vary have two values."""
    return bool((constant | two_valued).all())


def centres(bits: int) -> FloatArray:
    """``[2**bits]``: the middles of cells of equal width between 0 and 1."""
    result: FloatArray = (np.arange(1 << bits) + 0.5) / (1 << bits)
    return result


def level(bits: int) -> slice:
    """Where the centres of codes of so many bits are among those of all widths."""
    return slice((1 << bits) - 1, (1 << bits + 1) - 1)


def spline_layer(
    name: str, reading: Reading, n_out: int, cells: int, span: float, most_bits: int
) -> LayerStructure:
    """A layer of cubic B-splines on grids of so many cells, for random starts.

    Parameters
    ----------
    name
        Of the layer.
    reading
        What its inputs are.
    n_out
        Its sums.
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
        reading=reading,
        functions=functions[None],
        coefficients=np.zeros((n_out, reading.n_in, basis.count)),
        bias=np.zeros(n_out),
        linear=means - 0.5,
        span=span,
    )


def line_layer(
    name: str, reading: Reading, n_out: int, span: float, most_bits: int
) -> LayerStructure:
    """A layer of straight lines, all that edges of two-valued inputs can be, for random starts.

    They are 0 at the lower of the two values: tables of two entries are then as wide as their sums
    need, where entries that are alike but for the sign would span an even number of steps.

    Parameters
    ----------
    name, reading, n_out, span, most_bits
        As :func:`spline_layer` has them.
    """
    points = np.concatenate([centres(bits) for bits in range(most_bits + 1)])
    return LayerStructure(
        name=name,
        reading=reading,
        functions=points[None, :, None] - centres(1)[0],
        coefficients=np.zeros((n_out, reading.n_in, 1)),
        bias=np.zeros(n_out),
        linear=np.ones(1),
        span=span,
    )
