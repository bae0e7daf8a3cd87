"""Matrix products and the Cholesky factor, by BLAS where its order of addition cannot matter.

A sum of integers is exact as long as it stays below 2^53, in whatever order it is added, with fused
multiplication or without, and over any number of threads. So matrices are cut into slices of few
bits whose products are such sums, after Ozaki, Ogita, Oishi and Rump, "Error-free transformations
of matrix multiplication by using fast routines of matrix multiplication and its applications",
Numerical Algorithms 59 (2012), section 3; what is left to add up is added elementwise.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kanhw.formats import FloatArray

__all__ = ["cholesky", "gram", "matmul"]

# Bits of an exact sum.
_EXACT_BITS = 53
# Sums of so few products are added one after the other, which is as quick.
_FEW = 12
# Slices of every operand: three leave out less than 2**-60 of the largest products.
_SLICES = 3
# A factor needs no more accuracy than the matrix has: two leave out 2**-38, for 7,000 columns.
_FACTOR_SLICES = 2
# Values cut at a time: few enough for their slices to need little memory.
_BLOCK = 1 << 20
# Of them, those that stay in the processor's cache.
_CACHED = 1 << 14
# Matrices of so few columns are factored column by column.
_COLUMNS = 48
# Exponents beyond which a power of two, or its inverse, leaves the range of float64.
_EXPONENTS = (-900, 900)


def matmul(a: FloatArray, b: FloatArray, *, slices: int = _SLICES) -> FloatArray:
    """``a @ b`` of ``[m, k]`` and ``[k, n]`` or ``[k]``, with the same bits on every machine.

    A row of the result depends on that row of ``a`` alone, and a column on that column of ``b``, so
    that parts of a product are the same as the whole. It is about as accurate as BLAS: errors
    are some 2**-50 of the product of a row's and a column's largest magnitudes.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if b.ndim == 1:
        return matmul(a, b[:, np.newaxis], slices=slices)[:, 0]
    k = a.shape[1]
    total = np.zeros((a.shape[0], b.shape[1]))
    if k <= _FEW:
        for place in range(k):
            total += a[:, place, np.newaxis] * b[place]
        return total
    bits = _slice_bits(k)
    columns, column_units = _slices(b, bits, slices, axis=0)
    step = max(_BLOCK // k, 16)
    for start in range(0, len(a), step):
        rows, row_units = _slices(a[start : start + step], bits, slices, axis=1)
        part = total[start : start + step]
        # From the smallest products to the largest.
        for order in reversed(range(slices)):
            for i in range(order + 1):
                if i < len(rows) and order - i < len(columns):
                    part += (rows[i] @ columns[order - i]) * 2.0 ** (-bits * order)
        # Not in one factor, which could leave the range of float64 where neither does.
        part *= row_units
        part *= column_units
    return total


def _slice_bits(terms: int) -> int:
    """The bits of integers of which ``terms`` products add up exactly."""
    return (_EXACT_BITS - 1 - max(terms - 1, 0).bit_length()) // 2


def _slices(
    matrix: FloatArray, bits: int, count: int, axis: int
) -> tuple[list[FloatArray], FloatArray]:
    """``count`` slices of integers of ``bits`` bits, and the units of rows or columns.

    ``matrix = unit * sum_s 2**(-bits s) slice_s``, but for what the last one leaves. Slices from
    the first one on that is 0 are left out.
    """
    high, low = matrix.max(axis=axis, initial=0.0), matrix.min(axis=axis, initial=0.0)
    exponents = np.frexp(np.maximum(high, -low))[1].clip(*_EXPONENTS) - bits
    inverse = np.broadcast_to(np.expand_dims(np.ldexp(1.0, -exponents), axis), matrix.shape)
    slices = [np.zeros(matrix.shape) for _ in range(count)]
    used = 1
    step = max(_CACHED // max(matrix.shape[1], 1), 1)
    for start in range(0, len(matrix), step):
        rows = slice(start, start + step)
        rest = matrix[rows] * inverse[rows]
        for number, whole in enumerate(slices):
            np.rint(rest, out=whole[rows])
            if number + 1 == count:
                break
            rest -= whole[rows]
            if not rest.any():
                break
            used = max(used, number + 2)
            rest *= 2.0**bits
    return slices[:used], np.expand_dims(np.ldexp(1.0, exponents), axis)


def gram(parts: Iterable[FloatArray], peaks: FloatArray, rows: int) -> FloatArray:
    """``sum F^T F`` over matrices F ``[m, n]`` of ``rows`` rows in all, the same on every machine.

    Features are rounded to so few bits (16 for a million rows, 22 for 256) that all sums are exact:
    the result is symmetric, positive semidefinite and does not depend on how rows are divided.

    Parameters
    ----------
    parts
        The matrices.
    peaks
        ``[n]``: what no magnitude of a feature exceeds.
    rows
        All of them.
    """
    bits = _slice_bits(rows)
    exponents = np.frexp(peaks)[1].clip(*_EXPONENTS) - bits
    units, steps = np.ldexp(1.0, exponents), np.ldexp(1.0, -exponents)
    total = np.zeros((len(peaks), len(peaks)))
    part = np.empty_like(total)
    for features in parts:
        integers = np.rint(features * steps)
        total += np.matmul(integers.T, integers, out=part)
    total *= units
    total *= units[:, np.newaxis]
    return total


def cholesky(matrix: FloatArray) -> FloatArray:
    """The lower triangular L with ``L L^T = matrix``, the same on every machine.

    Parameters
    ----------
    matrix
        ``[n, n]``, symmetric and positive definite; its lower half is read.

    Raises
    ------
    numpy.linalg.LinAlgError
        If it is not positive definite.
    """
    n = len(matrix)
    if n <= _COLUMNS:
        return _cholesky_by_columns(matrix)
    half = n // 2
    factor = np.zeros((n, n))
    factor[:half, :half] = first = cholesky(matrix[:half, :half])
    factor[half:, :half] = below = _solved(first, matrix[half:, :half])
    taken = matmul(below, below.T, slices=_FACTOR_SLICES)
    factor[half:, half:] = cholesky(matrix[half:, half:] - taken)
    return factor


def _cholesky_by_columns(matrix: FloatArray) -> FloatArray:
    left = np.tril(matrix)
    for column in range(len(left)):
        pivot = left[column, column]
        if not pivot > 0:
            raise np.linalg.LinAlgError(f"The matrix is not positive definite: pivot {pivot:.6g}")
        own = left[column:, column]
        own /= np.sqrt(pivot)
        left[column + 1 :, column + 1 :] -= np.tril(own[1:, np.newaxis] * own[1:])
    return left


def _solved(factor: FloatArray, right: FloatArray) -> FloatArray:
    """X with ``X factor^T = right``."""
    n = len(factor)
    solved = np.empty_like(right)
    if n <= _COLUMNS:
        rest = right.copy()
        for column in range(n):
            solved[:, column] = rest[:, column] / factor[column, column]
            later = factor[column + 1 :, column]
            rest[:, column + 1 :] -= solved[:, column, np.newaxis] * later
        return solved
    half = n // 2
    solved[:, :half] = first = _solved(factor[:half, :half], right[:, :half])
    taken = matmul(first, factor[half:, :half].T, slices=_FACTOR_SLICES)
    solved[:, half:] = _solved(factor[half:, half:], right[:, half:] - taken)
    return solved
