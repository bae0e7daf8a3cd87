"""The operands of an output's adder tree, and tables as the input behind an address needs them."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Value

from kanhw.formats import IntArray
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.minimise import MinimisedTable, minimise_table
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term

__all__ = ["Operand", "constant_operand", "minimise_input"]


@dataclass(frozen=True)
class Operand:
    """A value in the fabric and how it enters a sum."""

    value: Value
    term: Term


def constant_operand(constant: int) -> list[Operand]:
    """The operand that adds a constant: none for zero."""
    if constant == 0:
        return []
    range = Range(constant, constant)
    return [Operand(Const(constant, range.shape), Term(range))]


def minimise_input(table: IntArray, address: Address) -> MinimisedTable:
    """A table ``[2**code_width]`` as the input behind an address needs it."""
    return minimise_table(
        table[address.entries], address.lo, address.hi, padded=address.padded
    )
