"""What requests ask and answers say: kinds of frames, and the bytes of their payloads.

Integers of several bytes have the low byte first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

from kanhw.errors import InputError

__all__ = [
    "ANSWER",
    "IDENTITY_BYTES",
    "MAGIC",
    "REFUSED",
    "REQUEST_BYTES",
    "STATUS_FIELDS",
    "VERSION",
    "Identity",
    "Kind",
    "Refusal",
    "Status",
    "start_test",
]

MAGIC = b"KANH"
VERSION = 1
IDENTITY_BYTES = 16
"""Of a design's own identity: what the hash of its Program and schedule is cut to."""

ANSWER = 0x80
"""An answer's kind is its request's with this bit."""

REFUSED = 0xFF
"""The kind of an answer to what cannot be done; its payload is a :class:`Refusal`."""


class Kind(IntEnum):
    """Requests."""

    VECTOR = 1
    """A vector's codes, packed; the answer has its outputs."""
    IDENTIFY = 2
    """Who are you? See :class:`Identity`."""
    STATUS = 3
    """Counters, and the self-test's results: see :class:`Status`."""
    TEST = 4
    """Start the self-test: beats to feed and beats to wait for, four bytes each."""
    RESET = 5
    """The network, the self-test and all counters as after power-up."""


# Bytes of the payload of every request but a vector's, which the design decides.
REQUEST_BYTES: Mapping[Kind, int] = {
    Kind.IDENTIFY: 0,
    Kind.STATUS: 0,
    Kind.TEST: 8,
    Kind.RESET: 0,
}


class Refusal(IntEnum):
    """Why a request is refused."""

    UNKNOWN = 1
    """There is no such kind."""
    LENGTH = 2
    """A payload of such a request has another length."""
    BUSY = 3
    """The self-test runs."""


@dataclass(frozen=True)
class Identity:
    """What a design says of itself.

    Parameters
    ----------
    design
        16 bytes that no other Program under no other schedule has.
    window
        Requests that may be without an answer at a time.
    input_bytes, output_bytes
        Of a vector's codes, and of its outputs.
    clock_hz
        Of the network and the link.
    """

    design: bytes
    window: int
    input_bytes: int
    output_bytes: int
    clock_hz: int

    def to_bytes(self) -> bytes:
        """The payload of the answer."""
        return (
            MAGIC
            + bytes([VERSION, self.window])
            + self.input_bytes.to_bytes(2, "little")
            + self.output_bytes.to_bytes(2, "little")
            + self.clock_hz.to_bytes(4, "little")
            + self.design
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of :meth:`to_bytes`.

        Raises
        ------
        InputError
            If it is not the answer of such a design, or that of another version.
        """
        if data[:4] != MAGIC:
            raise InputError(
                f"What answers is no kanhw design (it begins with {data[:4].hex(' ')}): load one "
                "with 'kanhw program DIR'"
            )
        if data[4] != VERSION or len(data) != 14 + IDENTITY_BYTES:
            raise InputError(
                f"The design speaks version {data[4]} of the protocol, this kanhw speaks "
                f"{VERSION}: build it again with 'kanhw build'"
            )
        ends = ((6, 8), (8, 10), (10, 14))
        sizes = [int.from_bytes(data[first:last], "little") for first, last in ends]
        return cls(data[14:], data[5], *sizes)


# Bytes of every entry of a status, in order.
STATUS_FIELDS: Mapping[str, int] = {
    "testing": 1,
    "frames": 2,
    "broken": 1,
    "overruns": 1,
    "to_take": 4,
    "to_give": 4,
    "clocks": 4,
    "signature": 4,
}


@dataclass(frozen=True)
class Status:
    """Counters since reset, and the self-test.

    Parameters
    ----------
    testing
        1 while the self-test runs; then the entries from ``to_take`` on may be torn.
    frames, broken, overruns
        Frames that were received (modulo 65,536), frames that were broken, and frames for which
        there was no room (up to 255 each).
    to_take, to_give
        Beats that the network has still to take from the self-test, and to give to it.
    clocks
        From the first beat taken to the last one given, both included, modulo 2^32.
    signature
        Of the outputs: see :mod:`kanhw.boards.protocol.signatures`.
    """

    testing: int
    frames: int
    broken: int
    overruns: int
    to_take: int
    to_give: int
    clocks: int
    signature: int

    def to_bytes(self) -> bytes:
        """The payload of the answer."""
        return b"".join(
            getattr(self, name).to_bytes(size, "little") for name, size in STATUS_FIELDS.items()
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of :meth:`to_bytes`.

        Raises
        ------
        InputError
            If it has another length.
        """
        size = sum(STATUS_FIELDS.values())
        if len(data) != size:
            raise InputError(f"A status has {size} bytes, not {len(data)}: build the design again")
        values, place = [], 0
        for field in fields(cls):
            end = place + STATUS_FIELDS[field.name]
            values.append(int.from_bytes(data[place:end], "little"))
            place = end
        return cls(*values)


def start_test(beats_in: int, beats_out: int) -> bytes:
    """The payload of a request for the self-test.

    Raises
    ------
    InputError
        If a number is less than 1 or has more than 32 bits.
    """
    for what, beats in (("fed to", beats_in), ("got from", beats_out)):
        if not 1 <= beats < 1 << 32:
            raise InputError(
                f"A self-test has 1 to {(1 << 32) - 1} beats {what} the network, not {beats}: "
                "choose another number of vectors"
            )
    return beats_in.to_bytes(4, "little") + beats_out.to_bytes(4, "little")
