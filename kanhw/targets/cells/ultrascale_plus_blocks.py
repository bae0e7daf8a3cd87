"""Memories and multiplier blocks of UltraScale+ as Yosys sets them up (UG573, UG574, UG579)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kanhw.errors import InputError
from kanhw.targets.cells.batch import CellKind, ports_of
from kanhw.targets.cells.blocks import BlockRead, block_ram, multiplier
from kanhw.targets.cells.cell import HIGH, LOW, Cell
from kanhw.targets.cells.memories import LutMemory, lut_memory, shift_register

__all__ = ["ULTRASCALE_PLUS_BLOCKS", "block_ram_kind", "check_product"]


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


def _reads(size: int) -> Callable[[Cell], Sequence[BlockRead]]:
    """Of a block RAM of ``size`` times 1,024 bytes of 9 bits."""

    def reads(cell: Cell) -> list[BlockRead]:
        written = [cell.net("WEA", k) for k in range(size)]
        written += [cell.net("WEBWE", k) for k in range(2 * size)]
        if any(net != LOW for net in written):
            raise InputError(f"{cell.kind} {cell.name} is written, which is not simulated")
        if any(cell.bits(f"DO{port}_REG", 1)[0] for port in "AB"):
            raise InputError(f"{cell.kind} {cell.name} has output registers: not simulated")
        data = [cell.bits(f"INIT_{row:02X}", 256) for row in range(32 * size)]
        parity = [cell.bits(f"INITP_{row:02X}", 256) for row in range(4 * size)]
        octets = np.concatenate(
            [
                np.array(data, np.uint8).reshape(-1, 8),
                np.array(parity, np.uint8).reshape(-1, 1),
            ],
            axis=1,
        )
        found = []
        for number, port in enumerate("AB"):
            width = _number(cell, f"READ_WIDTH_{port}")
            if width == 0:
                continue
            # Words of less than a byte leave its parity bit out.
            words = (octets if width >= 9 else octets[:, :8]).reshape(-1, width)
            lowest = (width // 9 * 8 if width >= 9 else width).bit_length() - 1
            first = number * 9 * size
            found.append(BlockRead(words, lowest, first, number))
        return found

    return reads


def block_ram_kind(size: int, data: str = "DOUT{0}DOUT", parity: str = "DOUTP{0}DOUTP") -> CellKind:
    """A block RAM of ``size`` times 1,024 bytes of 9 bits, and what its outputs are called.

    Families of one vendor differ in the names alone, and in address bits that are not used.
    """
    bits = 14 if size == 2 else 15
    ports = [
        (ports_of({"ADDRARDADDR": bits}), ("ENARDEN", 0)),
        (ports_of({"ADDRBWRADDR": bits}), ("ENBWREN", 0)),
    ]
    outputs: list[tuple[str, int]] = []
    for letter in "AB":
        for byte in range(size):
            outputs += [(data.format(letter), 8 * byte + k) for k in range(8)]
            outputs.append((parity.format(letter), byte))
    return block_ram(ports, outputs, _reads(size))


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
