"""Bits of tables that are too large for a LUT, counted piece by piece.

A bit of many address bits is cut into pieces by its upper address bits: what is left depends on as
many as a LUT reads, and multiplexers choose among the pieces. Pieces that are alike, or constant,
or one of the address bits, are not made again: smooth tables have many of these, random ones none.
Nor is a choice between a constant and a piece, or a piece and its complement, a multiplexer: it is
a gate.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["PIECE_INPUTS", "PIECE_KINDS", "all_different", "pieces_of"]

PIECE_INPUTS = (4, 6)
"""Inputs of the LUTs that there are."""

PIECE_KINDS = ("table_pieces", "table_choices", "table_gates")
"""What is counted for each of them: pieces, multiplexers of two, gates in the place of these."""


def all_different(address_bits: int, bits: int, words: int | None = None) -> tuple[int, ...]:
    """The :data:`PIECE_KINDS` of bits without anything in common.

    Parameters
    ----------
    address_bits, bits
        Of the table.
    words
        Entries that are there; None: as many as there are addresses.

    Returns
    -------
    Those of each of :data:`PIECE_INPUTS`; zeros where a LUT has a bit whole.
    """
    found: list[int] = []
    for inputs in PIECE_INPUTS:
        pieces = -(-(words or 1 << address_bits) >> inputs) if address_bits > inputs else 0
        found += [pieces * bits, max(pieces - 1, 0) * bits, 0]
    return tuple(found)


def pieces_of(sizes: Mapping[bytes, int]) -> tuple[int, ...]:
    """The :data:`PIECE_KINDS` of bits of tables on the same address.

    Parameters
    ----------
    sizes
        By the entries of every bit, a byte each, 0 or 1, and as many for all of them: on how many
        address bits it depends.

    Returns
    -------
    Those of each of :data:`PIECE_INPUTS`.
    """
    found: list[int] = []
    for inputs in PIECE_INPUTS:
        large = [column for column, size in sizes.items() if size > inputs]
        found += _pieces(large, inputs) if large else [0, 0, 0]
    return tuple(found)


def _pieces(columns: list[bytes], inputs: int) -> list[int]:
    """For LUTs of so many inputs."""
    bits = np.frombuffer(b"".join(columns), np.uint8).reshape(len(columns), -1)
    # A piece and its complement are one: only those that begin with 0 are told apart.
    pieces = bits.reshape(-1, 1 << inputs)
    signs = pieces[:, 0].astype(np.int64)
    different, names = np.unique(pieces ^ pieces[:, :1], axis=0, return_inverse=True)
    made = int((_supports(different) > 1).sum())
    row = (2 * names.reshape(-1) + signs).reshape(len(bits), -1)
    constant = ~different.any(axis=1)
    choices = gates = 0
    while row.shape[1] > 1:
        pairs = row.reshape(-1, 2)
        signs = pairs[:, 0] & 1
        pairs = pairs ^ signs[:, None]
        different, names = np.unique(pairs, axis=0, return_inverse=True)
        one, other = (different >> 1).T
        chosen = different[:, 0] != different[:, 1]
        gate = chosen & (constant[one] | constant[other] | (one == other))
        choices, gates = choices + int((chosen & ~gate).sum()), gates + int(gate.sum())
        # A pair of the same is that piece again, which a name of its own does not hide: whatever
        # it is paired with next is different from it as before.
        constant = ~chosen & constant[one]
        row = (2 * names.reshape(-1) + signs).reshape(len(bits), -1)
    return [made, choices, gates]


def _supports(pieces: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """On how many address bits each piece depends."""
    count = np.zeros(len(pieces), np.int64)
    for bit in range(pieces.shape[1].bit_length() - 1):
        halves = pieces.reshape(len(pieces), -1, 2, 1 << bit)
        count += (halves[:, :, 0] != halves[:, :, 1]).any(axis=(1, 2))
    return count
