"""Sums of products without multipliers: bit by bit of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range

__all__ = ["SharedPair", "chosen_costs", "subset_range"]


class SharedPair:
    """One value or two that many weights want to be multiplied with.

    The bits of the same place of two weights choose one of 0, the first value, the second, and
    their sum, which is made once for all weights: a LUT5 for each bit of it, in place of two
    products. Added up over the pairs, and over the places after a shift, the choices are
    ``sum of weight * value``.

    Parameters
    ----------
    m
        Where the registers go: the values wait in them for their weights for a cycle.
    name
        Of the registers.
    values
        One or two.
    table
        ``[..., 1 or 2]``: all that the values can be.
    """

    def __init__(self, m: Module, name: str, values: list[Value], table: IntArray) -> None:
        self.range = subset_range(table)
        wanted = values if len(values) == 1 else [*values, values[0] + values[1]]
        self._choices: list[Value] = [Const(0, 1)]
        for k, value in enumerate(wanted):
            register = Signal(self.range.shape, name=f"{name}_{k}", reset_less=True)
            m.d.sync += register.eq(value)
            self._choices.append(register)

    def chosen(self, bits: list[Value]) -> Value:
        """The sum of those values whose bit is set.

        Parameters
        ----------
        bits
            As many as there are values, a cycle later than they.
        """
        choices = self._choices
        for bit in bits:
            choices = [Mux(bit, choices[k + 1], choices[k]) for k in range(0, len(choices), 2)]
        return choices[0]


def chosen_costs(
    widths: Sequence[int], memories: Sequence[IntArray], bits: int
) -> HardwareCosts:
    """The costs of all choices among the values of pairs (:meth:`SharedPair.chosen`).

    Parameters
    ----------
    widths
        Of every pair, bits of a value.
    memories
        ``[words, outputs]`` each: the weights of every bank; two neighbours are a pair, and an odd
        one at the end has nothing to choose.
    bits
        Of a weight, each of which chooses for itself.
    """
    places = [
        (words[:, :, None] >> np.arange(bits) & 1).reshape(len(words), -1) for words in memories
    ]
    pairs = zip(widths, places[::2], places[1::2], strict=False)
    return sum((_choices(*pair) for pair in pairs), HardwareCosts())


def _choices(width: int, one: IntArray, other: IntArray) -> HardwareCosts:
    """Of one pair, by its weights' bits, ``[words, choices]``, 0 or 1."""
    varies = [(bits != bits[0]).any(axis=0) for bits in (one, other)]
    told = varies[0] & varies[1] & (one != other).any(axis=0) & (one == other).any(axis=0)
    five = width * int(told.sum())
    three = width * int((varies[0] | varies[1]).sum()) - five
    # Five inputs are a piece and a multiplexer where a LUT has four.
    return HardwareCosts(table_bits=(0, 0, 0, three, 0, five), table_pieces=(five, five))


def subset_range(table: IntArray) -> Range:
    """Bounds of the sums of any of the values that are there together, ``[..., values]``."""
    lowest = np.minimum(table, 0).sum(axis=-1).min()
    highest = np.maximum(table, 0).sum(axis=-1).max()
    return Range(int(lowest), int(highest))
