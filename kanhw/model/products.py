"""PyKAN's multiplication nodes: some nodes are products of several sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray
from kanhw.model.arrays import frozen_array
from kanhw.values import brief_repr

__all__ = ["Products"]


@dataclass(frozen=True, eq=False)
class Products:
    """``o = scale * [u_0 .. u_(S-1), products of consecutive groups of u_S ..] + bias``.

    Parameters
    ----------
    sum_count
        S: how many sums are nodes of their own.
    arities
        How many of the sums behind them each product takes; at least 1 each.
    scale, bias
        ``[S + len(arities)]``: the node affine.
    """

    sum_count: int
    arities: tuple[int, ...]
    scale: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "arities", tuple(int(a) for a in self.arities))
        if self.sum_count < 0 or min(self.arities, default=1) < 1:
            raise InputError(
                f"Products need sum_count >= 0 and arities >= 1, not {self.sum_count} and "
                f"{self.arities}"
            )
        for field in ("scale", "bias"):
            values = frozen_array(getattr(self, field), f"product {field}", ("n_out",))
            if len(values) != self.n_out:
                raise InputError(
                    f"product {field} must have {self.n_out} entries, not {len(values)}"
                )
            object.__setattr__(self, field, values)

    __repr__ = brief_repr

    @property
    def n_in(self) -> int:
        """Sums that the nodes are made of."""
        return self.sum_count + sum(self.arities)

    @property
    def n_out(self) -> int:
        """Nodes."""
        return self.sum_count + len(self.arities)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The sums that each node multiplies, ``[n_out]`` tuples of indices."""
        groups: list[tuple[int, ...]] = [(k,) for k in range(self.sum_count)]
        start = self.sum_count
        for arity in self.arities:
            groups.append(tuple(range(start, start + arity)))
            start += arity
        return tuple(groups)

    def __call__(self, u: FloatArray) -> FloatArray:
        """Nodes ``[N, n_out]`` of sums ``[N, n_in]``."""
        nodes = np.stack([u[:, list(group)].prod(axis=1) for group in self.groups], axis=1)
        result: FloatArray = self.scale * nodes + self.bias
        return result
