"""A board as the protocol's page describes it, in Python: what a host may meet behind a port."""

import contextlib
import os
import select
import threading
import tty

import numpy as np

from kanhw.boards.link.assembled import identity_of
from kanhw.boards.protocol.frames import Frame, FrameDecoder, encode_frame
from kanhw.boards.protocol.messages import ANSWER, REFUSED, Identity, Kind, Status
from kanhw.boards.protocol.signatures import SIGNATURE_START
from kanhw.design.design import Port
from kanhw.design.packing import pack_codes, unpack_codes


class ModelBoard:
    """Answers frames as they come; a vector of one beat, by a Program.

    ``faults`` changes a vector's outputs, by its number; ``window`` frames are kept at most, and
    what comes beyond them is dropped.
    """

    def __init__(self, program, schedule, *, window=4, identity=None, fault=None):
        self.program, self.window = program, window
        self.input, self.output = Port.input_of(program), Port.output_of(program)
        sizes = [(port.width + 7) // 8 for port in (self.input, self.output)]
        own = identity or identity_of(program, schedule)
        self.identity = Identity(own, window, *sizes, 12_000_000)
        self.decoder = FrameDecoder()
        self.fault = fault
        self.vectors = self.frames = 0
        self.waiting = []

    def take(self, data):
        """Bytes from the host."""
        for frame in self.decoder.feed(data):
            self.frames += 1
            if frame.kind == Kind.RESET:
                self.waiting, self.frames, self.decoder.broken = [], 0, 0
            self.waiting.append(frame)
            assert len(self.waiting) <= self.window + 1, (
                "more than there is room for"
            )

    def give(self):
        """The bytes of the next answer; empty if nothing waits for one."""
        if not self.waiting:
            return b""
        frame = self.waiting.pop(0)
        payloads = {
            Kind.VECTOR: self._vector,
            Kind.IDENTIFY: lambda _: self.identity.to_bytes(),
            Kind.STATUS: lambda _: self._status().to_bytes(),
            Kind.RESET: lambda _: b"",
        }
        if frame.kind not in payloads:
            return encode_frame(Frame(REFUSED, frame.sequence, b"\1"))
        payload = payloads[frame.kind](frame.payload)
        return encode_frame(Frame(ANSWER | frame.kind, frame.sequence, payload))

    def _vector(self, payload):
        codes = unpack_codes(np.frombuffer(payload, np.uint8)[None], self.input)
        outputs = self.program(codes)
        if self.fault is not None:
            outputs = self.fault(self.vectors, outputs)
        self.vectors += 1
        return pack_codes(outputs, self.output).tobytes()

    def _status(self):
        return Status(0, self.frames, self.decoder.broken, 0, 0, 0, 0, SIGNATURE_START)


class LossyWire:
    """Carries bytes to a model and back; some are lost or changed, of whole runs of them even."""

    name = "wire"
    bytes_per_second = 1e6

    def __init__(self, board, seed, rate):
        self.board, self.rate = board, rate
        self.random = np.random.default_rng(seed)
        self.coming = bytearray()
        self.closed = False

    def write(self, data):
        self.board.take(self._garbled(data))

    def read(self, timeout):
        self.coming += self._garbled(self.board.give())
        count = int(self.random.integers(1, 40))
        given, self.coming = bytes(self.coming[:count]), self.coming[count:]
        return given

    def close(self):
        self.closed = True

    def _garbled(self, data):
        out = bytearray()
        for byte in data:
            luck = self.random.random()
            if luck < self.rate:
                continue
            out.append(byte if luck > 2 * self.rate else int(self.random.integers(256)))
            if luck > 1 - self.rate:
                out += self.random.bytes(int(self.random.integers(1, 6)))
        return bytes(out)


@contextlib.contextmanager
def behind_a_port(answer):
    """A pseudo-terminal with a thread behind it; ``answer(data)`` gives what follows bytes.

    None unplugs it.
    """
    master, slave = os.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            ready, _, _ = select.select([master], [], [], 0.02)
            data = os.read(master, 4096) if ready else b""
            given = answer(data)
            if given is None:
                return
            if given:
                os.write(master, given)

    def serve_and_close():
        try:
            serve()
        finally:
            os.close(master)

    thread = threading.Thread(target=serve_and_close)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join()
        os.close(slave)


def answers_of(board):
    """What a model gives for bytes, for :func:`behind_a_port`."""

    def answer(data):
        board.take(data)
        given = bytearray()
        while more := board.give():
            given += more
        return bytes(given)

    return answer
