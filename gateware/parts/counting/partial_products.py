"""Products in logic, counted as synthesis makes them: gates, full adders, and one carry chain.

Yosys makes rows of a product, one for every bit of a factor, and adds them up like the operands of
any other sum; what is added to the product is a row more (``alumacc``, ``maccmap``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kanhw.gateware.parts.counting.carry_save import Summand, SummedBits, summed_bits
from kanhw.targets.multipliers import Product, Rows

__all__ = ["product_bits", "rows_of_bits"]


def product_bits(product: Product) -> tuple[int, tuple[SummedBits, ...]]:
    """The gates of a product in logic, and what its sums are made of.

    What is added to it is a row more, unless the sum is wider and synthesis cannot tell that the
    product fits in its bits: then it is a sum of its own.

    Parameters
    ----------
    product
        With what is added to it.
    """
    rows, addend = product.rows, product.addend
    last = len(rows.places) - 1
    summands = [
        Summand(place, rows.width, rows.signed, rows.negative and k == last)
        for k, place in enumerate(rows.places)
    ]
    gates, signed = rows.gates // (1 + product.square), any(product.signed)
    if addend is None:
        return gates, (_shared(summed_bits(summands, product.result), product),)
    added = Summand(0, addend.width, addend.signed)
    fits = product.wide + product.narrow - 2 * (not signed) <= product.result
    one_sum = signed >= addend.signed and (fits or addend.total == product.result)
    if one_sum and not product.constant:
        made = summed_bits([*summands, added], addend.total)
        return gates, (_shared(made, product),)
    made = _shared(summed_bits(summands, product.result), product)
    return gates, (made, summed_bits([Summand(0, product.result, signed), added], addend.total))


def _shared(made: SummedBits, product: Product) -> SummedBits:
    """Of sums in which bits of one number meet each other, a part is there already.

    In a square every pair of bits comes twice; a number times a constant is there in every row.
    """
    part = 1 / 2 if product.square else 3 / 4 if product.constant else 1
    return replace(made, full=round(made.full * part), half=round(made.half * part))


def rows_of_bits(bits: npt.NDArray[np.int64], sign: bool, width: int, signed: bool) -> Rows:
    """The rows of a product by a factor of which all values are known.

    Parameters
    ----------
    bits
        ``[values, places]`` of the factor, 0 or 1.
    sign
        Whether the last place counts negative.
    width, signed
        Bits of the other factor, all of which change, and whether it can be negative.
    """
    there = [int(place) for place in np.flatnonzero(bits.any(axis=0))]
    varying = {column.tobytes() for column in bits.T if column.any() and not column.all()}
    negative = sign and bool(bits[:, -1].any())
    gates = width * len(varying)
    if len(there) <= width:
        return Rows(width, signed, tuple(there), negative, gates)
    # By the bits of the other factor, each of them as wide as the bits that there are.
    places = tuple(there[0] + place for place in range(width))
    return Rows(there[-1] - there[0] + 1, negative, places, signed, gates)
