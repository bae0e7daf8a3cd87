"""Linear functions over GF(2) as XORs, from the integer function that says what they are."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Cat, Value

from kanhw.boards.protocol.signatures import linear_masks

__all__ = ["linear"]


def linear(function: Callable[[int], int], value: Value, bits: int) -> Value:
    """``function`` of a value, which is linear and has a result of ``bits`` bits."""
    masks = linear_masks(function, len(value), bits)
    return Cat((value & mask).xor() for mask in masks)
