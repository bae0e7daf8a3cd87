"""Boards outside the catalogue: any platform class, such as those of amaranth-boards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanhw.boards.build.placing import platform_of
from kanhw.boards.catalogue.board import Board
from kanhw.boards.catalogue.table import BOARDS, board_named
from kanhw.errors import InputError

__all__ = ["board_for"]

# Our families by the base class of a vendor and what it says of itself.
_FAMILIES: Mapping[tuple[str, str], str] = {
    ("SiliconBluePlatform", ""): "ice40",
    ("LatticePlatform", "ecp5"): "ecp5",
    ("LatticePlatform", "nexus"): "nexus",
    ("GowinPlatform", ""): "gowin",
    ("GateMatePlatform", ""): "gatemate",
    ("XilinxPlatform", "series7"): "xc7",
    ("XilinxPlatform", "ultrascale"): "ultrascale",
    ("XilinxPlatform", "ultrascaleplus"): "ultrascale+",
}
_STANDARDS = ("IOSTANDARD", "IO_STANDARD", "IO_TYPE")


def board_for(name: str, uart: str | None = None, clock_pin: str | None = None) -> Board:
    """A board of the catalogue, or one made of a platform class.

    Parameters
    ----------
    name
        A name of the catalogue, or ``module:Class``.
    uart
        Of a class: the pins ``RX,TX``, seen from the FPGA; None is the UART that it names. A pin of
        a connector is ``number:connector_index``.
    clock_pin
        Of a class: its clock's resource, or ``PIN:MHZ``; None is the clock that it names.

    Raises
    ------
    InputError
        If there is no such board or class, nothing here builds for its family, or it has no UART or
        clock and none is given.
    ToolNotFound
        If amaranth-boards is not installed.
    """
    if ":" not in name:
        for option, value in (("--uart", uart), ("--clock-pin", clock_pin)):
            if value is not None:
                raise InputError(
                    f"{option} is for a platform given as module:Class, and {name} has its own: "
                    "leave it out"
                )
        return board_named(name)
    named = Board(
        name=name, title=name, family="", device="", platform=name, clock_mhz=1, budget={}
    )
    platform = platform_of(named)
    resources: dict[tuple[str, int], Any] = dict(getattr(platform, "resources", {}))
    clock, pin, mhz = _clock(platform, resources, name, clock_pin)
    device = _device(platform)
    alike = [each for each in BOARDS.values() if each.platform == name]
    return Board(
        name=name,
        title=name.rpartition(":")[2],
        family=_family(platform, name),
        device=device,
        platform=name,
        clock_mhz=mhz,
        clock=clock,
        clock_pin=pin,
        budget=alike[0].budget if alike else {},
        uart=_uart(resources, name, uart),
        uart_attributes=_attributes(resources),
        button="rst:0" if ("rst", 0) in resources else "",
        leds=tuple(f"led:{k}" for k in range(3) if ("led", k) in resources),
        pll=alike[0].pll if alike else "core",
        synthesis=alike[0].synthesis if alike else (),
    )


def _family(platform: Any, name: str) -> str:
    bases = {base.__name__ for base in type(platform).__mro__}
    said = getattr(platform, "family", "")
    for (vendor, family), ours in _FAMILIES.items():
        if vendor in bases and family in ("", said):
            return ours
    raise InputError(
        f"Nothing here builds for {name} ({said or 'a vendor that is not known'}): take a board "
        f"with one of {', '.join(sorted(set(_FAMILIES.values())))}"
    )


def _device(platform: Any) -> str:
    parts = (getattr(platform, part, "") for part in ("part", "device", "package", "speed"))
    return "-".join(str(part) for part in parts if part)


def _clock(
    platform: Any, resources: Mapping[tuple[str, int], Any], name: str, given: str | None
) -> tuple[str, str, float]:
    """Resource, pin and MHz; one of the first two is empty."""
    if given is not None and (given, 0) not in resources:
        pin, _, text = given.rpartition(":")
        try:
            mhz = float(text)
        except ValueError:
            mhz = 0.0
        if not pin or not 0 < mhz < 1000:
            clocks = [each for (each, _), found in resources.items() if found.clock is not None]
            raise InputError(
                f"--clock-pin must be PIN:MHZ, as in 35:12, or a clock of {name} "
                f"({', '.join(dict.fromkeys(clocks)) or 'it names none'}), not {given!r}"
            )
        return "", pin, mhz
    clock = given or platform.default_clk
    found = resources.get((clock, 0))
    if found is None or found.clock is None:
        raise InputError(
            f"{name} names no oscillator with its frequency ({clock or 'no clock at all'}): name "
            "its pin and MHz, as in --clock-pin 35:12"
        )
    return clock, "", round(1e-6 * float(found.clock.frequency), 6)


def _uart(
    resources: Mapping[tuple[str, int], Any], name: str, given: str | None
) -> tuple[str, str] | None:
    if given is None:
        if ("uart", 0) not in resources:
            raise InputError(
                f"{name} names no UART: name its pins, seen from the FPGA, as in --uart 9,8"
            )
        return None
    pins = [pin.strip() for pin in given.split(",")]
    if len(pins) != 2 or not all(pins) or pins[0] == pins[1]:
        raise InputError(f"--uart must be two pins, RX,TX, as in 9,8, not {given!r}")
    return pins[0], pins[1]


def _attributes(resources: Mapping[tuple[str, int], Any]) -> dict[str, str | int] | None:
    """The voltage of pins: as the board's lights have it, which no vendor's tool does without."""
    light = resources.get(("led", 0))
    attributes = {} if light is None else dict(light.attrs)
    return {name: attributes[name] for name in _STANDARDS if name in attributes} or None
