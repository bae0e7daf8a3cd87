"""Parts that a layer asks of the FPGA family it is built for: adders, saturation, tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib.wiring import Component

from kanhw.formats import CodeFormat
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term

__all__ = ["Fabric", "Place", "Reading", "Summands", "TableBank", "Window"]


@dataclass(frozen=True, order=True)
class Reading:
    """The bits of an input's address that a table reads, as the next lowest bits of its own.

    Parameters
    ----------
    branch
        Of a layer's table; where tables of several branches meet, the stream that it reads.
    input
        The number of the input.
    bits
        Of its address, in order.
    """

    branch: int
    input: int
    bits: tuple[int, ...]


Place = tuple[Reading, ...]
"""What a table reads: one input, or several where tables of one output are merged."""


@dataclass(frozen=True)
class Window:
    """The part of a sum's constant that a saturator wants added up; it takes care of the rest.

    A saturator drops the low bits that rounding needs, hands out the ``n`` bits above these, and
    limits them where the sum is beyond the range of the code. The bits that it hands out depend on
    the sum modulo ``size``, which is 2 to the power of both together. So a constant only has to be
    added modulo ``size``, which makes the adder tree narrower. The rest does not touch those bits:
    the saturator compares the upper bits of the sum with it to tell whether the sum is out of
    range.

    Parameters
    ----------
    size
        Constants are added modulo this, a power of two.
    centre
        Added beyond the constant: half of ``size`` where a signed code leaves as a code, else 0. It
        inverts the top bit of what the saturator hands out, so that its registers hold the code in
        two's complement, and nothing has to invert the bit between an address and a signed code.
    """

    size: int
    centre: int = 0


@dataclass(frozen=True)
class Summands:
    """The operands of a sum of tables.

    The sum wanted is that of the tables' entries plus a constant. It equals the sum of what
    ``tables`` hand out, each after its shift, plus ``constant``, plus ``remaining``.

    Parameters
    ----------
    tables
        To add up, each with its place.
    constant
        To add to them in the adder tree; 0 where it needs no operand, since it is in the tables.
    remaining
        Still to be added behind the tree: by the saturator, or by whoever uses the sum.
    """

    tables: tuple[tuple[Place, MinimisedTable], ...]
    constant: int
    remaining: int


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
            What it reads, by streams: tables with the same have the same address.
        address, table
            The two.
        pad
            Whether the input is absent, where it may be.
        """

    @abstractmethod
    def finish(self, m: Module, platform: object) -> None:
        """Called once, after every table was asked for."""


class Fabric(ABC):
    """Adder trees, saturation and tables as they are made for a family of FPGAs.

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
    def tree_costs(
        self, terms: list[Term], levels: int, bound: Range | None, unread: int = 0
    ) -> tuple[HardwareCosts, int, Range]:
        """What :meth:`tree` is made of, its latency, and the range of its sum.

        Parameters
        ----------
        terms, levels, bound
            As there.
        unread
            Lowest bits of the sum that nobody reads.
        """

    @abstractmethod
    def address(
        self, lo: int, hi: int, format: CodeFormat, *, last: bool, codes: tuple[int, int] | None
    ) -> Address:
        """The form of a rounded sum; as :func:`kanhw.gateware.parts.address.output_address`."""

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
            A constant that the sum still lacks: :attr:`Summands.remaining`.
        shift
            Low bits that rounding drops.
        address
            What to hand out.
        cycles
            Its latency.
        """

    @abstractmethod
    def saturator_costs(
        self, sums: Range, base: int, shift: int, address: Address, cycles: int
    ) -> HardwareCosts:
        """What :meth:`saturator` is made of."""

    @abstractmethod
    def window(self, address: Address, shift: int, *, signed: bool) -> Window | None:
        """The low bits that the saturator of an address wants added up; None for the whole sum."""

    @abstractmethod
    def summands(
        self,
        tables: Mapping[Place, MinimisedTable],
        constant: int | None,
        window: Window | None,
        *,
        registered: bool,
    ) -> Summands:
        """The operands that make the sum of several tables and a constant.

        Parameters
        ----------
        tables
            Those that vary, at least one.
        constant
            To add to them; the tables' offsets are taken off it. None if nothing is to be added
            here: the offsets are then left in :attr:`Summands.remaining`.
        window
            Of the saturator behind the sum, if it can take a part of the constant.
        registered
            Whether a register follows every table.
        """

    @abstractmethod
    def table_costs(
        self, tables: Mapping[Place, Sequence[MinimisedTable]], *, registered: bool
    ) -> HardwareCosts:
        """What the tables in a :meth:`bank` are made of, by what they read."""

    @abstractmethod
    def supports(self, table: MinimisedTable, *, registered: bool) -> tuple[int, ...]:
        """Of every output bit of a table the number of address bits that its LUTs depend on.

        Parameters
        ----------
        table
            Whose outputs are not negative.
        registered
            Whether a register follows.
        """

    @abstractmethod
    def bank(self, *, registered: bool) -> TableBank:
        """An empty bank for the tables of a layer."""
