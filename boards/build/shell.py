"""A top on a board: its pins, and its clock from the oscillator or a PLL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.build import Attrs, Pins, Resource, Subsignal
from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from kanhw.boards.build.plls import PllSetting
from kanhw.boards.catalogue.board import Board
from kanhw.boards.link.link_top import LinkTop

__all__ = ["BoardShell"]

_UART = "kanhw_uart"


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
        if self._pll is not None:
            _PLLS[self._board.family](m, platform, self._board, self._pll)
        uart = self._uart(platform)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [top.rx.eq(rx.i), tx.o.eq(top.tx)]
        requested: dict[str, Any] = {}
        for k, (name, level) in enumerate(
            zip(self._board.leds, (top.alive, top.working, top.failed), strict=False)
        ):
            m.submodules[f"led{k}"] = led = io.Buffer("o", _port(platform, name, requested))
            m.d.comb += led.o.eq(level)
        return m

    def _uart(self, platform: Any) -> Any:
        if self._board.uart is None:
            return platform.request("uart", 0, dir="-")
        rx, tx = (_pins(name, way) for name, way in zip(self._board.uart, "io", strict=True))
        attributes = Attrs(**(self._board.uart_attributes or {}))
        platform.add_resources(
            [Resource(_UART, 0, Subsignal("rx", rx), Subsignal("tx", tx), attributes)]
        )
        return platform.request(_UART, 0, dir="-")


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


def _domain(m: Module, platform: Any, clock: Signal, setting: PllSetting, locked: Any) -> None:
    """``sync`` on a clock, under reset until the PLL has locked."""
    platform.add_clock_constraint(clock, setting.hz)
    m.domains.sync = ClockDomain("sync")
    m.d.comb += ClockSignal("sync").eq(clock)
    m.submodules.reset = ResetSynchronizer(~locked, domain="sync")


def _ice40(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    pin = platform.request(board.clock or platform.default_clk, dir="-")
    clock, locked = Signal(name="pll_clock"), Signal()
    if board.pll == "pad":
        source: dict[str, Any] = {"io_PACKAGEPIN": pin.io}
    else:
        m.submodules.oscillator = buffer = io.Buffer("i", pin)
        source = {"i_REFERENCECLK": buffer.i}
    m.submodules.pll = Instance(
        f"SB_PLL40_{board.pll.upper()}",
        p_FEEDBACK_PATH="SIMPLE",
        **{
            f"p_{name}": Const(int(value), {"DIVR": 4, "DIVF": 7}.get(name, 3))
            for name, value in setting.parameters.items()
        },
        **source,
        i_RESETB=Const(1),
        i_BYPASS=Const(0),
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )
    # Block RAM reads as zeros for some microseconds after configuration; the PLL locks later, but
    # nobody says by how much.
    waits = Signal(range(int(15e-6 * setting.hz) + 1), reset_less=True)
    ready = Signal(reset_less=True)
    m.domains.waking = ClockDomain("waking", reset_less=True, local=True)
    m.d.comb += ClockSignal("waking").eq(clock)
    with m.If(~locked):
        m.d.waking += [waits.eq(0), ready.eq(0)]
    with m.Elif(waits == int(15e-6 * setting.hz)):
        m.d.waking += ready.eq(1)
    with m.Else():
        m.d.waking += waits.eq(waits + 1)
    _domain(m, platform, clock, setting, ready)


def _ecp5(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    pin = platform.request(board.clock or platform.default_clk, dir="-")
    m.submodules.oscillator = buffer = io.Buffer("i", pin)
    clock, locked = Signal(name="pll_clock"), Signal()
    divisor = int(setting.parameters["CLKOP_DIV"])
    m.submodules.pll = Instance(
        "EHXPLLL",
        **{f"p_{name}": value for name, value in setting.parameters.items()},
        p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=divisor - 1,
        p_CLKOP_FPHASE=0,
        p_STDBY_ENABLE="DISABLED",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        i_CLKI=buffer.i,
        i_CLKFB=clock,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(0),
        i_PHASESTEP=Const(0),
        i_PHASELOADREG=Const(0),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=clock,
        o_LOCK=locked,
    )
    _domain(m, platform, clock, setting, locked)


_PLLS: dict[str, Callable[[Module, Any, Board, PllSetting], None]] = {
    "ice40": _ice40,
    "ecp5": _ecp5,
}
