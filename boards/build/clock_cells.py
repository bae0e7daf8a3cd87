"""The cells that make a board's clock: a function a family, of the setting of its PLL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from kanhw.boards.build.plls import PllSetting
from kanhw.boards.catalogue.board import Board
from kanhw.errors import InputError

__all__ = ["add_clock"]

# Block RAM of iCE40 reads as zeros for some microseconds after configuration; the PLL locks later,
# but nobody says by how much.
_WAKING_SECONDS = 15e-6


def add_clock(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    """Make the domain ``sync`` from the oscillator by the PLL, under reset until it has locked.

    Parameters
    ----------
    m
        Takes the cells.
    platform, board
        Where; the platform must not have made the domain.
    setting
        Of the PLL.

    Raises
    ------
    InputError
        If nothing is known of the family's PLL.
    """
    if board.family not in _CELLS:
        raise InputError(
            f"Nothing is known of the PLL of {board.title} ({board.family}): leave --clock out, "
            "for the oscillator's"
        )
    _CELLS[board.family](m, platform, board, setting)


def _domain(m: Module, clock: Signal, locked: Any) -> None:
    m.domains.sync = ClockDomain("sync")
    m.d.comb += ClockSignal("sync").eq(clock)
    m.submodules.reset = ResetSynchronizer(~locked, domain="sync")


def _oscillator(m: Module, platform: Any) -> Signal:
    """The oscillator's pin behind its buffer."""
    m.submodules.oscillator = buffer = io.Buffer("i", _clock_pin(platform))
    return buffer.i


def _clock_pin(platform: Any) -> Any:
    return platform.request(platform.default_clk, dir="-")


def _parameters(setting: PllSetting) -> dict[str, Any]:
    return {f"p_{name}": value for name, value in setting.parameters.items()}


def _ice40(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    clock, locked = Signal(name="pll_clock"), Signal()
    if board.pll == "pad":
        source: dict[str, Any] = {"io_PACKAGEPIN": _clock_pin(platform).io}
    else:
        source = {"i_REFERENCECLK": _oscillator(m, platform)}
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
    last = int(_WAKING_SECONDS * setting.hz)
    waits, ready = Signal(range(last + 1), reset_less=True), Signal(reset_less=True)
    m.domains.waking = ClockDomain("waking", reset_less=True, local=True)
    m.d.comb += ClockSignal("waking").eq(clock)
    with m.If(~locked):
        m.d.waking += [waits.eq(0), ready.eq(0)]
    with m.Elif(waits == last):
        m.d.waking += ready.eq(1)
    with m.Else():
        m.d.waking += waits.eq(waits + 1)
    platform.add_clock_constraint(clock, setting.hz)
    _domain(m, clock, ready)


def _ecp5(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    clock, locked = Signal(name="pll_clock"), Signal()
    disabled = ("STDBY_ENABLE", "PLLRST_ENA", "INTFB_WAKE")
    low = ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG")
    m.submodules.pll = Instance(
        "EHXPLLL",
        **_parameters(setting),
        p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=int(setting.parameters["CLKOP_DIV"]) - 1,
        p_CLKOP_FPHASE=0,
        **{f"p_{name}": "DISABLED" for name in disabled},
        i_CLKI=_oscillator(m, platform),
        i_CLKFB=clock,
        **{f"i_{name}": Const(0) for name in (*low, "PLLWAKESYNC", "ENCLKOP")},
        o_CLKOP=clock,
        o_LOCK=locked,
    )
    platform.add_clock_constraint(clock, setting.hz)
    _domain(m, clock, locked)


def _gowin(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    clock, locked = Signal(name="pll_clock"), Signal()
    fixed = ("DYN_IDIV_SEL", "DYN_FBDIV_SEL", "DYN_ODIV_SEL", "DYN_DA_EN")
    through = ("CLKOUT_BYPASS", "CLKOUTP_BYPASS", "CLKOUTD_BYPASS")
    m.submodules.pll = Instance(
        "rPLL",
        **_parameters(setting),
        p_FCLKIN=f"{board.clock_mhz:g}",
        p_DEVICE=platform.family,
        p_CLKFB_SEL="internal",
        p_PSDA_SEL="0000",
        p_DUTYDA_SEL="1000",
        **{f"p_{name}": "false" for name in (*fixed, *through)},
        i_CLKIN=_oscillator(m, platform),
        **{f"i_{name}": Const(0) for name in ("CLKFB", "RESET", "RESET_P")},
        **{f"i_{name}": Const(0, 6) for name in ("FBDSEL", "IDSEL", "ODSEL")},
        **{f"i_{name}": Const(0, 4) for name in ("PSDA", "DUTYDA", "FDLY")},
        o_CLKOUT=clock,
        o_LOCK=locked,
    )
    _domain(m, clock, locked)


def _gatemate(m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    """Under reset, too, until the configuration is complete."""
    clock, locked, configured = Signal(name="pll_clock"), Signal(), Signal()
    m.submodules.configured = Instance("CC_USR_RSTN", o_USR_RSTN=configured)
    m.submodules.pll = Instance(
        "CC_PLL",
        **_parameters(setting),
        i_CLK_REF=_oscillator(m, platform),
        i_USR_CLK_REF=Const(0),
        i_CLK_FEEDBACK=Const(0),
        i_USR_LOCKED_STDY_RST=Const(0),
        o_USR_PLL_LOCKED=locked,
        o_CLK0=clock,
    )
    _domain(m, clock, locked & configured)


def _xilinx(cell: str, m: Module, platform: Any, board: Board, setting: PllSetting) -> None:
    """Vivado derives the clock's constraint from the oscillator's."""
    made, clock = Signal(name="mmcm_clock"), Signal(name="pll_clock")
    feedback, locked = Signal(), Signal()
    m.submodules.pll = Instance(
        cell,
        **_parameters(setting),
        p_CLKIN1_PERIOD=1000 / board.clock_mhz,
        i_CLKIN1=_oscillator(m, platform),
        i_CLKFBIN=feedback,
        i_RST=Const(0),
        i_PWRDWN=Const(0),
        o_CLKFBOUT=feedback,
        o_CLKOUT0=made,
        o_LOCKED=locked,
    )
    m.submodules.global_clock = Instance("BUFG", i_I=made, o_O=clock)
    _domain(m, clock, locked)


_CELLS: Mapping[str, Callable[[Module, Any, Board, PllSetting], None]] = {
    "ice40": _ice40,
    "ecp5": _ecp5,
    "gowin": _gowin,
    "gatemate": _gatemate,
    "xc7": partial(_xilinx, "MMCME2_BASE"),
    "ultrascale": partial(_xilinx, "MMCME3_BASE"),
    "ultrascale+": partial(_xilinx, "MMCME4_BASE"),
}
