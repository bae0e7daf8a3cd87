"""The integer functions that every back end must reproduce to the bit.

They are written with operators and methods that numpy arrays and torch tensors share, so that the
golden model runs them on torch int64 while gateware constants and tests run them on numpy. All
values are int64; shifts are arithmetic; there is one rounding rule, half up.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "argmax",
    "basis_table_sums",
    "constants_like",
    "edge_table_sums",
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


def edge_table_sums(tables: Integers, addresses: Integers) -> Integers:
    """Sum of every edge's table entry: ``acc[n, j] = sum_i tables[j, i, addresses[n, i]]``.

    Parameters
    ----------
    tables
        ``[n_out, n_in, 2**width]``; an absent edge is a table of zeros.
    addresses
        ``[N, n_in]``, code minus the smallest code of its format.

    Returns
    -------
    ``[N, n_out]``
    """
    total = tables[:, 0][:, addresses[:, 0]]
    for i in range(1, tables.shape[1]):
        total = total + tables[:, i][:, addresses[:, i]]
    return total.T


def basis_table_sums(
    tables: Integers, table_index: Any, weights: Integers, addresses: Integers
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

    Returns
    -------
    ``[N, n_out]``
    """
    total = 0
    for i in range(weights.shape[1]):
        values = tables[int(table_index[i])][addresses[:, i]]
        total = total + values @ weights[:, i].T
    return total


def round_shift(value: Integers, shift: int) -> Integers:
    """``value / 2**shift`` rounded half up; ``shift`` >= 0."""
    return value if shift == 0 else (value + (1 << (shift - 1))) >> shift


def requantize(total: Integers, shift: int, lo: int, hi: int) -> Integers:
    """``clamp(round_shift(total, shift), lo, hi)``."""
    return round_shift(total, shift).clip(lo, hi)


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
