"""Fashion-MNIST for learned widths: all pixels unrolled, as they are or as one bit each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.common.data import FASHION_DEVIATION, FASHION_FOLDER, FASHION_MEAN, Dataset
from benchmarks.common.data import fashion_mnist as standardised
from kanhw.formats import FloatArray

__all__ = ["IMAGES", "fashion_binary", "fashion_mnist"]

# Of pixels from 0 to 1: what validation preferred to TRIED.
THRESHOLD = 0.25


def fashion_mnist(folder: Path = FASHION_FOLDER) -> Dataset:
    """784 pixels of 256 values each."""
    return standardised(folder)


def fashion_binary(folder: Path = FASHION_FOLDER, threshold: float = THRESHOLD) -> Dataset:
    """784 pixels of one bit each: whether they are brighter than a share of white."""
    given = standardised(folder)

    def bits(x: FloatArray) -> FloatArray:
        return (x * FASHION_DEVIATION + FASHION_MEAN > threshold).astype(float)

    return replace(
        given,
        name="fashion_binary",
        train_x=bits(given.train_x),
        validation_x=bits(given.validation_x),
        test_x=bits(given.test_x),
    )


IMAGES: dict[str, Callable[[Path], Dataset]] = {
    "fashion_mnist": fashion_mnist,
    "fashion_binary": fashion_binary,
}
