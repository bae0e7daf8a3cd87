"""Constants as few signed powers of two: multiplication by shifts and additions."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Digit", "signed_digits"]


@dataclass(frozen=True)
class Digit:
    """``(-1)**negative * 2**shift``."""

    shift: int
    negative: bool


def signed_digits(constant: int) -> list[Digit]:
    """The canonical signed digits of an integer: no two neighbours, hence as few as possible.

    The sum of the digits is the constant; zero has none.
    """
    digits, shift = [], 0
    while constant:
        if constant & 1:
            # 1 where the low bits are 01, -1 where they are 11.
            digit = 2 - (constant & 3)
            digits.append(Digit(shift, digit < 0))
            constant -= digit
        constant >>= 1
        shift += 1
    return digits
