"""Products of codes, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kanhw.formats import FloatArray
from kanhw.quant.quantizers.quantizer import ActivationQuantizer
from kanhw.quant.record.join import Join

__all__ = ["QuantProducts"]


@dataclass(frozen=True, eq=False)
class QuantProducts:
    """Products of codes.

    Parameters
    ----------
    name
        For messages and reports.
    groups
        Which inputs each output multiplies.
    shifts
        Bits that rounding takes from each product.
    source
        The quantizer of the codes that come in.
    joins
        One per quantizer that reads the products.
    """

    name: str
    groups: tuple[tuple[int, ...], ...]
    shifts: tuple[int, ...]
    source: ActivationQuantizer
    joins: tuple[Join, ...]
    kind: ClassVar[str] = "product"
    passes: ClassVar[tuple[int, ...]] = ()

    def sums(self, streams: tuple[FloatArray, ...], lowest: tuple[int, ...]) -> tuple[FloatArray]:
        """The products ``[N, n_out]``."""
        columns = []
        for group, shift in zip(self.groups, self.shifts, strict=True):
            # Integers: a product of many codes can be longer than float64 holds.
            product = streams[0][:, list(group)].astype(np.int64).prod(axis=1)
            half = (1 << shift) >> 1
            columns.append(np.floor_divide(product + half, 1 << shift))
        return (np.stack(columns, axis=1).astype(np.float64),)
