"""The suffix of files for DFU: whom they are for, and a checksum (USB DFU 1.1, appendix B)."""

from __future__ import annotations

import struct
import zlib

__all__ = ["SUFFIX_BYTES", "with_suffix"]

SUFFIX_BYTES = 16

_ANY_RELEASE = 0xFFFF
_DFU_VERSION = 0x0100


def with_suffix(data: bytes, vendor: int, product: int) -> bytes:
    """A file with the suffix of a device.

    Parameters
    ----------
    data
        What is loaded.
    vendor, product
        Of the device on USB, 16 bits each.

    Returns
    -------
    The same with 16 bytes behind it: release, product, vendor, version of DFU, ``UFD``, their
    number and the CRC-32 of all before, which is not inverted at its end.
    """
    fields = struct.pack("<4H", _ANY_RELEASE, product, vendor, _DFU_VERSION)
    body = data + fields + b"UFD" + bytes([SUFFIX_BYTES])
    return body + struct.pack("<I", zlib.crc32(body) ^ 0xFFFFFFFF)
