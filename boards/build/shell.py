"""A top on a board: its pins, and its clock from the oscillator or a PLL."""

from __future__ import annotations

from typing import Any

from amaranth.build import Attrs, Clock, Pins, Resource, Subsignal
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io

from kanhw.boards.build.clock_cells import add_clock
from kanhw.boards.build.plls import PllSetting
from kanhw.boards.catalogue.board import Board
from kanhw.boards.link.link_top import LinkTop

__all__ = ["BoardShell"]

_UART = "kanhw_uart"
_CLOCK = "kanhw_clock"


class BoardShell(Elaboratable):
    """Everything of a board that is not the link.

    Parameters
    ----------
    top
        What the board does.
    board
        Which pins it has.
    pll
        Makes the clock of the oscillator's; None is the oscillator itself.
    """

    def __init__(self, top: LinkTop, board: Board, pll: PllSetting | None) -> None:
        self._top, self._board, self._pll = top, board, pll

    def elaborate(self, platform: Any) -> Module:
        """Buffers at the pins; the domain ``sync``, where the platform does not make it."""
        m = Module()
        m.submodules.link = top = self._top
        board = self._board
        if board.clock_pin:
            pin, hz = Pins(board.clock_pin, dir="i"), Clock(board.clock_mhz * 1e6)
            platform.add_resources([Resource(_CLOCK, 0, pin, hz, *_attrs(board))])
            platform.default_clk = _CLOCK
        if self._pll is not None:
            add_clock(m, platform, board, self._pll)
        uart = self._uart(platform)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [top.rx.eq(rx.i), tx.o.eq(top.tx)]
        requested: dict[str, Any] = {}
        if board.button:
            m.submodules.button = button = io.Buffer("i", _port(platform, board.button, requested))
            m.d.comb += top.button.eq(button.i)
        for k, (name, level) in enumerate(
            zip(board.leds, (top.alive, top.working, top.failed), strict=False)
        ):
            m.submodules[f"led{k}"] = led = io.Buffer("o", _port(platform, name, requested))
            m.d.comb += led.o.eq(level)
        return m

    def _uart(self, platform: Any) -> Any:
        if self._board.uart is None:
            return platform.request("uart", 0, dir="-")
        rx, tx = (_pins(name, way) for name, way in zip(self._board.uart, "io", strict=True))
        attributes = _attrs(self._board)
        platform.add_resources(
            [Resource(_UART, 0, Subsignal("rx", rx), Subsignal("tx", tx), *attributes)]
        )
        return platform.request(_UART, 0, dir="-")


def _attrs(board: Board) -> tuple[Attrs, ...]:
    return (Attrs(**board.uart_attributes),) if board.uart_attributes else ()


def _pins(name: str, way: str) -> Pins:
    """A pin of the package, or ``number:connector`` with the connector as ``name_index``."""
    pin, _, connector = name.partition(":")
    if not connector:
        return Pins(pin, dir=way)
    kind, _, index = connector.rpartition("_")
    return Pins(pin, dir=way, conn=(kind, int(index)))


def _port(platform: Any, name: str, requested: dict[str, Any]) -> Any:
    """The port of ``name:number`` or ``name:number.part``; each resource is requested once."""
    resource, _, part = name.partition(".")
    if resource not in requested:
        kind, _, number = resource.partition(":")
        requested[resource] = platform.request(kind, int(number), dir="-")
    return getattr(requested[resource], part) if part else requested[resource]
