"""Boards with a Lattice ECP5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kanhw.boards.catalogue.board import Board, Programmer, openfpgaloader

__all__ = ["ECP5_BOARDS"]

_LEDS = ("led:0", "led:1", "led:2")
_RGB = ("rgb_led:0.g", "rgb_led:0.b", "rgb_led:0.r")
_TEXTS = ("name", "title", "device", "platform")


def _budget(size: int) -> dict[str, int]:
    """What a device of so many thousand LUTs has; the one sold as 12 is the one sold as 25."""
    luts, rams, multipliers = {
        12: (24288, 56, 28),
        25: (24288, 56, 28),
        45: (43848, 108, 72),
        85: (83640, 208, 156),
    }[size]
    return {
        "TRELLIS_COMB": luts,
        "TRELLIS_FF": luts,
        "DP16KD": rams,
        "MULT18X18D": multipliers,
    }


def _sizes(*sizes: int, **fields: Any) -> Iterator[Board]:
    """Boards that differ in their FPGA, whose thousands of LUTs stand for ``{size}`` in texts."""
    for size in sizes:
        texts = {name: fields[name].format(size=size) for name in _TEXTS}
        yield Board(**(fields | texts), family="ecp5", budget=_budget(size))


ECP5_BOARDS = (
    *_sizes(
        *(12, 25, 45, 85),
        name="ulx3s-{size}f",
        title="Radiona ULX3S {size}F",
        device="LFE5U-{size}F-6BG381",
        platform="amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        clock_mhz=25,
        programmers=(
            openfpgaloader("ulx3s", "0403:6015"),
            Programmer("fujprog", ("{bitstream}",), "0403:6015"),
        ),
        button="button_fire:0",
        leds=_LEDS,
    ),
    *_sizes(
        *(25, 85),
        name="orangecrab-{size}f",
        title="OrangeCrab r0.2 {size}F",
        device="LFE5U-{size}F-8MG285",
        platform="amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_{size}FPlatform",
        clock_mhz=48,
        programmers=(
            Programmer(
                "dfu-util", ("-a", "0", "-D", "{bitstream}"), usb="1209:5af0", suffixed=True
            ),
            openfpgaloader("orangeCrab"),
        ),
        uart=("0:io_0", "1:io_0"),
        uart_attributes={"IO_TYPE": "LVCMOS33", "PULLMODE": "UP"},
        button="button:0",
        leds=_RGB,
        note="a UART adapter of 3.3 V on pins 0 (its tx) and 1 (its rx); hold the button while "
        "plugging in to load; where that fails, load by JTAG",
    ),
    *_sizes(
        *(45, 85),
        name="ecpix5-{size}f",
        title="LambdaConcept ECPIX-5 {size}F",
        device="LFE5UM5G-{size}F-8BG554",
        platform="amaranth_boards.ecpix5:ECPIX5{size}Platform",
        clock_mhz=100,
        programmers=(openfpgaloader("ecpix5"),),
        button="rst:0",
        leds=_RGB,
    ),
    *_sizes(
        25,
        name="colorlight-5a75b",
        title="Colorlight 5A-75B 7.0",
        device="LFE5U-{size}F-6BG256",
        platform="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        clock_mhz=25,
        programmers=(openfpgaloader("colorlight"),),
        note="a UART adapter of 3.3 V on the key's pad (its tx) and the LED's (its rx), so there "
        "is no light; JTAG pins are to be soldered",
    ),
    *_sizes(
        25,
        name="icepi-zero",
        title="IcePi Zero 1.3",
        device="LFE5U-{size}F-6BG256",
        platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
        clock_mhz=50,
        programmers=(openfpgaloader("icepi-zero"),),
        button="button:0",
        leds=_LEDS,
    ),
)
