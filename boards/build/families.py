"""What is done to build for a family: how it is synthesised, placed and packed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kanhw.boards.build.plls import PllSetting, ecp5_settings, ice40_settings
from kanhw.boards.catalogue.board import Board
from kanhw.errors import InputError

__all__ = ["FAMILIES", "Family", "family_of"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family of FPGAs that is built with programs from pip.

    Parameters
    ----------
    name
        The key of :data:`FAMILIES`.
    nextpnr, packer
        Programs: see :func:`kanhw.tools.nextpnr.nextpnr` and :func:`kanhw.tools.packers.packer`.
    device_flags
        Options that choose the device of a platform.
    files
        Options of files, the netlist ``top.json`` and the report among them.
    pack
        Arguments of the packer, for a platform.
    bitstream
        Its file.
    settings
        Clocks that a PLL makes of an oscillator, in MHz.
    probe_mhz
        A clock that is asked for to find out what a design reaches.
    logic, memory, multiplier
        The names of nextpnr's cells that hold a LUT, a block RAM, a multiplier.
    memory_bits
        Of a block RAM.
    logic_per_lut
        Cells of logic for a LUT of the resource model, about.
    link_logic, link_memories
        What the link takes, about.
    told_clock
        Whether nextpnr is told the clock by an option, as it reads no constraint of it.
    """

    name: str
    nextpnr: str
    packer: str
    device_flags: Callable[[Any], tuple[str, ...]]
    files: tuple[str, ...]
    pack: Callable[[Any], tuple[str, ...]]
    bitstream: str
    settings: Callable[[float], Iterator[PllSetting]]
    probe_mhz: float
    logic: str
    memory: str
    multiplier: str
    memory_bits: int
    logic_per_lut: float
    link_logic: int
    link_memories: int
    told_clock: bool = False


_ICE40_DEVICES = {"iCE40HX1K": "--hx1k", "iCE40HX8K": "--hx8k", "iCE40UP5K": "--up5k"}
_ECP5_DEVICES = {
    f"LFE5U{kind}-{size}F": f"--{word}{size}k"
    for kind, word in (("", ""), ("M", "um-"), ("M5G", "um5g-"))
    for size in (12, 25, 45, 85)
}
_ECP5_PACKAGES = {"BG256": "CABGA256", "MG285": "CSFBGA285", "BG381": "CABGA381"} | {
    "BG554": "CABGA554",
    "BG756": "CABGA756",
}


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


# Devices of nextpnr and of the packer, by the family that the platform names.
_GOWIN_DEVICES = {"GW1NR-9C": "GW1N-9C", "GW1N-9C": "GW1N-9C"}


def _gowin_device(platform: Any) -> tuple[str, ...]:
    chip = _known(_GOWIN_DEVICES, platform.family, "nextpnr-himbaechel-gowin")
    return "--device", platform.part, "--vopt", f"family={chip}"


def _gowin_pack(platform: Any) -> tuple[str, ...]:
    chip = _known(_GOWIN_DEVICES, platform.family, "gowin_pack")
    # Pins of the flash are pins like others once the bitstream is loaded.
    pins = ("--sspi_as_gpio", "--mspi_as_gpio")
    return "-d", chip, *pins, "-o", "top.fs", "top.pnr.json"


def _no_settings(mhz: float) -> Iterator[PllSetting]:
    """None: the network runs at the oscillator's clock."""
    return iter(())


def _known(table: dict[str, str], name: str, tool: str) -> str:
    if name not in table:
        raise InputError(
            f"{tool} is not told how to place a device or package {name!r}: those known are "
            f"{', '.join(table)}"
        )
    return table[name]


FAMILIES: dict[str, Family] = {
    "ice40": Family(
        name="ice40",
        nextpnr="nextpnr-ice40",
        packer="icepack",
        device_flags=_ice40_device,
        files=("--json", "top.json", "--pcf", "top.pcf", "--asc", "top.asc"),
        pack=lambda platform: ("top.asc", "top.bin"),
        bitstream="top.bin",
        settings=ice40_settings,
        probe_mhz=60,
        logic="ICESTORM_LC",
        memory="ICESTORM_RAM",
        multiplier="ICESTORM_DSP",
        memory_bits=4096,
        logic_per_lut=3.0,
        link_logic=1200,
        link_memories=2,
    ),
    "ecp5": Family(
        name="ecp5",
        nextpnr="nextpnr-ecp5",
        packer="ecppack",
        device_flags=_ecp5_device,
        files=("--json", "top.json", "--lpf", "top.lpf", "--textcfg", "top.config"),
        pack=lambda platform: (
            *("--compress", "--freq", "38.8", "--input", "top.config", "--bit", "top.bit"),
        ),
        bitstream="top.bit",
        settings=ecp5_settings,
        probe_mhz=200,
        logic="TRELLIS_COMB",
        memory="DP16KD",
        multiplier="MULT18X18D",
        memory_bits=18432,
        logic_per_lut=3.0,
        link_logic=1200,
        link_memories=1,
    ),
    "gowin": Family(
        name="gowin",
        nextpnr="nextpnr-himbaechel-gowin",
        packer="gowin_pack",
        device_flags=_gowin_device,
        files=("--json", "top.syn.json", "--vopt", "cst=top.cst", "--write", "top.pnr.json"),
        pack=_gowin_pack,
        bitstream="top.fs",
        settings=_no_settings,
        probe_mhz=27,
        logic="LUT4",
        memory="BSRAM",
        multiplier="DSP",
        memory_bits=18432,
        logic_per_lut=3.0,
        link_logic=1200,
        link_memories=1,
        told_clock=True,
    ),
}
"""The families that are built here."""


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
