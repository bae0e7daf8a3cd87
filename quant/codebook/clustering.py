"""K-means: seeded k-means++ start, Lloyd's rounds, weights, and clusters of either sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kanhw.errors import InputError
from kanhw.formats import FloatArray, IntArray
from kanhw.numerics import matmul

__all__ = ["Clusters", "grouped_sums", "k_means"]

# Rows whose distances to all centres are held at a time.
_ROWS = 4096
# Two vectors that are closer than this share of their size differ by rounding.
_SAME = 1e-20
# Rounds that improve the objective by a smaller share are not worth their time.
_ENOUGH = 1e-4


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centres, and which of them every vector belongs to.

    Parameters
    ----------
    centres
        ``[K, D]``.
    index
        ``[N]``: the centre of every vector.
    signs
        ``[N]`` of -1 and 1: what its centre is multiplied by; all 1 unless clusters were mirrored.
    objectives
        The weighted sum of squared distances after every round; it never increases.
    """

    centres: FloatArray
    index: IntArray
    signs: FloatArray
    objectives: tuple[float, ...]


def k_means(
    vectors: FloatArray,
    count: int,
    *,
    weights: FloatArray | None = None,
    mirrored: bool = False,
    seed: int = 0,
    rounds: int = 50,
) -> Clusters:
    """Find ``count`` centres with a small weighted sum of squared distances.

    Starts as k-means++ does (Arthur and Vassilvitskii, 2007), from a seeded generator, so that the
    same arguments give the same result. A cluster that loses all its vectors takes the one that
    lies farthest from its centre.

    Parameters
    ----------
    vectors
        ``[N, D]``.
    count
        K, at least 1. There are fewer where fewer vectors differ.
    weights
        ``[N]``, at least 0: how much a vector's distance counts. None is 1.
    mirrored
        True lets a vector be near to a centre or to its negative, whichever is nearer.
    seed
        Of the start.
    rounds
        The most of them.

    Raises
    ------
    InputError
        If there are no vectors, or ``count`` is below 1.
    """
    if len(vectors) == 0 or count < 1:
        raise InputError(
            f"k-means needs vectors and a count of at least 1, not {len(vectors)} and {count}"
        )
    weights = np.ones(len(vectors)) if weights is None else weights
    sizes = np.square(vectors).sum(axis=1)
    centres = _start(vectors, sizes, count, weights, mirrored, np.random.default_rng(seed))
    objectives: list[float] = []
    while True:
        index, signs, distances = _nearest(vectors, sizes, centres, mirrored)
        _fill_empty(vectors, weights, centres, index, signs, distances)
        objectives.append(float((weights * distances).sum()))
        done = len(objectives) > rounds or objectives[-1] == 0
        if done or (len(objectives) > 1 and not _improves(objectives)):
            return Clusters(centres, index, signs, tuple(objectives))
        shares = weights * signs
        total = grouped_sums(vectors * shares[:, None], index, len(centres))
        size = np.bincount(index, weights, len(centres))
        filled = size > 0
        centres[filled] = total[filled] / size[filled, None]


def grouped_sums(values: FloatArray, index: IntArray, count: int) -> FloatArray:
    """Sums ``[count, D]`` of the rows of ``values`` ``[N, D]`` that have the same index."""
    sums = np.zeros((count, values.shape[1]))
    if len(values):
        order = np.argsort(index, kind="stable")
        present, starts = np.unique(index[order], return_index=True)
        sums[present] = np.add.reduceat(values[order], starts, axis=0)
    return sums


def _improves(objectives: list[float]) -> bool:
    return objectives[-2] - objectives[-1] > _ENOUGH * objectives[-2]


def _start(
    vectors: FloatArray,
    sizes: FloatArray,
    count: int,
    weights: FloatArray,
    mirrored: bool,
    rng: np.random.Generator,
) -> FloatArray:
    """Centres that are drawn with a chance in proportion to their squared distance so far."""
    chances = weights if weights.any() else np.ones(len(vectors))
    chosen = [_drawn(chances, rng)]
    distances = np.full(len(vectors), np.inf)
    for _ in range(1, count):
        own = _nearest(vectors, sizes, vectors[chosen[-1:]], mirrored)[2]
        distances = np.minimum(distances, own)
        chances = weights * np.where(distances > _SAME * sizes, distances, 0.0)
        if not chances.any():
            break
        chosen.append(_drawn(chances, rng))
    return vectors[chosen].copy()


def _drawn(chances: FloatArray, rng: np.random.Generator) -> int:
    total = np.cumsum(chances)
    # The last one with a chance, should rounding reach beyond it.
    last = int(np.flatnonzero(chances)[-1])
    return min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), last)


def _nearest(
    vectors: FloatArray, sizes: FloatArray, centres: FloatArray, mirrored: bool
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Which centre is nearest, with which sign, and the squared distance."""
    index = np.empty(len(vectors), np.int64)
    signs, distances = np.ones(len(vectors)), np.empty(len(vectors))
    half = np.square(centres).sum(axis=1) / 2
    for first in range(0, len(vectors), _ROWS):
        rows = slice(first, first + _ROWS)
        products = matmul(vectors[rows], centres.T)
        near = (np.abs(products) if mirrored else products) - half
        best = near.argmax(axis=1)
        index[rows] = best
        if mirrored:
            signs[rows] = np.where(products[np.arange(len(best)), best] < 0, -1.0, 1.0)
        exact = vectors[rows] - signs[rows, None] * centres[best]
        distances[rows] = np.square(exact).sum(axis=1)
    return index, signs, distances


def _fill_empty(
    vectors: FloatArray,
    weights: FloatArray,
    centres: FloatArray,
    index: IntArray,
    signs: FloatArray,
    distances: FloatArray,
) -> None:
    """Give clusters without vectors the farthest ones, in place."""
    members = np.bincount(index, minlength=len(centres))
    for empty in np.flatnonzero(members == 0):
        farthest = int(np.argmax(weights * distances))
        if weights[farthest] * distances[farthest] == 0:
            return
        centres[empty] = vectors[farthest]
        index[farthest], signs[farthest], distances[farthest] = empty, 1.0, 0.0
