"""Edges as sampled functions, and how well shapes that they share can stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kanhw.formats import FloatArray, IntArray
from kanhw.numerics import matmul
from kanhw.quant.codebook.clustering import grouped_sums

__all__ = ["EdgeSet", "Match"]

# Edges whose products with all shapes are held at a time.
_ROWS = 4096
# A part of a shape or function that is smaller than this share of it is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Match:
    """What every edge makes of some shapes: ``gain * shapes[index] + bias * offset``.

    Parameters
    ----------
    index
        ``[E]``.
    gains, biases
        ``[E]`` reals.
    errors
        ``[E]``: the weighted squared error that is left.
    """

    index: IntArray
    gains: FloatArray
    biases: FloatArray
    errors: FloatArray


@dataclass(frozen=True, eq=False)
class EdgeSet:
    """Functions at every code, and what an error at a code counts.

    Parameters
    ----------
    functions
        ``[E, A]`` reals.
    source
        ``[E]``: which input an edge reads.
    weights
        ``[I, A]``, at least 0: how much an error at each code of each input counts.
    offsets
        ``[I, A]``: what a bias is multiplied by; None where edges have no bias.
    scaled
        Whether edges have gains; all are 1 otherwise.
    """

    functions: FloatArray
    source: IntArray
    weights: FloatArray
    offsets: FloatArray | None
    scaled: bool

    @cached_property
    def _offset_sizes(self) -> FloatArray:
        """``[I]``: squared sizes of the offsets, 1 where there are none."""
        if self.offsets is None:
            return np.ones(len(self.weights))
        sizes: FloatArray = (self.weights * np.square(self.offsets)).sum(axis=1)
        return np.where(sizes > 0, sizes, 1.0)

    @cached_property
    def levels(self) -> FloatArray:
        """``[E]``: the biases that edges would have without any shape."""
        if self.offsets is None:
            return np.zeros(len(self.functions))
        weighted = (self.weights * self.offsets)[self.source]
        levels: FloatArray = (weighted * self.functions).sum(axis=1)
        return levels / self._offset_sizes[self.source]

    @cached_property
    def remainders(self) -> FloatArray:
        """``[E, A]``: the functions less their levels, which shapes have to stand for."""
        if self.offsets is None:
            return self.functions
        return self.functions - self.levels[:, None] * self.offsets[self.source]

    @cached_property
    def _weighted(self) -> FloatArray:
        return self.weights[self.source] * self.remainders

    @cached_property
    def energies(self) -> FloatArray:
        """``[E]``: the weighted squared error without any shape."""
        result: FloatArray = (self._weighted * self.remainders).sum(axis=1)
        return result

    def match(
        self, shapes: FloatArray, index: IntArray | None = None, gains: FloatArray | None = None
    ) -> Match:
        """The best shape, gain and bias of every edge, by least squares.

        Parameters
        ----------
        shapes
            ``[K, A]``.
        index
            ``[E]``: shapes that edges have to keep; None lets them choose.
        gains
            ``[E]``: gains that they have to keep, with these shapes; None lets them choose.
        """
        overlap, power = self._shape_sizes(shapes)
        if index is None:
            index = self._best(shapes, power)
        product = (self._weighted * shapes[index]).sum(axis=1)
        size = power[self.source, index]
        if gains is None and self.scaled:
            gains = np.divide(product, size, out=np.zeros_like(product), where=size > 0)
        elif gains is None:
            gains = np.ones(len(index))
        errors = self.energies - 2 * gains * product + gains**2 * size
        biases = self.levels - gains * overlap[self.source, index]
        return Match(index, gains, biases, np.maximum(errors, 0.0))

    def sizes(self, shapes: FloatArray, index: IntArray) -> FloatArray:
        """``[E]``: what a gain's squared error counts, with a shape for every edge."""
        power: FloatArray = self._shape_sizes(shapes)[1][self.source, index]
        return power

    def shapes_for(self, match: Match, start: FloatArray) -> FloatArray:
        """The best shapes ``[K, A]`` for edges with these gains and biases.

        Parameters
        ----------
        match
            Its index, gains and biases.
        start
            ``[K, A]``: what shapes keep where no edge has a say.
        """
        weights = self.weights[self.source] * match.gains[:, None]
        wanted = self.functions
        if self.offsets is not None:
            wanted = wanted - match.biases[:, None] * self.offsets[self.source]
        above = grouped_sums(weights * wanted, match.index, len(start))
        below = grouped_sums(weights * match.gains[:, None], match.index, len(start))
        return np.divide(above, below, out=start.copy(), where=below > 0)

    def _shape_sizes(self, shapes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What every shape has of every input's offset, and its squared size without that."""
        squares = matmul(self.weights, np.square(shapes).T)
        overlap = np.zeros_like(squares)
        if self.offsets is not None:
            overlap = matmul(self.weights * self.offsets, shapes.T)
            overlap /= self._offset_sizes[:, None]
        power = squares - overlap**2 * self._offset_sizes[:, None]
        return overlap, np.where(power > _NOTHING * squares, power, 0.0)

    def _best(self, shapes: FloatArray, power: FloatArray) -> IntArray:
        """The shape that leaves every edge the smallest error."""
        index = np.empty(len(self.source), np.int64)
        inverse = np.divide(1.0, power, out=np.zeros_like(power), where=power > 0)
        for first in range(0, len(index), _ROWS):
            rows = slice(first, first + _ROWS)
            products = matmul(self._weighted[rows], shapes.T)
            source = self.source[rows]
            # What each shape takes from the error of each edge.
            saved = products**2 * inverse[source] if self.scaled else 2 * products - power[source]
            index[rows] = saved.argmax(axis=1)
        return index
