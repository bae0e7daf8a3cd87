"""Memories and multiplier blocks of UltraScale+ as Yosys sets them up (UG573, UG574, UG579)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind, ports_of
from kanhw.targets.cells.block_rams import BlockRam, Read, Write, block_ram, words_of_bytes
from kanhw.targets.cells.cell import HIGH, LOW, Cell
from kanhw.targets.cells.memories import LutMemory, lut_memory, shift_register
from kanhw.targets.cells.multipliers import multiplier

__all__ = ["SERIES_7", "ULTRASCALE_PLUS_BLOCKS", "block_ram_kind", "check_product"]


def check_product(cell: Cell) -> None:
    """Refuse a multiplier block that does more than multiply."""
    operation = [cell.net("OPMODE", bit) for bit in range(9)]
    registers = [name for name in cell.parameters if name.endswith("REG") and name != "PATREG"]
    busy = [name for name in registers if any(cell.bits(name, 32))]
    if operation != [HIGH, LOW, HIGH, *[LOW] * 6] or busy:
        more = ", ".join(busy) or "its operation"
        raise InputError(
            f"{cell.kind} {cell.name} does more than a product ({more}), which is not simulated"
        )


def _number(cell: Cell, name: str) -> int:
    return sum(bit << place for place, bit in enumerate(cell.bits(name, 32)))


@dataclass(frozen=True)
class _Family:
    """What block RAMs of a family are called, with A or B in place of ``{0}``."""

    data_in: str
    parity_in: str
    data_out: str
    parity_out: str


_ULTRASCALE_PLUS = _Family("DIN{0}DIN", "DINP{0}DINP", "DOUT{0}DOUT", "DOUTP{0}DOUTP")
SERIES_7 = _Family("DI{0}DI", "DIP{0}DIP", "DO{0}DO", "DOP{0}DOP")


def _bytes(data: str, parity: str, size: int) -> list[tuple[str, int]]:
    """Ports A and B as bytes, each with its parity bit on top."""
    return [
        (parity.format(letter), byte) if bit == 8 else (data.format(letter), 8 * byte + bit)
        for letter in "AB"
        for byte in range(size)
        for bit in range(9)
    ]


class _Layout:
    """Where the ports of a block RAM of ``size`` times 1,024 bytes are among the inputs."""

    def __init__(self, size: int, family: _Family) -> None:
        self.size, self.address_bits = size, 14 if size == 2 else 15
        own = [
            {"ADDRARDADDR": self.address_bits, "ENARDEN": 1, "RSTRAMARSTRAM": 1, "WEA": size},
            {"ADDRBWRADDR": self.address_bits, "ENBWREN": 1, "RSTRAMB": 1, "WEBWE": 2 * size},
        ]
        ports = [port for one in own for port in ports_of(one)]
        self.data = len(ports)
        self.inputs = [*ports, *_bytes(family.data_in, family.parity_in, size)]
        self.outputs = _bytes(family.data_out, family.parity_out, size)
        # Of each port: where its address begins, which enable, reset and write enables follow.
        self.first = (0, len(ports_of(own[0])))

    def bits(self, number: int, width: int) -> range:
        """The bits of a port's word, which goes on in the other's if it is wide."""
        first = 0 if width > 9 * self.size else 9 * self.size * number
        return range(first, first + width)

    def address(self, number: int, width: int) -> range:
        """The inputs that number the words of a width."""
        start = self.first[number]
        lowest = (width // 9 * 8 if width >= 9 else width).bit_length() - 1
        return range(start + lowest, start + self.address_bits)


def _write(cell: Cell, layout: _Layout, number: int) -> Write | None:
    """What a port writes; None: nothing."""
    width = _number(cell, f"WRITE_WIDTH_{'AB'[number]}")
    enable = layout.first[number] + layout.address_bits
    lanes = max(width // 9, 1)
    strobes = range(enable + 2, enable + 2 + lanes)
    nets = [cell.net(*layout.inputs[place]) for place in (enable, *strobes)]
    if width == 0 or nets[0] == LOW or not any(nets[1:]):
        return None
    return Write(
        places=words_of_bytes(1024 * layout.size, width),
        address=layout.address(number, width),
        data=[layout.data + bit for bit in layout.bits(number, width)],
        enables=[(enable, 1)],
        bit_enables=[(strobes[bit // 9], 1) for bit in range(width)],
    )


def _read(cell: Cell, layout: _Layout, number: int, write: Write | None) -> Read | None:
    """What a port reads that writes, too, or not; None: nothing."""
    letter, size = "AB"[number], layout.size
    width = _number(cell, f"READ_WIDTH_{letter}")
    enable = layout.first[number] + layout.address_bits
    if width == 0:
        return None
    mode = cell.word(f"WRITE_MODE_{letter}", "NO_CHANGE") if write else "READ_FIRST"
    return Read(
        places=words_of_bytes(1024 * size, width),
        address=layout.address(number, width),
        outputs=layout.bits(number, width),
        enables=[(enable, 1)],
        initial=_word(cell, "INIT", number, width, size),
        cleared=_word(cell, "SRVAL", number, width, size),
        reset=(enable + 1, 1) if cell.net(*layout.inputs[enable + 1]) != LOW else None,
        kept_by=sorted(set(write.bit_enables)) if write and mode == "NO_CHANGE" else (),
        after_write=mode == "WRITE_FIRST",
    )


def _word(cell: Cell, name: str, number: int, width: int, size: int) -> list[int]:
    """A value of a port's word: its parity bits stand on top of its parameter."""
    if width < 9:
        return list(cell.bits(f"{name}_{'AB'[number]}", width))
    letters = "AB" if width > 9 * size else "AB"[number]
    each = width // len(letters)
    found: list[int] = []
    for letter in letters:
        bits, lanes = cell.bits(f"{name}_{letter}", each), each // 9
        for lane in range(lanes):
            found += [*bits[8 * lane : 8 * lane + 8], bits[8 * lanes + lane]]
    return found


def _content(cell: Cell, size: int) -> npt.NDArray[np.uint8]:
    data = [cell.bits(f"INIT_{row:02X}", 256) for row in range(32 * size)]
    parity = [cell.bits(f"INITP_{row:02X}", 256) for row in range(4 * size)]
    octets = np.array(data, np.uint8).reshape(-1, 8)
    return np.concatenate([octets, np.array(parity, np.uint8).reshape(-1, 1)], axis=1).ravel()


def _described(cell: Cell, layout: _Layout) -> BlockRam:
    if any(cell.bits(f"DO{port}_REG", 1)[0] for port in "AB"):
        raise InputError(f"{cell.kind} {cell.name} has output registers: not simulated")
    if any(any(cell.bits(f"IS_{clock}_INVERTED", 1)) for clock in ("CLKARDCLK", "CLKBWRCLK")):
        raise InputError(f"{cell.kind} {cell.name} has an inverted clock: not simulated")
    if any(cell.word(f"RAM_EXTENSION_{port}", "NONE") != "NONE" for port in "AB"):
        raise InputError(f"{cell.kind} {cell.name} is one of two in cascade: not simulated")
    reads: list[Read] = []
    writes: list[Write] = []
    for number in (0, 1):
        write = _write(cell, layout, number)
        read = _read(cell, layout, number, write)
        writes += [] if write is None else [write]
        reads += [] if read is None else [read]
    return BlockRam(_content(cell, layout.size), reads, writes)


def block_ram_kind(size: int, family: _Family = _ULTRASCALE_PLUS) -> CellKind:
    """A block RAM of ``size`` times 1,024 bytes of 9 bits.

    Families of one vendor differ in the names alone, and in address bits that are not used.
    """
    layout = _Layout(size, family)
    return block_ram(layout.inputs, layout.outputs, lambda cell: _described(cell, layout))


def _columns(letters: str, address: int, width: int) -> CellKind:
    columns = tuple((f"ADDR{c}", (f"DI{c}", 0), (f"DO{c}", 0), f"INIT_{c}") for c in letters)
    return lut_memory(LutMemory(address, f"ADDR{letters[-1]}", "WE", columns, width))


ULTRASCALE_PLUS_BLOCKS: Mapping[str, CellKind] = {
    "DSP48E2": multiplier(
        ports_of({"A": 27}), ports_of({"B": 18}), ports_of({"P": 48}), check_product
    ),
    "RAMB18E2": block_ram_kind(2),
    "RAMB36E2": block_ram_kind(4),
    "RAM32M": _columns("ABCD", 5, 2),
    "RAM64M": _columns("ABCD", 6, 1),
    "RAM32M16": _columns("ABCDEFGH", 5, 2),
    "RAM64M8": _columns("ABCDEFGH", 6, 1),
    "SRL16E": shift_register([(f"A{k}", 0) for k in range(4)], [("Q", 0), ("Q15", 0)]),
    "SRLC32E": shift_register(ports_of({"A": 5}), [("Q", 0), ("Q31", 0)]),
}
"""By the name of the cell."""
