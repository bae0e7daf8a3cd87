"""What a board is, and what its family of FPGAs needs to be built."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FTDI", "Board", "Programmer", "openfpgaloader"]

FTDI = "0403:6010"
"""On USB, the bridge with two channels that most boards load through."""


@dataclass(frozen=True)
class Programmer:
    """A program that loads a bitstream.

    Parameters
    ----------
    tool
        A key of :data:`kanhw.boards.catalogue.programmers.PROGRAMMERS`.
    arguments
        What follows its command; ``{bitstream}`` stands for the file, ``{folder}`` for the build's.
    usb
        Vendor and product of what it talks to, in hexadecimal, as in ``0403:6010``.
    suffixed
        Whether the file must say which device it is for, as DFU wants it.
    """

    tool: str
    arguments: tuple[str, ...]
    usb: str = FTDI
    suffixed: bool = False

    @property
    def usb_numbers(self) -> tuple[int, int]:
        """Vendor and product."""
        vendor, product = self.usb.split(":")
        return int(vendor, 16), int(product, 16)


def openfpgaloader(board: str, usb: str = FTDI) -> Programmer:
    """openFPGALoader, by its own name of a board; upper and lower case count."""
    return Programmer("openfpgaloader", ("-b", board, "{bitstream}"), usb)


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board with an FPGA.

    Parameters
    ----------
    name
        By which users choose it.
    title
        In words.
    family
        A key of :data:`kanhw.boards.build.families.FAMILIES`.
    device
        The FPGA with package and speed, as results name it.
    platform
        ``module:Class`` of amaranth-boards, or of :mod:`kanhw.boards.platforms`.
    clock_mhz
        Of the oscillator.
    clock
        Its resource, where that is not the platform's own choice.
    clock_pin
        The pin of the package that an oscillator is at, where the platform has no resource for it.
    budget
        What the device has, by the names of the tool's cells; empty: that is not known.
    programmers
        In order of preference.
    uart
        Pins of the UART (rx, tx, seen from the FPGA) where the platform names none; a pin of a
        connector is ``number:connector_index``, as Amaranth writes it.
    uart_attributes
        Of these pins, and of ``clock_pin``.
    button
        The resource that resets, as for ``leds``; empty: there is none.
    leds
        Resources for alive, working and failed, as ``name:number`` or ``name:number.part``.
    baud
        What the chip between UART and USB can do.
    pll
        How the oscillator reaches a PLL, where that is not the same for all of a family.
    synthesis
        Options of the family's ``synth_*`` command.
    note
        What a user of this board should know.
    """

    name: str
    title: str
    family: str
    device: str
    platform: str
    clock_mhz: float
    budget: dict[str, int]
    programmers: tuple[Programmer, ...] = ()
    clock: str = ""
    clock_pin: str = ""
    uart: tuple[str, str] | None = None
    uart_attributes: dict[str, str | int] | None = None
    button: str = ""
    leds: tuple[str, ...] = ()
    baud: int = 1_000_000
    pll: str = ""
    synthesis: tuple[str, ...] = ()
    note: str = ""
