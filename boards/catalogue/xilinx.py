"""Boards with an FPGA of AMD's, built with Vivado."""

from __future__ import annotations

from kanhw.boards.catalogue.board import Board, Programmer, openfpgaloader

__all__ = ["XILINX_BOARDS"]

_LEDS = ("led:0", "led:1", "led:2")
# What Vivado itself loads, by the script in the project.
_VIVADO = Programmer(
    "vivado", ("-mode", "batch", "-nolog", "-nojournal", "-source", "{folder}/program.tcl")
)
_PMOD = (
    "the UART of its USB socket is the processor's, so a UART adapter of 3.3 V on pins 1 (its tx) "
    "and 2 (its rx) of the {pmod}; set the jumpers to boot by JTAG"
)


def _budget(lut: int, ram_tiles: int, dsp: int) -> dict[str, int]:
    return {"LUT": lut, "FF": 2 * lut, "RAMB18": 2 * ram_tiles, "DSP": dsp}


def _arty(size: int, budget: dict[str, int]) -> Board:
    return Board(
        name=f"arty-a7-{size}t",
        title=f"Digilent Arty A7-{size}T",
        family="xc7",
        device=f"XC7A{size}TI-CSG324-1L",
        platform=f"amaranth_boards.arty_a7:ArtyA7_{size}Platform",
        clock_mhz=100,
        budget=budget,
        programmers=(openfpgaloader(f"arty_a7_{size}t"), _VIVADO),
        button="rst:0",
        leds=_LEDS,
    )


XILINX_BOARDS = (
    _arty(35, _budget(20_800, 50, 90)),
    _arty(100, _budget(63_400, 135, 240)),
    Board(
        name="arty-z7",
        title="Digilent Arty Z7-20",
        family="xc7",
        device="XC7Z020-CLG400-1",
        platform="amaranth_boards.arty_z7:ArtyZ720Platform",
        clock_mhz=125,
        budget=_budget(53_200, 140, 220),
        programmers=(openfpgaloader("arty_z7_20"), _VIVADO),
        uart=("1:pmod_0", "2:pmod_0"),
        uart_attributes={"IOSTANDARD": "LVCMOS33"},
        button="button:0",
        leds=_LEDS,
        note=_PMOD.format(pmod="PMOD JA"),
    ),
    Board(
        name="kcu105",
        title="AMD KCU105",
        family="ultrascale",
        device="XCKU040-FFVA1156-2-E",
        platform="amaranth_boards.kcu105:KCU105Platform",
        clock_mhz=125,
        budget=_budget(242_400, 600, 1_920),
        programmers=(_VIVADO,),
        uart=("G25", "K26"),
        uart_attributes={"IOSTANDARD": "LVCMOS18"},
        leds=_LEDS,
    ),
    Board(
        name="zcu104",
        title="AMD ZCU104",
        family="ultrascale+",
        device="XCZU7EV-FFVC1156-2-E",
        platform="kanhw.boards.platforms.zcu104:ZCU104Platform",
        clock_mhz=125,
        budget=_budget(230_400, 312, 1_728),
        programmers=(_VIVADO,),
        button="button:0",
        leds=_LEDS,
        note="of the ports of its USB socket the third is this UART, the second the processor's; "
        "set the switches SW6 to boot by JTAG",
    ),
    Board(
        name="rfsoc4x2",
        title="Real Digital RFSoC 4x2",
        family="ultrascale+",
        device="XCZU48DR-FFVG1517-2-E",
        platform="amaranth_boards.rfsoc4x2:RFSoC4x2Platform",
        clock_mhz=100,
        budget=_budget(425_280, 1_080, 4_272),
        programmers=(_VIVADO,),
        uart=("1:pmod_0", "2:pmod_0"),
        uart_attributes={"IOSTANDARD": "LVCMOS18"},
        button="rst:0",
        leds=_LEDS,
        note=_PMOD.format(pmod="PMOD 0"),
    ),
)
