"""Boards with a Cologne Chip GateMate."""

from __future__ import annotations

from kanhw.boards.catalogue.board import Board, openfpgaloader

__all__ = ["GATEMATE_BOARDS"]

GATEMATE_BOARDS = (
    Board(
        name="gatemate-evb",
        title="Olimex GateMateA1-EVB",
        family="gatemate",
        device="CCGM1A1",
        platform="kanhw.boards.platforms.gatemate_evb:GateMateEVBPlatform",
        clock_mhz=10,
        # A CPE holds two trees of LUTs with four inputs each; a block RAM is two halves.
        budget={"CPE_LT": 40960, "CPE_FF": 40960, "RAM_HALF": 64},
        programmers=(openfpgaloader("olimex_gatemateevb", "1209:c0ca"),),
        button="button:0",
        leds=("led:0",),
        # What the microcontroller between UART and USB does for certain.
        baud=115_200,
    ),
)
