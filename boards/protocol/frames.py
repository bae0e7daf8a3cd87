"""Frames on the wire: how bytes are marked off, and how a receiver finds its place again.

A frame is ``END body crc END``, where body and checksum have no byte END: END and ESC in them are
two bytes each. So whatever came before, the next END begins something new. The body is a kind, a
sequence number, the payload's length (two bytes, the low one first) and the payload.
"""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.boards.protocol.crc import crc_of

__all__ = [
    "CRC_BYTES",
    "END",
    "ESC",
    "ESC_END",
    "ESC_ESC",
    "HEADER_BYTES",
    "MOST_PAYLOAD",
    "Frame",
    "FrameDecoder",
    "encode_frame",
]

# The four bytes of RFC 1055 (SLIP).
END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD

HEADER_BYTES = 4
CRC_BYTES = 2
MOST_PAYLOAD = 0xFFFF
"""Bytes of a payload that the two bytes of its length can say."""


@dataclass(frozen=True)
class Frame:
    """What a frame carries.

    Parameters
    ----------
    kind
        0 to 255: see :mod:`kanhw.boards.protocol.messages`.
    sequence
        0 to 255: an answer has that of its request.
    payload
        Up to 65,535 bytes.

    Raises
    ------
    ValueError
        If one is out of its range.
    """

    kind: int
    sequence: int
    payload: bytes = b""

    def __post_init__(self) -> None:
        for name in ("kind", "sequence"):
            value = getattr(self, name)
            if not 0 <= value <= 0xFF:
                raise ValueError(f"The {name} of a frame must be 0 to 255, not {value}")
        if len(self.payload) > MOST_PAYLOAD:
            raise ValueError(
                f"A frame carries at most {MOST_PAYLOAD} bytes, not {len(self.payload)}"
            )

    @property
    def body(self) -> bytes:
        """Header and payload, without checksum and marks."""
        length = len(self.payload).to_bytes(2, "little")
        return bytes([self.kind, self.sequence]) + length + self.payload


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame on the wire."""
    body = frame.body
    body += crc_of(body).to_bytes(CRC_BYTES, "big")
    # ESC first, so that those of END are not taken for some that were there.
    stuffed = body.replace(bytes([ESC]), bytes([ESC, ESC_ESC]))
    stuffed = stuffed.replace(bytes([END]), bytes([ESC, ESC_END]))
    return bytes([END]) + stuffed + bytes([END])


class FrameDecoder:
    """Frames out of bytes in pieces of any size; what is broken is counted and left out.

    Attributes
    ----------
    broken
        Pieces between two END that were no frame.
    """

    def __init__(self) -> None:
        self.broken = 0
        self._piece = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that end in these bytes."""
        *ended, rest = bytes(self._piece + data).split(bytes([END]))
        # Longer than a frame can be, it will be none: what it says is not kept.
        self._piece = bytearray(rest[: 2 * (MOST_PAYLOAD + HEADER_BYTES + CRC_BYTES) + 1])
        frames = [self._frame(piece) for piece in ended if piece]
        self.broken += frames.count(None)
        return [frame for frame in frames if frame is not None]

    @staticmethod
    def _frame(piece: bytes) -> Frame | None:
        body = _unstuffed(piece)
        if body is None or len(body) < HEADER_BYTES + CRC_BYTES or crc_of(body) != 0:
            return None
        length = int.from_bytes(body[2:HEADER_BYTES], "little")
        payload = body[HEADER_BYTES:-CRC_BYTES]
        return Frame(body[0], body[1], payload) if len(payload) == length else None


def _unstuffed(piece: bytes) -> bytes | None:
    """Undo the two-byte forms; None where ESC stands before anything else, or at the end."""
    first, *others = piece.split(bytes([ESC]))
    if not all(other[:1] in (bytes([ESC_END]), bytes([ESC_ESC])) for other in others):
        return None
    meant = {ESC_END: END, ESC_ESC: ESC}
    return first + b"".join(bytes([meant[other[0]]]) + other[1:] for other in others)
