"""AMD ZCU104: the pins of its logic that the link needs (UG1267)."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.build import Attrs, Clock, DiffPairs, Pins, Resource
from amaranth.vendor import XilinxPlatform
from amaranth_boards.resources import ButtonResources, LEDResources, UARTResource

__all__ = ["ZCU104Platform"]

_3V3 = Attrs(IOSTANDARD="LVCMOS33")


class ZCU104Platform(XilinxPlatform):
    """The board, for Vivado."""

    device = "xczu7ev"
    package = "ffvc1156"
    speed = "2-e"
    default_clk = "clk125"
    resources: ClassVar = [
        Resource(
            "clk125", 0, DiffPairs("F23", "E23", dir="i"), Clock(125e6), Attrs(IOSTANDARD="LVDS")
        ),
        Resource("rst", 0, Pins("M11", dir="i"), _3V3),
        *LEDResources(pins="D5 D6 A5 B5", attrs=_3V3),
        *ButtonResources(pins="B4 C4 B3 C3", attrs=_3V3),
        UARTResource(0, rx="A20", tx="C19", attrs=Attrs(IOSTANDARD="LVCMOS18")),
    ]
    connectors: ClassVar[list[Any]] = []
