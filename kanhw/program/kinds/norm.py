"""Layer normalisation in integers: sum, sum of squares, reciprocal square root."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program.arrays import frozen_integers
from kanhw.program.checks import check_requantizers, check_streams
from kanhw.program.functions.tables import constants_like, layer_norm
from kanhw.program.intervals import Interval
from kanhw.program.requantizer import Requantizer
from kanhw.windows import Window

__all__ = ["NormLayer"]


@dataclass(frozen=True, eq=False)
class NormLayer:
    """Layer normalisation of a vector of codes, exact in integers.

    With n codes q_i, S = sum q_i, Q = sum q_i**2:
    ``V = max(n Q - S**2 + epsilon, 1)``, ``r = isqrt(2**(2 fraction_bits) // V)`` and
    ``acc[i] = gamma[i] * (n q_i - S) * r``; a requantizer adds beta and shifts. S and V do not
    change when a constant is added to all codes, so zero points have no part in it.

    Parameters
    ----------
    gamma
        ``[n]`` integers: the gain over the step of the codes to make, times a power of two that
        the requantizers' shifts take out again.
    epsilon
        The norm's epsilon in squared code steps times n**2; at least 0.
    fraction_bits
        Of the reciprocal root, 1 to 30.
    width
        Of the codes that come in, in bits.
    requantizers
        One for every stream of codes that the next layer wants.
    name
        For messages and reports.
    stream
        Which stream of the layer before is normalised.
    passes
        Streams of the layer before that the next layer reads as well; they follow the normalised
        ones.
    accumulator_formats
        Declared width of the accumulator; None derives it.
    """

    kind: ClassVar[str] = "layer_norm"
    window: ClassVar[Window | None] = None
    branches: ClassVar[tuple[str, ...]] = ("norm",)

    gamma: IntArray
    epsilon: int
    fraction_bits: int
    width: int
    requantizers: tuple[Requantizer, ...]
    name: str = "norm"
    stream: int = 0
    passes: tuple[int, ...] = ()
    accumulator_formats: tuple[CodeFormat, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "gamma", frozen_integers(self.gamma, f"{self.name}.gamma", 1))
        object.__setattr__(self, "requantizers", tuple(self.requantizers))
        object.__setattr__(self, "passes", tuple(self.passes))
        if self.epsilon < 0:
            raise InputError(f"Layer {self.name!r}: epsilon must not be negative: {self.epsilon}")
        if not 1 <= self.fraction_bits <= 30:
            raise InputError(
                f"Layer {self.name!r}: fraction_bits must be 1 to 30, not {self.fraction_bits}"
            )
        check_streams(self.streams, self.branches, self.name)
        check_requantizers(self.requantizers, self.branches, self.n_out, self.name)
        if self.variance_bound >= 1 << 62:
            raise InputError(
                f"Layer {self.name!r}: {self.n_in} codes of {self.width} bits have squares beyond "
                "62 bits: use fewer bits in front of the norm"
            )

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.gamma.shape[0])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return self.n_in

    @property
    def streams(self) -> tuple[int, ...]:
        """Which stream of the layer before is normalised."""
        return (self.stream,)

    @property
    def depths(self) -> tuple[int, ...]:
        """How many codes its stream has."""
        return (1 << self.width,)

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """A norm has no edges."""
        return np.zeros((1, 1), np.bool_)

    @property
    def variance_bound(self) -> int:
        """The largest V that codes of this width can give."""
        span = (1 << self.width) - 1
        # n Q - S**2 is the sum of squared differences over all pairs.
        pairs = (self.n_in // 2) * (self.n_in - self.n_in // 2)
        return max(pairs * span * span + self.epsilon, 1)

    @property
    def normalised_bound(self) -> int:
        """The largest magnitude of ``(n q - S) * r``.

        ``(n q - S)**2 <= (n - 1) (V - epsilon)`` and ``r <= 2**fraction_bits / sqrt(V)``.
        """
        return math.isqrt((self.n_in - 1) << (2 * self.fraction_bits)) + 1

    def accumulate(self, addresses: tuple[Any, ...]) -> tuple[Any, ...]:
        """``gamma * (n q - S) * r``, ``[N, n]``; see :func:`layer_norm`."""
        codes = addresses[0]
        normalised = layer_norm(codes, self.epsilon, self.fraction_bits)
        return (constants_like(self.gamma, codes) * normalised,)

    def accumulator_intervals(self, addresses: tuple[Interval, ...]) -> tuple[Interval, ...]:
        """Bounds from the Cauchy-Schwarz inequality, whatever the codes are."""
        del addresses
        bound = np.abs(self.gamma) * np.int64(self.normalised_bound)
        return (Interval(-bound, bound),)

    def tensors(self) -> dict[str, IntArray]:
        """The integers to store, by field name."""
        return {"gamma": self.gamma}

    def attributes(self) -> dict[str, Any]:
        """Single values to store, by field name."""
        return {
            "epsilon": self.epsilon,
            "fraction_bits": self.fraction_bits,
            "width": self.width,
            "stream": self.stream,
            "passes": list(self.passes),
        }
