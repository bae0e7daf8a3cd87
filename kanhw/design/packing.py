"""Codes to payload words and back: code 0 sits in the least significant bits.

An image takes several words, one per pixel, while its codes are ordered channel, row, column. A
vector of a folded layer takes several words too, in order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kanhw.design.design import Port
from kanhw.errors import InputError
from kanhw.formats import IntArray

__all__ = [
    "ByteArray",
    "checked_codes",
    "checked_heads",
    "ints_to_words",
    "pack_codes",
    "payload_bytes",
    "payload_ints",
    "unpack_codes",
]

ByteArray = npt.NDArray[np.uint8]

_BITS_AT_ONCE = 1 << 24


def payload_bytes(port: Port) -> int:
    """Bytes that hold one payload."""
    return (port.width + 7) // 8


def pack_codes(
    codes: npt.ArrayLike, port: Port, heads: npt.ArrayLike | None = None
) -> ByteArray:
    """Payload words of codes.

    Parameters
    ----------
    codes
        Integers ``[N, port.total]`` within the port's format.
    port
        The payload's layout.
    heads
        ``[N]``: which head each vector is for; None is head 0. It stands above the codes.

    Returns
    -------
    uint8 array ``[N * port.beats, ceil(port.width / 8)]``, least significant byte first.

    Raises
    ------
    InputError
        If the codes are not integers, have another width or leave the format, or there is no such
        head.
    """
    checked = checked_codes(codes, port)
    head = np.repeat(checked_heads(heads, len(checked), port.heads), port.beats)
    head_bits = (head[:, None] >> np.arange(port.head_bits)).astype(np.uint8) & 1
    array = _beats(checked, port)
    words = np.zeros((len(array), payload_bytes(port)), np.uint8)
    for rows in _row_blocks(len(array), port.count):
        # Two's complement: the low bits of the int64 are the code, signed or not.
        octets = np.ascontiguousarray(array[rows]).astype("<i8").view(np.uint8)
        wide = np.unpackbits(octets, axis=1, bitorder="little").reshape(-1, port.count, 64)
        bits = wide[:, :, : port.lane_bits].reshape(len(wide), port.data_width)
        bits = np.concatenate([bits, head_bits[rows]], axis=1)
        words[rows] = np.packbits(bits, axis=1, bitorder="little")
    return words


def unpack_codes(words: npt.ArrayLike, port: Port) -> IntArray:
    """Undo :func:`pack_codes`: int64 ``[N, port.total]``; bits above the codes are ignored.

    Words at the end that make no whole image are ignored too.

    Raises
    ------
    InputError
        If the words are not bytes ``[M, ceil(port.width / 8)]``.
    """
    array = np.asarray(words)
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != payload_bytes(port):
        raise InputError(
            f"Payload words must be uint8 [N, {payload_bytes(port)}], not "
            f"{array.dtype} {array.shape}"
        )
    array = array[: len(array) // port.beats * port.beats]
    codes = np.empty((len(array), port.count), np.int64)
    width = port.lane_bits
    for rows in _row_blocks(len(array), port.count):
        flat = np.unpackbits(array[rows], axis=1, bitorder="little", count=port.data_width)
        bits = flat.reshape(-1, port.count, width)
        wide = np.zeros((len(bits), port.count, 64), np.uint8)
        wide[:, :, :width] = bits
        if port.format.signed:
            wide[:, :, width:] = bits[:, :, width - 1 :]
        codes[rows] = np.packbits(wide, axis=2, bitorder="little").view("<i8")[:, :, 0]
    images = codes.reshape(-1, port.beats, port.count)
    if port.length is not None:
        return images.reshape(len(images), port.beats * port.count)[:, : port.length]
    return images.swapaxes(1, 2).reshape(-1, port.total)


def _beats(codes: IntArray, port: Port) -> IntArray:
    """Codes ``[N, port.total]`` as payloads ``[N * port.beats, port.count]``."""
    if port.length is None:
        images = codes.reshape(-1, port.count, port.beats)
        return images.swapaxes(1, 2).reshape(-1, port.count)
    # What fills up the last beat is not zero, so that whoever reads it is seen.
    filling = port.count * port.beats - port.length
    filled = np.pad(codes, [(0, 0), (0, filling)], constant_values=port.format.hi)
    return filled.reshape(-1, port.count)


def payload_ints(words: ByteArray) -> list[int]:
    """Payload words as Python integers, one per row."""
    return [int.from_bytes(row.tobytes(), "little") for row in words]


def ints_to_words(values: list[int], port: Port) -> ByteArray:
    """Undo :func:`payload_ints`."""
    size = payload_bytes(port)
    joined = b"".join(value.to_bytes(size, "little") for value in values)
    return np.frombuffer(joined, np.uint8).reshape(len(values), size)


def checked_codes(codes: npt.ArrayLike, port: Port, what: str = "Codes") -> IntArray:
    """``codes`` as int64 ``[N, port.total]``.

    Raises
    ------
    InputError
        If they are not integers, have another width or leave the format.
    """
    array = np.asarray(codes)
    if array.ndim != 2 or array.shape[1] != port.total:
        raise InputError(f"{what} must have shape [N, {port.total}], not {array.shape}")
    if array.dtype.kind not in "iub":
        raise InputError(f"{what} must be integers, not {array.dtype}")
    if array.size:
        lo, hi = int(array.min()), int(array.max())
        if not port.format.holds(lo, hi):
            raise InputError(
                f"{what} must be {port.format.lo} to {port.format.hi} ({port.format}), "
                f"not {lo} to {hi}"
            )
    return array.astype(np.int64)


def checked_heads(heads: npt.ArrayLike | None, vectors: int, count: int) -> IntArray:
    """``heads`` as int64 ``[N]``; None is head 0 for all.

    Raises
    ------
    InputError
        If they are not one integer a vector, or there is no such head.
    """
    array = np.zeros(vectors, np.int64) if heads is None else np.asarray(heads)
    if array.shape != (vectors,) or array.dtype.kind not in "iu":
        raise InputError(
            f"Heads must be integers [{vectors}], one a vector, not {array.dtype} {array.shape}"
        )
    if array.size and not (array.min() >= 0 and array.max() < count):
        allowed = "0, since the network has one head" if count == 1 else f"0 to {count - 1}"
        raise InputError(f"Heads must be {allowed}, not {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _row_blocks(rows: int, count: int) -> list[slice]:
    # The bits of all rows at once would take 64 bytes per code.
    step = max(1, _BITS_AT_ONCE // (64 * count))
    return [slice(start, start + step) for start in range(0, rows, step)]
