"""Boards with a Lattice iCE40."""

from __future__ import annotations

from kanhw.boards.catalogue.board import Board, Programmer, openfpgaloader

__all__ = ["ICE40_BOARDS"]

_LEDS = ("led:0", "led:1", "led:2")
_ICEPROG = Programmer("iceprog", ("{bitstream}",))
_LOADER = openfpgaloader("ice40_generic")
_HX = ("-device", "hx")
_UP = ("-device", "u", "-dsp")
_UP5K = {"ICESTORM_LC": 5280, "ICESTORM_RAM": 30, "ICESTORM_DSP": 8}

ICE40_BOARDS = (
    Board(
        name="icebreaker",
        title="1BitSquared iCEBreaker",
        family="ice40",
        device="iCE40UP5K-SG48",
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
        clock_mhz=12,
        budget=_UP5K,
        programmers=(_ICEPROG, _LOADER),
        button="button:0",
        leds=("led_g:0", "led_r:0"),
        # Pin 35 is the PLL's own input.
        pll="pad",
        synthesis=_UP,
    ),
    Board(
        name="icestick",
        title="Lattice iCEstick",
        family="ice40",
        device="iCE40HX1K-TQ144",
        platform="amaranth_boards.icestick:ICEStickPlatform",
        clock_mhz=12,
        budget={"ICESTORM_LC": 1280, "ICESTORM_RAM": 16},
        programmers=(_ICEPROG, _LOADER),
        leds=_LEDS,
        pll="core",
        synthesis=_HX,
    ),
    Board(
        name="ice40-hx8k",
        title="Lattice iCE40-HX8K breakout board",
        family="ice40",
        device="iCE40HX8K-CT256",
        platform="amaranth_boards.ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
        clock_mhz=12,
        budget={"ICESTORM_LC": 7680, "ICESTORM_RAM": 32},
        programmers=(Programmer("iceprog", ("-S", "{bitstream}")), _LOADER),
        leds=_LEDS,
        pll="core",
        synthesis=_HX,
    ),
    Board(
        name="upduino",
        title="UPduino v3",
        family="ice40",
        device="iCE40UP5K-SG48",
        platform="amaranth_boards.upduino_v3:UpduinoV3Platform",
        clock_mhz=12,
        budget=_UP5K,
        programmers=(_ICEPROG, _LOADER),
        # The internal oscillator is too far off for a UART.
        clock="clk12",
        uart=("23", "25"),
        uart_attributes={"IO_STANDARD": "SB_LVCMOS"},
        leds=("rgb_led:0.g", "rgb_led:0.b", "rgb_led:0.r"),
        pll="core",
        synthesis=_UP,
        note="a UART adapter of 3.3 V on pins 23 (its tx) and 25 (its rx); the solder bridge OSC "
        "connects the 12 MHz clock",
    ),
)
