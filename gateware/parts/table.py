"""A table of constants addressed by a code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.gateware.parts.costs import TABLE_SIZES, HardwareCosts
from kanhw.gateware.parts.counting.resets import WithResets
from kanhw.gateware.parts.counting.table_pieces import pieces_of
from kanhw.gateware.parts.signals import Range

__all__ = ["Table", "column_sizes", "costs_of_columns", "sizes_of_bits"]


def column_sizes(values: IntArray, width: int) -> dict[bytes, int]:
    """The different output bits of a table, by their entries: on how many address bits each hangs.

    Parameters
    ----------
    values
        ``[2**n]`` entries.
    width
        Bits of an entry.
    """
    return sizes_of_bits(((values[None] >> np.arange(width)[:, None]) & 1).astype(np.uint8))


def sizes_of_bits(places: npt.NDArray[np.uint8]) -> dict[bytes, int]:
    """The different ones of the bits ``[width, 2**n]``: on how many address bits each hangs."""
    width, depth = places.shape
    support = np.zeros(width, np.int64)
    for bit in range(depth.bit_length() - 1):
        halves = places.reshape(width, -1, 2, 1 << bit)
        support += (halves[:, :, 0] != halves[:, :, 1]).any(axis=(1, 2))
    return {row.tobytes(): int(size) for row, size in zip(places, support, strict=True)}


def costs_of_columns(sizes: dict[bytes, int], *, registered: bool) -> HardwareCosts:
    """The costs of different output bits; one that is an address bit needs no logic."""
    found, pieces = _by_size(sizes), pieces_of(sizes)
    varying = sum(size > 0 for size in sizes.values())
    own = HardwareCosts(table_bits=found, table_pieces=pieces, register_bits=varying * registered)
    if not registered:
        return own
    left = WithResets(sizes)
    return replace(
        own,
        reset_bits=_less(_by_size(left.sizes), found),
        reset_pieces=_less(pieces_of(left.sizes), pieces),
        reset_signals=left.signals,
    )


def _by_size(sizes: dict[bytes, int]) -> tuple[int, ...]:
    """Bits by how many address bits they depend on; one that is an address bit is no table."""
    found = [0] * TABLE_SIZES
    for size in sizes.values():
        found[min(size, TABLE_SIZES - 1)] += size > 1
    return tuple(found)


def _less(these: tuple[int, ...], those: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one - other for one, other in zip(these, those, strict=True))


class Table(Component):
    """``o = values[i]``: one look-up a clock.

    Equals indexing the tuple ``values``. Latency is 1 cycle with ``registered``, else 0.

    Parameters
    ----------
    values
        2**n integers, n >= 1.
    registered
        Whether a register follows the table.
    padding
        What the table hands out instead where there is no address; None where there always is one.

    Members
    -------
    i : In(unsigned(n))
        Address.
    pad : In(1)
        Whether there is none; only with ``padding``.
    o : Out(shape of the smallest to the largest value)
    """

    def __init__(
        self, values: tuple[int, ...], *, registered: bool = True, padding: int | None = None
    ) -> None:
        self._values = tuple(int(v) for v in values)
        depth = len(self._values)
        if depth < 2 or depth & (depth - 1):
            raise InputError(f"A table needs 2, 4, 8, ... values, not {depth}")
        self._registered = bool(registered)
        self._padding = padding
        pad = {} if padding is None else {"pad": In(1)}
        address = In(unsigned(depth.bit_length() - 1))
        super().__init__({"i": address, **pad, "o": Out(self.range.shape)})

    @property
    def values(self) -> tuple[int, ...]:
        """The table's entries."""
        return self._values

    @property
    def registered(self) -> bool:
        """True where a register follows the table."""
        return self._registered

    @property
    def range(self) -> Range:
        """Smallest and largest of what the table hands out."""
        padding = () if self._padding is None else (self._padding,)
        return Range(min(*self._values, *padding), max(*self._values, *padding))

    @property
    def costs(self) -> HardwareCosts:
        """Its different bits; what is always the same, or the same as another, costs nothing."""
        sizes = column_sizes(np.array(self._values, np.int64), self.range.format.width)
        return costs_of_columns(sizes, registered=self._registered)

    @property
    def latency(self) -> int:
        """Cycles from address to entry."""
        return int(self._registered)

    def elaborate(self, platform: object) -> Module:
        """A memory that is never written, and its register."""
        m = Module()
        shape = self.range.shape
        # Logic is what is wanted: Vivado reads rom_style, Yosys ram_style, and both would rather
        # spend a block RAM on a large table.
        memory = Memory(
            shape=shape,
            depth=len(self._values),
            init=self._values,
            attrs={"rom_style": "distributed", "ram_style": "logic"},
        )
        m.submodules.memory = memory
        read = memory.read_port(domain="comb")
        m.d.comb += read.addr.eq(self.i)
        value = read.data
        if self._padding is not None:
            # In front of a register, a constant for every bit is a synchronous set or reset.
            value = Mux(self.pad, Const(self._padding, shape), value)
        if self._registered:
            register = Signal(shape, reset_less=True)
            m.d.sync += register.eq(value)
            m.d.comb += self.o.eq(register)
        else:
            m.d.comb += self.o.eq(value)
        return m
