"""A basis read through an affine map of its input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import frozen_array
from kanhw.model.bases.basis import Basis
from kanhw.values import brief_repr

__all__ = ["AffineBasis"]


@dataclass(frozen=True, eq=False)
class AffineBasis:
    """``B_k(scale_i * x_i + shift_i)``: what a frozen normalisation leaves of a layer's basis.

    Parameters
    ----------
    inner
        The basis B.
    scale, shift
        ``[n_in]`` each; no scale is 0.
    """

    inner: Basis
    scale: FloatArray
    shift: FloatArray

    def __post_init__(self) -> None:
        for field in ("scale", "shift"):
            values = frozen_array(getattr(self, field), f"basis {field}", ("n_in",))
            if len(values) != self.inner.n_in:
                raise InputError(
                    f"basis {field} must have {self.inner.n_in} entries, not {len(values)}"
                )
            object.__setattr__(self, field, values)
        if not self.scale.all():
            raise InputError("A basis cannot be read through a scale of 0")

    __repr__ = brief_repr

    @property
    def n_in(self) -> int:
        """Inputs."""
        return self.inner.n_in

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
        """The inner support, in terms of x."""
        if self.inner.support is None:
            return None
        ends = (self.inner.support - self.shift[:, None]) / self.scale[:, None]
        result: FloatArray = np.sort(ends, axis=1)
        return result

    def __call__(self, x: FloatArray) -> FloatArray:
        """[N, n_in] to [N, n_in, K]."""
        return self.inner(self.scale * x + self.shift)

    def evaluate_input(self, i: int, x: FloatArray) -> FloatArray:
        """The functions of input i at x [M]: [M, K]."""
        return self.inner.evaluate_input(i, self.scale[i] * x + self.shift[i])
