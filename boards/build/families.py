"""The families of FPGAs: how each is built, which clocks its PLL makes, what its cells hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from kanhw.boards.build.flow import Flow
from kanhw.boards.build.nextpnr_flow import NextpnrFlow
from kanhw.boards.build.plls import (
    PllSetting,
    ecp5_settings,
    gatemate_settings,
    gowin_settings,
    ice40_settings,
    mmcm_settings,
    no_settings,
)
from kanhw.boards.build.vivado_flow import VivadoFlow
from kanhw.boards.catalogue.board import Board
from kanhw.errors import InputError
from kanhw.targets.memories import REGISTERS_FOR_LUTS

__all__ = ["FAMILIES", "Family", "family_of"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of FPGAs.

    Parameters
    ----------
    name
        The key of :data:`FAMILIES`.
    flow
        How it is built.
    settings
        Clocks that a PLL makes of an oscillator, in MHz.
    logic, memory, multiplier
        The names of the tool's cells that hold a LUT, a block RAM, a multiplier.
    memory_bits
        Of a block RAM.
    logic_per_lut
        Cells of logic for a LUT of the resource model, about.
    link_logic, link_memories
        What the link takes, about.
    """

    name: str
    flow: Flow
    settings: Callable[[float], Iterator[PllSetting]]
    logic: str
    memory: str
    multiplier: str
    memory_bits: int = 18432
    logic_per_lut: float = 3.0
    link_logic: int = 1200
    link_memories: int = 1


_ICE40_DEVICES = {
    f"iCE40{name.upper()}": f"--{name}"
    for name in ("lp384", "lp1k", "lp4k", "lp8k", "hx1k", "hx4k", "hx8k", "up3k", "up5k")
}
_ECP5_DEVICES = {
    f"LFE5U{kind}-{size}F": f"--{word}{size}k"
    for kind, word in (("", ""), ("M", "um-"), ("M5G", "um5g-"))
    for size in (12, 25, 45, 85)
}
_ECP5_PACKAGES = {"BG256": "CABGA256", "MG285": "CSFBGA285", "BG381": "CABGA381"} | {
    "BG554": "CABGA554",
    "BG756": "CABGA756",
}
# Devices of nextpnr and of the packer, by the family that the platform names.
_GOWIN_DEVICES = {"GW1NR-9C": "GW1N-9C", "GW1N-9C": "GW1N-9C"}


def _ice40_device(platform: Any) -> tuple[str, ...]:
    return (
        _known(_ICE40_DEVICES, platform.device, "nextpnr-ice40"),
        *("--package", platform.package.lower()),
    )


def _ecp5_device(platform: Any) -> tuple[str, ...]:
    return (
        _known(_ECP5_DEVICES, platform.device, "nextpnr-ecp5"),
        *("--package", _known(_ECP5_PACKAGES, platform.package, "nextpnr-ecp5")),
        *("--speed", platform.speed),
    )


def _nexus_device(platform: Any) -> tuple[str, ...]:
    name = f"{platform.device}-{platform.speed}{platform.package}{platform.grade}"
    # The other router fails on the clock.
    return "--device", name, "--router", "router1"


def _gowin_device(platform: Any) -> tuple[str, ...]:
    chip = _known(_GOWIN_DEVICES, platform.family, "nextpnr-himbaechel-gowin")
    return "--device", platform.part, "--vopt", f"family={chip}"


def _gowin_pack(platform: Any) -> tuple[str, ...]:
    chip = _known(_GOWIN_DEVICES, platform.family, "gowin_pack")
    # Pins of the flash are pins like others once the bitstream is loaded.
    pins = ("--sspi_as_gpio", "--mspi_as_gpio")
    return "-d", chip, *pins, "-o", "top.fs", "top.pnr.json"


def _gatemate_device(platform: Any) -> tuple[str, ...]:
    return "--device", platform.device, "--router", "router2"


def _known(table: dict[str, str], name: str, tool: str) -> str:
    if name not in table:
        raise InputError(
            f"{tool} is not told how to place a device or package {name!r}: those known are "
            f"{', '.join(table)}"
        )
    return table[name]


def _vivado(name: str, oscillator: tuple[float, float], probe_mhz: float) -> Family:
    """A family of AMD's: a LUT is one of the resource model, a block RAM is half a tile."""
    return Family(
        name=name,
        flow=VivadoFlow(probe_mhz=probe_mhz),
        settings=partial(mmcm_settings, oscillator=oscillator),
        logic="LUT",
        memory="RAMB18",
        multiplier="DSP",
        logic_per_lut=1.0,
        link_logic=600,
    )


_ALL = (
    Family(
        name="ice40",
        flow=NextpnrFlow(
            nextpnr="nextpnr-ice40",
            packer="icepack",
            device_flags=_ice40_device,
            files=("--json", "top.json", "--pcf", "top.pcf", "--asc", "top.asc"),
            pack=lambda platform: ("top.asc", "top.bin"),
            bitstream="top.bin",
            probe_mhz=60,
            constraints=".pcf",
            before_synthesis=REGISTERS_FOR_LUTS,
        ),
        settings=ice40_settings,
        logic="ICESTORM_LC",
        memory="ICESTORM_RAM",
        multiplier="ICESTORM_DSP",
        memory_bits=4096,
        link_memories=2,
    ),
    Family(
        name="ecp5",
        flow=NextpnrFlow(
            nextpnr="nextpnr-ecp5",
            packer="ecppack",
            device_flags=_ecp5_device,
            files=("--json", "top.json", "--lpf", "top.lpf", "--textcfg", "top.config"),
            pack=lambda platform: (
                *("--compress", "--freq", "38.8", "--input", "top.config", "--bit", "top.bit"),
            ),
            bitstream="top.bit",
            probe_mhz=200,
            constraints=".lpf",
        ),
        settings=ecp5_settings,
        logic="TRELLIS_COMB",
        memory="DP16KD",
        multiplier="MULT18X18D",
    ),
    Family(
        name="nexus",
        flow=NextpnrFlow(
            nextpnr="nextpnr-nexus",
            packer="prjoxide",
            device_flags=_nexus_device,
            files=("--json", "top.json", "--pdc", "top.pdc", "--fasm", "top.fasm"),
            pack=lambda platform: ("pack", "top.fasm", "top.bit"),
            bitstream="top.bit",
            probe_mhz=12,
            constraints=".pdc",
            # Carry chains with a constant carry fail in nextpnr.
            synthesis=("-noccu2",),
        ),
        settings=no_settings,
        logic="OXIDE_COMB",
        memory="OXIDE_EBR",
        multiplier="MULT18_CORE",
    ),
    Family(
        name="gowin",
        flow=NextpnrFlow(
            nextpnr="nextpnr-himbaechel-gowin",
            packer="gowin_pack",
            device_flags=_gowin_device,
            files=("--json", "top.syn.json", "--vopt", "cst=top.cst", "--write", "top.pnr.json"),
            pack=_gowin_pack,
            bitstream="top.fs",
            probe_mhz=120,
            constraints=".cst",
            told_clock=True,
        ),
        settings=gowin_settings,
        logic="LUT4",
        memory="BSRAM",
        multiplier="DSP",
    ),
    Family(
        name="gatemate",
        flow=NextpnrFlow(
            nextpnr="nextpnr-himbaechel-gatemate",
            packer="gmpack",
            device_flags=_gatemate_device,
            files=("--json", "top.json", "--vopt", "ccf=top.ccf", "--vopt", "out=top.txt"),
            pack=lambda platform: ("top.txt", "top.bit"),
            bitstream="top.bit",
            probe_mhz=60,
            constraints=".ccf",
            told_clock=True,
            synthesis=("-luttree", "-nomx8"),
            before_synthesis=REGISTERS_FOR_LUTS,
        ),
        settings=gatemate_settings,
        logic="CPE_LT",
        memory="RAM_HALF",
        multiplier="CPE_MULT",
        memory_bits=20480,
    ),
    _vivado("xc7", (600, 1200), 200),
    _vivado("ultrascale", (600, 1200), 300),
    _vivado("ultrascale+", (800, 1600), 400),
)

FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
"""The families by name."""


def family_of(board: Board) -> Family:
    """How a board's family is built.

    Raises
    ------
    InputError
        If it is not.
    """
    if board.family not in FAMILIES:
        raise InputError(
            f"Nothing here builds for {board.title} ({board.family}): the families are "
            f"{', '.join(FAMILIES)}"
        )
    return FAMILIES[board.family]
