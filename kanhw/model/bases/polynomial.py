"""Polynomials of tanh(x) that a whole layer shares (KAGN, GRAMKAN, ChebyKAN), in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw import numerics
from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.activation import Activation
from kanhw.model.arrays import (
    checked_batch,
    frozen_array,
    input_values,
    positive_count,
)
from kanhw.values import brief_repr, is_integer

__all__ = ["ChebyshevBasis", "GramBasis", "recurrence_factors"]


def recurrence_factors(degree: int) -> FloatArray:
    """What beta[m-1] is multiplied by in the Gram recurrence, for m = 2..degree.

    Returns
    -------
    FloatArray
        ``[max(degree - 1, 0)]``: 2.25, 33.33, 137.8, ...
    """
    m = np.arange(2, degree + 1, dtype=np.float64)
    n = m - 1
    return (2 * m - 1) * n**2 * (4 * n**2 - 1) / m**2


@dataclass(frozen=True, eq=False)
class GramBasis:
    """``act(P_d(tanh x))`` for d = 1..D, of the polynomials that KAGN and GRAMKAN learn.

    P_0 = 1, P_1 = t and P_m = t P_(m-1) - q_m P_(m-2), where q_m is beta[m-1] times a factor that
    grows fast (:func:`recurrence_factors`), so beta must stay precise. beta[0] and beta[D] are in
    the checkpoint but in no formula.

    Parameters
    ----------
    beta
        ``[D + 1]``. Kept as a read-only float64 copy.
    n_in
        Inputs, at least 1.
    activation
        act; None is no activation (GRAMKAN).
    constant
        Whether the first function is act(P_0), a constant. Linear layers fold it into their bias;
        convolutions need it, because a padded tap contributes 0 to it too.

    Raises
    ------
    InputError
        If beta is empty or not finite, or there are no inputs.
    TypeError
        If an argument is of another type.
    """

    beta: FloatArray
    n_in: int
    activation: Activation | None
    constant: bool

    def __post_init__(self) -> None:
        positive_count(self.n_in)
        object.__setattr__(self, "beta", frozen_array(self.beta, "beta", ("D + 1",)))
        if not isinstance(self.activation, Activation | None):
            raise TypeError(
                f"The activation of a Gram basis is an Activation or None, not {self.activation!r}"
            )
        if not isinstance(self.constant, bool):
            raise TypeError(f"constant must be True or False, not {self.constant!r}")

    __repr__ = brief_repr

    @property
    def degree(self) -> int:
        """D, of the highest polynomial."""
        return int(self.beta.shape[0]) - 1

    @property
    def count(self) -> int:
        """K: D, and one more with the constant."""
        return self.degree + self.constant

    @property
    def spare(self) -> int:
        """The polynomials before the activation, and one more for P_0."""
        return self.degree + 2

    @property
    def support(self) -> None:
        """A polynomial of tanh is constant far out, but not 0."""
        return

    @property
    def constant_value(self) -> float:
        """act(P_0): what folding multiplies the weights of P_0 by."""
        return 1.0 if self.activation is None else float(self.activation(np.ones(1))[0])

    def __call__(self, x: FloatArray) -> FloatArray:
        """``[N, n_in]`` finite numbers to ``[N, n_in, K]``."""
        return self._values(checked_batch(x, self.n_in, "The basis"))

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """Evaluate the functions of input ``i`` at ``x`` ``[M]``: ``[M, K]``."""
        return self._values(input_values(i, x, self.n_in))

    def _values(self, x: FloatArray) -> FloatArray:
        t = numerics.tanh(x)
        q = recurrence_factors(self.degree) * self.beta[1:-1]
        values = np.ones((*x.shape, self.degree + 1))
        if self.degree:
            values[..., 1] = t
        for m in range(2, self.degree + 1):
            values[..., m] = t * values[..., m - 1] - q[m - 2] * values[..., m - 2]
        values = values if self.constant else values[..., 1:]
        return values if self.activation is None else self.activation(values)


@dataclass(frozen=True, eq=False)
class ChebyshevBasis:
    """``T_d(tanh x)`` for d = 1..D: ChebyKAN's basis. T_0 = 1 is folded into a layer's bias.

    Parameters
    ----------
    degree
        D, at least 0.
    n_in
        Inputs, at least 1.

    Raises
    ------
    InputError
        If one of them is too small.
    TypeError
        If one of them is not an integer.
    """

    degree: int
    n_in: int

    def __post_init__(self) -> None:
        positive_count(self.n_in)
        if not is_integer(self.degree):
            raise TypeError(f"The degree must be an integer, not {self.degree!r}")
        if self.degree < 0:
            raise InputError(f"The degree must be at least 0, not {self.degree}")

    @property
    def count(self) -> int:
        """K = D."""
        return self.degree

    @property
    def spare(self) -> int:
        """T_0."""
        return 1

    @property
    def support(self) -> None:
        """A polynomial of tanh is constant far out, but not 0."""
        return

    def __call__(self, x: FloatArray) -> FloatArray:
        """``[N, n_in]`` finite numbers to ``[N, n_in, K]``."""
        return self._values(checked_batch(x, self.n_in, "The basis"))

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """Evaluate the functions of input ``i`` at ``x`` ``[M]``: ``[M, K]``."""
        return self._values(input_values(i, x, self.n_in))

    def _values(self, x: FloatArray) -> FloatArray:
        t = numerics.tanh(x)
        values = np.ones((*x.shape, self.degree + 1))
        if self.degree:
            values[..., 1] = t
        for m in range(2, self.degree + 1):
            values[..., m] = 2 * t * values[..., m - 1] - values[..., m - 2]
        return values[..., 1:]
