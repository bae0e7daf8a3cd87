"""Boards with a Gowin FPGA."""

from __future__ import annotations

from kanhw.boards.catalogue.board import Board, openfpgaloader

__all__ = ["GOWIN_BOARDS"]

GOWIN_BOARDS = (
    Board(
        name="tang-nano-9k",
        title="Sipeed Tang Nano 9K",
        family="gowin",
        device="GW1NR-LV9QN88PC6/I5",
        platform="amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        clock_mhz=27,
        budget={"LUT4": 8640, "DFF": 6480, "BSRAM": 26},
        programmers=(openfpgaloader("tangnano9k"),),
        button="button:0",
        leds=("led:0", "led:1", "led:2"),
        # What the chip between UART and USB does for certain.
        baud=115_200,
        note="where the USB bridge stays silent, a UART adapter of 3.3 V on pins 18 (its tx) and "
        "17 (its rx)",
    ),
)
