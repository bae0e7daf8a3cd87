"""Layer normalisation, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import frozen_array
from kanhw.values import brief_repr

__all__ = ["LayerNorm"]


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` over the features of a sample.

    The variance is the biased one, as PyTorch's.

    Parameters
    ----------
    gamma, beta
        ``[n]`` each.
    epsilon
        Positive.
    """

    gamma: FloatArray
    beta: FloatArray
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", frozen_array(self.gamma, "LayerNorm gamma", ("n",)))
        object.__setattr__(self, "beta", frozen_array(self.beta, "LayerNorm beta", ("n",)))
        if self.gamma.shape != self.beta.shape:
            raise InputError(
                f"LayerNorm gamma {list(self.gamma.shape)} and beta {list(self.beta.shape)} must "
                "have the same shape"
            )
        if not (np.isfinite(self.epsilon) and self.epsilon > 0):
            raise InputError(f"LayerNorm epsilon must be positive, not {self.epsilon}")

    __repr__ = brief_repr

    @property
    def n(self) -> int:
        """Features of a sample."""
        return int(self.gamma.shape[0])

    def __call__(self, x: FloatArray) -> FloatArray:
        """Normalise samples ``[N, n]``."""
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        result: FloatArray = self.gamma * centred / np.sqrt(variance + self.epsilon) + self.beta
        return result
