"""Look-up tables, multiplexers, inverters and carry chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kanhw.targets.cells.batch import Batch, CellKind, Words, masks, ports_of
from kanhw.targets.cells.cell import Cell

__all__ = ["carry_chain", "gate", "lut", "paired_lut"]


def looked_up(table: Words, address: Words) -> Words:
    """Entries of tables, chosen by the bits of an address.

    Parameters
    ----------
    table
        ``[2 ** bits, cells, 1]``, or as many words as the address.
    address
        ``[bits, cells, words]``, the lowest bit first.
    """
    half = len(table) // 2
    found = (table[:half] ^ table[half:]) & address[-1]
    found ^= table[:half]
    # In place: what is allocated anew at each bit takes longer than what is computed.
    for bit in address[-2::-1]:
        half //= 2
        low, found = found[:half], found[half:]
        found ^= low
        found &= bit
        found ^= low
    entry: Words = found[0]
    return entry


class _Lut(Batch):
    def __init__(self, cells: Sequence[Cell], size: int, parameter: str, halves: bool) -> None:
        bits = np.array([cell.bits(parameter, 1 << size) for cell in cells])
        self._table, self._size, self._halves = masks(bits.T)[:, :, None], size, halves

    def outputs(self, inputs: Words) -> Words:
        whole = looked_up(self._table, inputs)
        if not self._halves:
            return whole[None]
        low = looked_up(self._table[: 1 << (self._size - 1)], inputs[:-1])
        return np.stack([whole, np.broadcast_to(low, whole.shape)])


def lut(inputs: Sequence[str], output: str, parameter: str) -> CellKind:
    """A look-up table whose content is a parameter, addressed by single inputs, lowest first."""
    size = len(inputs)
    return CellKind(
        "lut",
        [(name, 0) for name in inputs],
        [(output, 0)],
        lambda cells, _: _Lut(cells, size, parameter, False),
    )


def paired_lut(inputs: Sequence[str], whole: str, low: str, parameter: str) -> CellKind:
    """One with a second output, which reads the lower half by all inputs but the last."""
    size = len(inputs)
    return CellKind(
        "lut",
        [(name, 0) for name in inputs],
        [(whole, 0), (low, 0)],
        lambda cells, _: _Lut(cells, size, parameter, True),
    )


class _Gate(Batch):
    def __init__(self, function: Callable[[Words], Words]) -> None:
        self._function = function

    def outputs(self, inputs: Words) -> Words:
        return self._function(inputs)[None]


def gate(
    part: str, inputs: Sequence[str], output: str, function: Callable[[Words], Words]
) -> CellKind:
    """A cell of one output that has no parameters.

    Parameters
    ----------
    part
        What its energy is counted as.
    inputs, output
        Single bits.
    function
        Of words ``[inputs, cells, words]``.
    """
    return CellKind(
        part, [(name, 0) for name in inputs], [(output, 0)], lambda _, __: _Gate(function)
    )


class _CarryChain(Batch):
    def __init__(self, width: int) -> None:
        self._width = width

    def outputs(self, inputs: Words) -> Words:
        width = self._width
        spread, data = inputs[:width], inputs[width : 2 * width]
        # All that may come in from below; what is not connected is low.
        carry = np.bitwise_or.reduce(inputs[2 * width :])
        sums, carries = [], []
        for bit in range(width):
            sums.append(spread[bit] ^ carry)
            carry = data[bit] ^ ((data[bit] ^ carry) & spread[bit])
            carries.append(carry)
        return np.stack(sums + carries)


def carry_chain(width: int, entering: Sequence[str]) -> CellKind:
    """Sums ``O = S ^ carry`` and carries ``CO = S ? carry : DI``, bit by bit.

    Parameters
    ----------
    width
        Bits.
    entering
        Ports of which one brings the lowest carry.
    """
    return CellKind(
        "carry",
        (*ports_of({"S": width, "DI": width}), *((name, 0) for name in entering)),
        ports_of({"O": width, "CO": width}),
        lambda _, __: _CarryChain(width),
        chain=width,
    )
