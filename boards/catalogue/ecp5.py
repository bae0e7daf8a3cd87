"""Boards with a Lattice ECP5."""

from __future__ import annotations

from kanhw.boards.catalogue.board import Board, Programmer

__all__ = ["ECP5_BOARDS"]

_LEDS = ("led:0", "led:1", "led:2")
_RGB = ("rgb_led:0.g", "rgb_led:0.b", "rgb_led:0.r")


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


def _loader(board: str) -> Programmer:
    return Programmer("openfpgaloader", ("-b", board, "{bitstream}"))


def _ulx3s(size: int) -> Board:
    return Board(
        name=f"ulx3s-{size}f",
        title=f"Radiona ULX3S {size}F",
        family="ecp5",
        device=f"LFE5U-{size}F-6BG381",
        platform=f"amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        clock_mhz=25,
        budget=_budget(size),
        programmers=(_loader("ulx3s"), Programmer("fujprog", ("{bitstream}",))),
        leds=_LEDS,
    )


def _orangecrab(size: int) -> Board:
    return Board(
        name=f"orangecrab-{size}f",
        title=f"OrangeCrab r0.2 {size}F",
        family="ecp5",
        device=f"LFE5U-{size}F-8MG285",
        platform=f"amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_{size}FPlatform",
        clock_mhz=48,
        budget=_budget(size),
        programmers=(
            Programmer("dfu-util", ("-a", "0", "-D", "{bitstream}")),
            _loader("orangeCrab"),
        ),
        uart=("0:io_0", "1:io_0"),
        uart_attributes={"IO_TYPE": "LVCMOS33", "PULLMODE": "UP"},
        leds=_RGB,
        note="a UART adapter of 3.3 V on pins 0 (its tx) and 1 (its rx); hold the button while "
        "plugging in to load; where that fails, load by JTAG",
    )


def _ecpix5(size: int) -> Board:
    return Board(
        name=f"ecpix5-{size}f",
        title=f"LambdaConcept ECPIX-5 {size}F",
        family="ecp5",
        device=f"LFE5UM5G-{size}F-8BG554",
        platform=f"amaranth_boards.ecpix5:ECPIX5{size}Platform",
        clock_mhz=100,
        budget=_budget(size),
        programmers=(_loader("ecpix5"),),
        leds=_RGB,
    )


ECP5_BOARDS = (
    *(_ulx3s(size) for size in (12, 25, 45, 85)),
    *(_orangecrab(size) for size in (25, 85)),
    *(_ecpix5(size) for size in (45, 85)),
    Board(
        name="colorlight-5a75b",
        title="Colorlight 5A-75B 7.0",
        family="ecp5",
        device="LFE5U-25F-6BG256",
        platform="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        clock_mhz=25,
        budget=_budget(25),
        programmers=(_loader("colorlight"),),
        note="a UART adapter of 3.3 V on the key's pad (its tx) and the LED's (its rx), so there "
        "is no light; JTAG pins are to be soldered",
    ),
    Board(
        name="icepi-zero",
        title="IcePi Zero 1.3",
        family="ecp5",
        device="LFE5U-25F-6BG256",
        platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
        clock_mhz=50,
        budget=_budget(25),
        programmers=(_loader("icepi-zero"),),
        leds=_LEDS,
    ),
)
