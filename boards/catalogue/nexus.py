"""Boards with a Lattice Nexus: CrossLink-NX."""

from __future__ import annotations

from kanhw.boards.catalogue.board import Board, openfpgaloader

__all__ = ["NEXUS_BOARDS"]

NEXUS_BOARDS = (
    Board(
        name="crosslink-nx-evn",
        title="Lattice CrossLink-NX evaluation board",
        family="nexus",
        device="LIFCL-40-9BG400C",
        platform="kanhw.boards.platforms.crosslink_nx_evn:CrossLinkNXEVNPlatform",
        clock_mhz=12,
        budget={"OXIDE_COMB": 32256, "OXIDE_FF": 32256, "OXIDE_EBR": 84, "MULT18_CORE": 56},
        programmers=(openfpgaloader("crosslinknx_evn"),),
        button="button:0",
        leds=("led:0", "led:1", "led:2"),
        note="jumper JP2 connects the 12 MHz clock; a UART adapter of 3.3 V on pins 1 (its tx) and "
        "2 (its rx) of the PMOD 0, as its own USB bridge is not connected to the FPGA when it "
        "is delivered",
    ),
)
