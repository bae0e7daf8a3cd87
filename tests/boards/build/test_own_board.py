"""Boards outside the catalogue, by the class of their platform."""

import pytest

from kanhw.boards.build.own_board import board_for
from kanhw.boards.build.placing import sources
from kanhw.boards.built import load_built
from kanhw.boards.catalogue.table import board_named
from kanhw.boards.link.assembled import linked_network
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.program import save_program
from kanhw.schedule.schedule import Schedule

pytest.importorskip("amaranth_boards")

ARTY = "amaranth_boards.arty_a7:ArtyA7_35Platform"
CMOD = "amaranth_boards.cmod_a7:CmodA7_35Platform"
FOMU = "amaranth_boards.fomu_hacker:FomuHackerPlatform"


def test_a_class_of_the_catalogue_is_what_the_catalogue_says():
    own, known = board_for(ARTY), board_named("arty-a7-35t")
    assert (own.family, own.clock_mhz, own.budget) == (known.family, 100, known.budget)
    assert (own.uart, own.button, own.leds) == (None, known.button, known.leds)
    assert own.uart_attributes == {"IOSTANDARD": "LVCMOS33"}


def test_pins_that_are_named_are_taken(small):
    board = board_for(ARTY, "G13,B11", "F4:50")
    assert (board.uart, board.clock_pin, board.clock_mhz) == (("G13", "B11"), "F4", 50)
    linked = linked_network(small, Schedule(), clock_hz=50_000_000, baud=1_000_000)
    text = sources(linked.top, board, None).files["top.xdc"].decode()
    for port, pin in (("rx", "G13"), ("tx", "B11")):
        assert f'LOC {pin} [get_ports "kanhw_uart_0__{port}__io"]' in text
        assert f'IOSTANDARD "LVCMOS33" [get_ports "kanhw_uart_0__{port}__io"]' in text
    assert 'LOC F4 [get_ports "kanhw_clock_0__io"]' in text and "-period 20.0" in text


def test_a_family_and_a_clock_are_found():
    fomu = board_for(FOMU, "1,2")
    assert (fomu.family, fomu.clock_mhz, fomu.clock) == ("ice40", 48, "clk48")
    assert fomu.budget == {}


@pytest.mark.parametrize(
    ("name", "uart", "clock", "told"),
    [
        ("icebreaker", "1,2", None, "--uart is for a platform given as module:Class"),
        ("icebreaker", None, "35:12", "--clock-pin is for a platform given as module:Class"),
        ("amaranth_boards.none:Mine", None, None, "There is no platform"),
        ("amaranth_boards.arty_a7:Mine", None, None, "There is no platform"),
        ("pathlib:Path", None, None, "is no platform of Amaranth's"),
        (FOMU, None, None, "names no UART: name its pins"),
        (FOMU, "9", None, "--uart must be two pins, RX,TX"),
        (FOMU, "9,9", None, "--uart must be two pins, RX,TX"),
        (FOMU, "1,2", "44", r"--clock-pin must be PIN:MHZ, .*\(clk48\), not '44'"),
        (FOMU, "1,2", "44:fast", "--clock-pin must be PIN:MHZ"),
        (FOMU, "1,2", "44:nan", "--clock-pin must be PIN:MHZ"),
        ("amaranth_boards.de0:DE0Platform", None, None, "Nothing here builds for"),
    ],
)
def test_refusals_are_one_line(name, uart, clock, told):
    with pytest.raises(InputError, match=told) as found:
        board_for(name, uart, clock)
    assert "\n" not in str(found.value)


def test_a_project_for_a_class(small, tmp_path, capsys):
    program, out = tmp_path / "program.safetensors", tmp_path / "build"
    save_program(small, program)
    words = ["build", str(program), "--board", FOMU, "--uart", "1,2", "--project"]
    assert main([*words, "--out", str(out)]) == 2
    assert "name one with --schedule unrolled or folded" in capsys.readouterr().err
    assert main([*words, "--schedule", "unrolled", "--out", str(out)]) == 0
    built = load_built(out)
    assert (built.board, built.clock_mhz, built.status) == (FOMU, 48, "written, not built")
    assert "set_io clk48_0__io F5" in (out / "top.pcf").read_text()
