"""The integer functions that every back end must reproduce to the bit.

They are written with operators and methods that numpy arrays and torch tensors share, so that the
golden model runs them on torch int64 while gateware constants and tests run them on numpy. All
values are int64; shifts are arithmetic; there is one rounding rule, half up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kanhw.formats import IntArray

__all__ = [
    "argmax",
    "basis_table_sums",
    "clamped_tables",
    "codebook_sums",
    "constants_like",
    "edge_table_sums",
    "floor_sqrt",
    "layer_norm",
    "requantize",
    "round_shift",
]

# A numpy int64 array or a torch int64 tensor. The two share no base class, and torch is not
# imported here.
Integers = Any


def constants_like(constants: Any, template: Integers) -> Integers:
    """``constants`` (numpy) as the same kind of array as ``template``, on the same device."""
    if hasattr(template, "new_tensor"):
        return template.new_tensor(constants)
    return constants


def edge_table_sums(
    tables: Integers, addresses: Integers, present: Integers | None = None
) -> Integers:
    """Sum of every edge's table entry: ``acc[n, j] = sum_i tables[j, i, addresses[n, i]]``.

    Parameters
    ----------
    tables
        ``[n_out, n_in, 2**width]``; an absent edge is a table of zeros.
    addresses
        ``[N, n_in]``, code minus the smallest code of its format.
    present
        ``[N, n_in]`` of 0 and 1: a 0 (padding) makes an input add nothing. None is all 1.

    Returns
    -------
    ``[N, n_out]``
    """
    total = 0 * tables[:, 0][:, addresses[:, 0]]
    # Of hundreds of inputs few edges are left in a pruned network.
    there = (tables != 0).any(2)
    for i in range(tables.shape[1]):
        own = there[:, i]
        if not own.any():
            continue
        chosen = slice(None) if own.all() else own
        values = tables[chosen, i][:, addresses[:, i]]
        total[chosen] += values if present is None else values * present[:, i]
    return total.T


def clamped_tables(tables: IntArray, lo: IntArray, hi: IntArray) -> IntArray:
    """Tables that give for any address a what others give for ``clamp(a, lo[i], hi[i])``.

    Parameters
    ----------
    tables
        ``[n_out, n_in, 2**width]``.
    lo, hi
        ``[n_in]``, the smallest and largest address of every input.
    """
    entries = np.arange(tables.shape[2]).clip(lo[:, None], hi[:, None])
    clamped: IntArray = np.take_along_axis(tables, entries[None], axis=2)
    return clamped


def basis_table_sums(
    tables: Integers,
    table_index: Any,
    weights: Integers,
    addresses: Integers,
    present: Integers | None = None,
) -> Integers:
    """Weighted sum of tabulated values: ``sum_i sum_k weights[j,i,k] tables[index[i], a_i, k]``.

    Used for both branches; the base branch has one value per input (K = 1).

    Parameters
    ----------
    tables
        ``[T, 2**width, K]``, the distinct tables of a layer.
    table_index
        ``[n_in]`` (numpy or a sequence), which table input i uses.
    weights
        ``[n_out, n_in, K]``.
    addresses
        ``[N, n_in]``.
    present
        ``[N, n_in]`` of 0 and 1: a 0 (padding) makes an input add nothing. None is all 1.

    Returns
    -------
    ``[N, n_out]``
    """
    total = 0
    for i in range(weights.shape[1]):
        values = tables[int(table_index[i])][addresses[:, i]]
        if present is not None:
            values = values * present[:, i : i + 1]
        total = total + values @ weights[:, i].T
    return total


def codebook_sums(
    shapes: Integers,
    index: Integers,
    gains: Integers,
    addresses: Integers,
    *,
    biases: Integers | None = None,
    offsets: Integers | None = None,
    offsets_index: Any = None,
    present: Integers | None = None,
) -> Integers:
    """Shapes that edges share, scaled, and what may be added to them.

    ``sum_i gains[j,i] shapes[index[j,i], a_i] + biases[j,i] offsets[offsets_index[i], a_i]``

    Parameters
    ----------
    shapes
        ``[K, 2**width]``, the shapes that edges share.
    index
        ``[n_out, n_in]``, which shape an edge has.
    gains
        ``[n_out, n_in]``; 0 for an edge without a shape.
    addresses
        ``[N, n_in]``.
    biases, offsets, offsets_index
        ``[n_out, n_in]``, ``[U, 2**width]`` and ``[n_in]``: which table of offsets an input has,
        and how often each edge takes it. None where there are none.
    present
        ``[N, n_in]`` of 0 and 1: a 0 (padding) makes an input add nothing. None is all 1.

    Returns
    -------
    ``[N, n_out]``
    """
    total = 0
    for i in range(gains.shape[1]):
        address = addresses[:, i]
        values = gains[:, i, None] * shapes[index[:, i, None], address]
        if biases is not None and offsets is not None:
            values = values + biases[:, i, None] * offsets[int(offsets_index[i])][address]
        total = total + (values if present is None else values * present[:, i])
    return total.T  # type: ignore[attr-defined]


def round_shift(value: Integers, shift: int) -> Integers:
    """``value / 2**shift`` rounded half up; ``shift`` >= 0."""
    return value if shift == 0 else (value + (1 << (shift - 1))) >> shift


def requantize(total: Integers, shift: int, lo: Integers, hi: Integers) -> Integers:
    """``clamp(round_shift(total, shift), lo, hi)``.

    Parameters
    ----------
    total
        ``[N, n]`` or ``[n]``.
    shift
        As for :func:`round_shift`.
    lo, hi
        Integers, or ``[n]`` of the kind of ``total``: the ends of every column, lo <= hi.
    """
    return round_shift(total, shift).clip(lo, hi)


def floor_sqrt(value: Integers, bits: int) -> Integers:
    """The largest r below ``2**bits`` with ``r * r <= value``, for values of at least 0."""
    root = value * 0
    for bit in reversed(range(bits)):
        trial = root + (1 << bit)
        root = root + ((trial * trial <= value) * 1) * (1 << bit)
    return root


def layer_norm(codes: Integers, epsilon: int, fraction_bits: int) -> Integers:
    """``(n q - S) * isqrt(2**(2 fraction_bits) // max(n Q - S**2 + epsilon, 1))``.

    Parameters
    ----------
    codes
        q, ``[N, n]``; adding a constant to all of them changes nothing.
    epsilon
        At least 0.
    fraction_bits
        1 to 30.

    Returns
    -------
    ``[N, n]``
    """
    count = codes.shape[1]
    total = codes.sum(1)[:, None]
    squares = (codes * codes).sum(1)[:, None]
    variance = (count * squares - total * total + epsilon).clip(1)
    inverse = floor_sqrt((1 << (2 * fraction_bits)) // variance, fraction_bits + 1)
    return (count * codes - total) * inverse


def argmax(values: Integers) -> Integers:
    """Index of the largest column of ``[N, n]`` as ``[N, 1]``; the lowest among equals."""
    best = values[:, :1]
    index = best * 0
    for j in range(1, values.shape[1]):
        candidate = values[:, j : j + 1]
        # Integer arithmetic instead of "where": it is the same in numpy and in torch.
        wins = (candidate > best) * 1
        best = best + wins * (candidate - best)
        index = index + wins * (j - index)
    return index
