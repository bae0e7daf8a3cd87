"""Lattice CrossLink-NX evaluation board: the pins that the link needs (FPGA-EB-02028)."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticePlatform
from amaranth_boards.resources import ButtonResources, LEDResources, UARTResource

__all__ = ["CrossLinkNXEVNPlatform"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")


class CrossLinkNXEVNPlatform(LatticePlatform):
    """The board, for the open tools."""

    device = "LIFCL-40"
    package = "BG400"
    speed = "9"
    default_clk = "clk12"
    resources: ClassVar = [
        Resource("clk12", 0, Pins("L13", dir="i"), Clock(12e6), _3V3),
        *LEDResources(pins="E17 F13 G13 F14 L16 L15 L20 L19", attrs=_3V3),
        *ButtonResources(pins="G14 G15", invert=True, attrs=_3V3),
        # Of the PMOD 0: the bridge between USB and UART needs resistors that are not there.
        UARTResource(0, rx="D10", tx="D9", attrs=_3V3),
    ]
    connectors: ClassVar[list[Any]] = []

    def __init__(self, **options: Any) -> None:
        super().__init__(toolchain="Oxide", **options)
