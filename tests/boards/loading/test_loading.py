"""Loading: the program that is called, the suffix of DFU, and what is said where it fails."""

import struct
import sys
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.boards.build.building import build_for_board
from kanhw.boards.built import load_built
from kanhw.boards.catalogue.table import BOARDS, board_named
from kanhw.boards.loading.dfu import SUFFIX_BYTES, with_suffix
from kanhw.boards.loading.loading import load_bitstream, udev_rule
from kanhw.errors import ToolFailed, ToolNotFound
from kanhw.schedule.schedule import Schedule

pytest.importorskip("amaranth_boards")

FAKE = """#!{python}
import pathlib, sys
if "--version" in sys.argv:
    print("dfu-util 0.11")
    sys.exit(0)
{action}
"""


@given(st.binary(max_size=200), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_the_suffix_is_that_of_the_standard(data, vendor, product):
    found = with_suffix(data, vendor, product)
    assert found[: len(data)] == data and len(found) == len(data) + SUFFIX_BYTES
    release, to, whose, version, mark, size, crc = struct.unpack("<4H3sBI", found[len(data) :])
    assert (release, to, whose, version) == (0xFFFF, product, vendor, 0x0100)
    assert (mark, size) == (b"UFD", 16)
    # A CRC-32 over all, its own included, leaves the same remainder whatever the data.
    inverted = found[:-4] + struct.pack("<I", crc ^ 0xFFFFFFFF)
    assert zlib.crc32(inverted) == 0x2144DF1C


def test_a_suffix_of_dfu_util():
    # What dfu-suffix 0.11 -v 1209 -p 5af0 -a makes of the nine bytes 123456789.
    found = with_suffix(b"123456789", 0x1209, 0x5AF0)[9:-4]
    assert found == bytes.fromhex("ffff f05a 0912 0001 554644 10")


@pytest.fixture(scope="module")
def built(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards") / "build"
    board = board_named("orangecrab-25f")
    build_for_board(small, Schedule(), board, folder, project=True)
    (folder / "top.bit").write_bytes(b"bits")
    return load_built(folder)


@pytest.fixture
def dfu_util(tmp_path, monkeypatch):
    def use(action):
        program = tmp_path / "dfu-util"
        program.write_text(FAKE.format(python=sys.executable, action=action))
        program.chmod(0o755)
        monkeypatch.setenv("DFU_UTIL", str(program))

    return use


@pytest.mark.wide
def test_dfu_gets_a_file_with_its_suffix(built, dfu_util, tmp_path):
    seen = tmp_path / "seen"
    dfu_util(f"pathlib.Path({str(seen)!r}).write_bytes(pathlib.Path(sys.argv[-1]).read_bytes())")
    loaded = load_bitstream(built)
    assert seen.read_bytes() == with_suffix(b"bits", 0x1209, 0x5AF0)
    assert (loaded.board, loaded.bitstream) == ("orangecrab-25f", "top.bit")
    assert loaded.command[1:4] == ("-a", "0", "-D")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("Cannot open DFU device 1209:5af0: LIBUSB_ERROR_ACCESS", udev_rule("1209:5af0")),
        ("No DFU capable USB device available", "finds no such board"),
        ("something else", "something else"),
    ],
)
def test_failures_are_one_line_with_the_cure(built, dfu_util, says, told):
    dfu_util(f"print({says!r}); sys.exit(1)")
    with pytest.raises(ToolFailed) as found:
        load_bitstream(built)
    assert told in str(found.value) and "\n" not in str(found.value)


def test_a_rule_is_for_one_device():
    assert udev_rule("0403:6010") == (
        'SUBSYSTEM=="usb", ATTR{idVendor}=="0403", ATTR{idProduct}=="6010", TAG+="uaccess"'
    )
    for board in BOARDS.values():
        for programmer in board.programmers:
            assert all(0 < number < 0x10000 for number in programmer.usb_numbers), board.name


def test_a_board_of_ones_own_is_loaded_like_that_of_its_platform(built, dfu_util):
    dfu_util("sys.exit(0)")
    own = replace(built, board="amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_25FPlatform")
    assert load_bitstream(own).board == "orangecrab-25f"
    stranger = replace(own, details={**built.details, "platform": "boards.mine:Mine"})
    with pytest.raises(ToolNotFound, match=r"knows no programmer of .*top\.bit"):
        load_bitstream(stranger)
