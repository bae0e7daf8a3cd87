"""Olimex GateMateA1-EVB: the pins that the link needs, by its schematic."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth_boards.resources import ButtonResources, LEDResources, UARTResource

from kanhw.boards.platforms.gatemate import GateMatePlatform

__all__ = ["GateMateEVBPlatform"]


class GateMateEVBPlatform(GateMatePlatform):
    """The board."""

    device = "CCGM1A1"
    default_clk = "clk10"
    resources: ClassVar = [
        Resource("clk10", 0, Pins("IO_SB_A8", dir="i"), Clock(10e6), Attrs(SCHMITT_TRIGGER="true")),
        *LEDResources(pins="IO_SB_B6", invert=True),
        *ButtonResources(pins="IO_SB_B7", invert=True),
        UARTResource(0, rx="IO_SA_A6", tx="IO_SA_B6", attrs=Attrs(PULLUP="true")),
    ]
    connectors: ClassVar[list[Any]] = []
