"""The checksum of a frame: CRC-16 with polynomial 0x1021, most significant bit first, from 0xFFFF.

Catalogues of checksums call it CRC-16/IBM-3740; of ``123456789`` it is 0x29B1.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CRC_BITS", "CRC_START", "crc_byte", "crc_of"]

CRC_BITS = 16
CRC_START = 0xFFFF
_POLYNOMIAL = 0x1021


def crc_byte(crc: int, byte: int) -> int:
    """The checksum after one more byte; linear in both over GF(2).

    Parameters
    ----------
    crc
        Before it, 0 to 0xFFFF.
    byte
        0 to 255.
    """
    crc ^= byte << 8
    for _ in range(8):
        crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x8000 else 0)
        crc &= 0xFFFF
    return crc


_TABLE = [crc_byte(0, byte) for byte in range(256)]


def crc_of(data: Iterable[int], crc: int = CRC_START) -> int:
    """The checksum of bytes.

    Behind its own checksum, high byte first, that of any data is 0.
    """
    for byte in data:
        crc = (crc << 8) & 0xFFFF ^ _TABLE[crc >> 8 ^ byte]
    return crc
