"""Frames and their checksum, byte by byte."""

import binascii

import numpy as np
import pytest

from kanhw.boards.protocol.crc import crc_byte, crc_of
from kanhw.boards.protocol.frames import END, ESC, Frame, FrameDecoder, encode_frame


def frames(seed, count):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        # Many of the bytes that mean something.
        payload = generator.choice([0xC0, 0xDB, 0xDC, 0xDD, 0, 7, 255], generator.integers(0, 40))
        kind, sequence = generator.integers(0, 256, 2)
        yield Frame(int(kind), int(sequence), payload.astype(np.uint8).tobytes())


def test_checksum_is_the_one_of_the_catalogue():
    assert crc_of(b"123456789") == 0x29B1
    for frame in frames(1, 100):
        assert crc_of(frame.body) == binascii.crc_hqx(frame.body, 0xFFFF)
        assert crc_of(frame.body + crc_of(frame.body).to_bytes(2, "big")) == 0


def test_checksum_is_linear():
    generator = np.random.default_rng(2)
    for first, second in generator.integers(0, 1 << 24, (200, 2)).tolist():
        parts = [crc_byte(each & 0xFFFF, each >> 16) for each in (first, second, first ^ second)]
        assert parts[0] ^ parts[1] == parts[2]


def test_a_frame_byte_by_byte():
    assert encode_frame(Frame(1, 2, b"\xc0\xdb")).hex(" ") == "c0 01 02 02 00 db dc db dd 8e 19 c0"


def test_frames_come_back_in_pieces_of_any_size():
    sent = list(frames(3, 50))
    wire = b"".join(map(encode_frame, sent))
    assert all(encode_frame(frame)[1:-1].find(END) == -1 for frame in sent)
    for size in (1, 2, 7, 1000):
        decoder = FrameDecoder()
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
        assert [frame for piece in pieces for frame in decoder.feed(piece)] == sent
        assert decoder.broken == 0


def test_what_is_no_frame_is_counted_and_costs_no_other():
    good = Frame(3, 9, b"abc")
    wire = encode_frame(good)
    body = bytes(wire[1:-1])
    broken = [
        b"garbage",
        body[:-1],  # a lost byte
        body + b"\0",
        bytes([body[0] ^ 1]) + body[1:],
        bytes([ESC, 0]) + body,
        body + bytes([ESC]),
        b"\x01\x02\x03\x00" + crc_of(b"\x01\x02\x03\x00").to_bytes(2, "big"),  # its length lies
        b"\x01" + crc_of(b"\x01").to_bytes(2, "big"),
    ]
    decoder = FrameDecoder()
    for number, piece in enumerate(broken, 1):
        assert decoder.feed(piece + wire) == [good]
        assert decoder.broken == number


@pytest.mark.parametrize("fields", [(256, 0), (0, -1), (0, 0, bytes(65536))])
def test_what_no_frame_can_carry_is_refused(fields):
    with pytest.raises(ValueError, match="frame"):
        Frame(*fields)
