"""What a basis is, and the basis of no functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from kanhw.formats import FloatArray
from kanhw.model.arrays import checked_batch

__all__ = ["Basis", "NoBasis"]


@runtime_checkable
class Basis(Protocol):
    """K functions of every input of a layer.

    ``count`` is K; ``spare`` is how many more values per input an evaluation holds for a moment;
    ``support`` is [n_in, 2], outside of which every function is 0, or None where there is no such
    bound.
    """

    @property
    def n_in(self) -> int:
        """Inputs."""

    @property
    def count(self) -> int:
        """K."""

    @property
    def spare(self) -> int:
        """Values per input held besides the K results."""

    @property
    def support(self) -> FloatArray | None:
        """[n_in, 2], or None."""

    def __call__(self, x: FloatArray) -> FloatArray:
        """[N, n_in] to [N, n_in, K]."""

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """The functions of input i at x [M]: [M, K]."""


@dataclass(frozen=True, eq=False)
class NoBasis:
    """No basis functions at all: a layer with a base branch only, such as a linear one."""

    n_in: int

    @property
    def count(self) -> int:
        """K = 0."""
        return 0

    @property
    def spare(self) -> int:
        """Nothing is held."""
        return 0

    @property
    def support(self) -> None:
        """There is nothing to be 0."""
        return

    def __call__(self, x: FloatArray) -> FloatArray:
        """[N, n_in, 0]."""
        return np.empty((*checked_batch(x, self.n_in, "The basis").shape, 0))

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """[M, 0]."""
        return np.empty((len(x), 0))
