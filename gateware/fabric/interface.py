"""What a layer asks of the FPGA family that it is built for: adders, saturation, tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib.wiring import Component

from kanhw.formats import CodeFormat
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term

__all__ = ["Fabric", "Place", "Summands", "TableBank", "Window"]

Place = tuple[int, int]
"""Branch and input of a table."""


@dataclass(frozen=True)
class Window:
    """Which sums are the same to a saturator, but for how far they are from its ends.

    Sums that differ by ``size`` have the same low bits. With ``centre``, half of it or 0, a sum is
    ``centre`` more than the low bits of the address say.
    """

    size: int
    centre: int = 0


@dataclass(frozen=True)
class Summands:
    """The tables to add up, what to add to them, and what then remains for the saturator."""

    tables: tuple[tuple[Place, MinimisedTable], ...]
    constant: int
    left: int


class TableBank(ABC):
    """Every table of one layer."""

    @abstractmethod
    def output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        """Output of a table, the same for the same table on the same input.

        Parameters
        ----------
        m
            Where the tables go.
        input
            Stream and number of the input, which name its address.
        address, table
            The two.
        pad
            Whether the input is absent, where it may be.
        """

    @abstractmethod
    def finish(self, m: Module, platform: object) -> None:
        """Called once, after every table was asked for."""


class Fabric(ABC):
    """How adder trees, saturation and tables are made for a family of FPGAs.

    Every fabric computes the same numbers. Sub-classes are listed in
    :func:`kanhw.gateware.fabric.fabric_named`.
    """

    @abstractmethod
    def tree_latency(self, count: int, levels: int) -> int:
        """Registers inside an adder tree of ``count`` operands."""

    @abstractmethod
    def tree(self, terms: list[Term], levels: int, bound: Range | None) -> Any:
        """A component as :class:`~kanhw.gateware.parts.adder_tree.AdderTree`.

        Parameters
        ----------
        terms, levels
            As there.
        bound
            What is known of the sum beyond the terms' ranges.
        """

    @abstractmethod
    def address(
        self, lo: int, hi: int, format: CodeFormat, *, last: bool, codes: tuple[int, int] | None
    ) -> Address:
        """How to hand on a rounded sum; as :func:`kanhw.gateware.parts.address.output_address`."""

    @abstractmethod
    def saturator_latency(self, address: Address, *, last: bool, outputs: int) -> int:
        """Cycles of :meth:`saturator`.

        Parameters
        ----------
        address
            What it hands out.
        last
            Whether only the code itself will do.
        outputs
            How many there are of its kind.
        """

    @abstractmethod
    def saturator(
        self, sums: Range, base: int, shift: int, address: Address, cycles: int
    ) -> Component:
        """A component from a sum ``i`` to an address ``o``.

        Parameters
        ----------
        sums
            All values that the sum takes.
        base
            What is left to add to it.
        shift
            Low bits that rounding drops.
        address
            What to hand out.
        cycles
            Its latency.
        """

    @abstractmethod
    def window(self, address: Address, shift: int, *, signed: bool) -> Window | None:
        """Whether the saturator of an address can take a part of a sum's constant."""

    @abstractmethod
    def summands(
        self,
        tables: Mapping[Place, MinimisedTable],
        constant: int | None,
        window: Window | None,
        *,
        registered: bool,
    ) -> Summands:
        """What to add up for the sum of several tables and a constant.

        Parameters
        ----------
        tables
            Those that vary, at least one.
        constant
            To add to them, and to what their offsets leave; None if the offsets must remain.
        window
            Of the saturator behind the sum, if it can take a part of the constant.
        registered
            Whether a register follows every table.
        """

    @abstractmethod
    def bank(self, *, registered: bool) -> TableBank:
        """An empty bank for the tables of a layer."""
