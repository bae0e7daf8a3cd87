"""The integer functions of the spline evaluator: B-splines and curves from codes, by arithmetic.

As in :mod:`kanhw.program.functions.tables` they are written with what numpy arrays and torch
tensors share; all values are int64, shifts are arithmetic, and rounding is half up.
"""

from __future__ import annotations

from math import comb
from typing import Any

from kanhw.program.functions.tables import round_shift

__all__ = [
    "interpolated",
    "mirrored_columns",
    "piece_polynomials",
    "polynomial_pieces",
    "spline_position",
    "spline_sums",
    "table_pieces",
]

# A numpy int64 array or a torch int64 tensor.
Integers = Any


def piece_polynomials(order: int) -> tuple[tuple[int, ...], ...]:
    """The p + 1 polynomials of a uniform B-spline, ``p! B_r(t) = sum_d c[r][d] t**d``.

    B_r is the function that lives on a cell as its r-th (of index ``cell - p + r``), and t the
    place in the cell, 0 to 1. The functions are mirror images, ``B_r(t) = B_{p-r}(1 - t)``, and
    add up to 1 (I. J. Schoenberg's cardinal splines).

    Parameters
    ----------
    order
        p, at least 1.

    Returns
    -------
    tuple
        ``[p + 1][p + 1]`` integers.
    """
    pieces = []
    for r in range(order + 1):
        # The cardinal B-spline of [0, p + 1] at t + m, by truncated powers.
        m = order - r
        powers = [0] * (order + 1)
        for j in range(m + 1):
            sign = (-1) ** j * comb(order + 1, j)
            for d in range(order + 1):
                powers[d] += sign * comb(order, d) * (m - j) ** (order - d)
        pieces.append(tuple(powers))
    return tuple(pieces)


def mirrored_columns(order: int) -> int:
    """How many pieces a table has to hold, ``p // 2 + 1``: the others are their mirror images."""
    return order // 2 + 1


def spline_position(
    addresses: Integers, multipliers: Integers, offsets: Integers, shift: int, fraction_bits: int
) -> tuple[Integers, Integers]:
    """Cell and place in the cell: ``P = (multipliers[i] a_i + offsets[i]) >> shift``, split.

    Parameters
    ----------
    addresses
        ``[N, n_in]``, code minus the smallest code of its format.
    multipliers, offsets
        ``[n_in]``; an offset contains the half of rounding.
    shift
        At least 0.
    fraction_bits
        f: a cell has ``2**f`` places.

    Returns
    -------
    Integers
        ``[N, n_in]``: cells ``P >> f``, counted from the first knot, negative in front of it.
    Integers
        ``[N, n_in]``: places ``P mod 2**f``.
    """
    position = (addresses * multipliers + offsets) >> shift
    return position >> fraction_bits, position & ((1 << fraction_bits) - 1)


def polynomial_pieces(
    places: Integers, order: int, scale: int, fraction_bits: int, guard_bits: int
) -> list[Integers]:
    """The p + 1 live functions by powers of the place: additions and p - 1 multiplications.

    ``Y_0 = scale``, ``Y_d = round_shift(Y_(d-1) * place, fraction_bits)``, and with the integers c
    of :func:`piece_polynomials` ``V_r = round_shift(sum_d c[r][d] Y_d, guard_bits)``.

    Parameters
    ----------
    places
        Of any shape, 0 to ``2**fraction_bits - 1``.
    order
        p.
    scale
        S, so that V is p! S B / 2**guard_bits.
    fraction_bits, guard_bits
        As above.

    Returns
    -------
    list
        V_0 ... V_p, each of the places' shape.
    """
    powers = [places * 0 + scale]
    for _ in range(order):
        powers.append(round_shift(powers[-1] * places, fraction_bits))
    return [
        round_shift(sum(c * power for c, power in zip(piece, powers, strict=True)), guard_bits)
        for piece in piece_polynomials(order)
    ]


def table_pieces(
    places: Integers, table: Integers, order: int, fraction_bits: int
) -> list[Integers]:
    """The p + 1 live functions from one table for all cells, half of them read backwards.

    ``V_r = table[place, r]`` for ``r <= p // 2``, else ``table[2**fraction_bits - place, p - r]``.

    Parameters
    ----------
    places
        Of any shape, 0 to ``2**fraction_bits - 1``.
    table
        ``[2**fraction_bits + 1, p // 2 + 1]``; the last row is the end of the cell.
    order
        p.
    fraction_bits
        As above.
    """
    columns = mirrored_columns(order)
    backwards = (1 << fraction_bits) - places
    return [
        table[:, r][places] if r < columns else table[:, order - r][backwards]
        for r in range(order + 1)
    ]


def spline_sums(
    coefficients: Integers,
    cells: Integers,
    pieces: list[Integers],
    present: Integers | None = None,
) -> Integers:
    """Live functions times their coefficients.

    ``acc[n, j] = sum_i sum_r coefficients[j, i, k] pieces[r][n, i]`` with
    ``k = cells[n, i] - p + r``, where there is such a function (0 <= k < K).

    Parameters
    ----------
    coefficients
        ``[n_out, n_in, K]``.
    cells
        ``[N, n_in]``.
    pieces
        p + 1 arrays ``[N, n_in]``.
    present
        ``[N, n_in]`` of 0 and 1: a 0 (padding) makes an input add nothing. None is all 1.

    Returns
    -------
    ``[N, n_out]``
    """
    order, count = len(pieces) - 1, coefficients.shape[2]
    total = 0
    for i in range(coefficients.shape[1]):
        for r, values in enumerate(pieces):
            k = cells[:, i] - order + r
            live = values[:, i] * ((k >= 0) & (k < count))
            if present is not None:
                live = live * present[:, i]
            total = total + coefficients[:, i][:, k.clip(0, count - 1)] * live
    return total.T  # type: ignore[attr-defined]


def interpolated(
    table: Integers, addresses: Integers, fraction_bits: int, guard_bits: int
) -> Integers:
    """A curve from a few of its points, straight lines in between.

    With row = a >> l and low = a mod 2**l, l the ``fraction_bits``, it is
    ``round_shift((table[row] << l) + (table[row + 1] - table[row]) low, l + guard_bits)``.

    Parameters
    ----------
    table
        ``[2**(width - l) + 1]``: the curve at every ``2**l``-th code, ``2**guard_bits`` fine.
    addresses
        Of any shape, 0 to ``2**width - 1``.
    fraction_bits, guard_bits
        At least 0; a table of every code has 0 of the first.
    """
    row = addresses >> fraction_bits
    low = addresses & ((1 << fraction_bits) - 1)
    first = table[row]
    line = (first << fraction_bits) + (table[row + 1] - first) * low
    return round_shift(line, fraction_bits + guard_bits)
