"""Run by cocotb: the top of a board at its pins, with cocotbext-uart's model of a UART."""

import os
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.uart import UartSink, UartSource

from kanhw.boards.built import load_built
from kanhw.boards.protocol.frames import Frame, FrameDecoder, encode_frame
from kanhw.boards.protocol.messages import ANSWER, Identity, Kind, Status
from kanhw.design.packing import pack_codes, unpack_codes


class Host:
    """Sends bytes, and takes frames apart."""

    def __init__(self, dut, built):
        self.dut, self.built = dut, built
        self.source = UartSource(dut.rx, baud=built.baud, bits=8)
        self.sink = UartSink(dut.tx, baud=built.baud, bits=8)
        self.decoder = FrameDecoder()

    async def say(self, data):
        await self.source.write(data)
        await self.source.wait()

    async def answer(self):
        while True:
            data = await with_timeout(self.sink.read(1), 5, "ms")
            frames = self.decoder.feed(bytes(data))
            if frames:
                return frames[0]

    async def ask(self, kind, sequence, payload=b""):
        await self.say(encode_frame(Frame(kind, sequence, payload)))
        found = await self.answer()
        assert (found.kind, found.sequence) == (ANSWER | kind, sequence), found
        return found.payload


@cocotb.test()
async def samples_with_all_that_happens_to_lines(dut):
    """Samples and pauses; between them garbage, broken frames, a lost byte, resets, a reconnect."""
    built = load_built(os.environ["KANHW_TEST_BUILD"])
    codes = np.load(os.environ["KANHW_TEST_CODES"])
    golden = built.load_program()(codes)
    generator = random.Random(1)
    dut.rst.value = 1
    dut.button.value = 0
    cocotb.start_soon(Clock(dut.clk, round(1e6 / built.clock_mhz / 2) * 2, "ps").start())
    host = Host(dut, built)
    await ClockCycles(dut.clk, 8)
    dut.rst.value = 0
    identity = Identity.from_bytes(await host.ask(Kind.IDENTIFY, 0))
    assert identity.design.hex() == built.identity
    rows = pack_codes(codes, built.input).reshape(len(codes), -1)
    broken = 0

    async def garbage(frame):
        await host.say(b"\x01garbage\xc0")
        return broken + 1

    async def a_bit_changes(frame):
        place = len(frame) // 2
        await host.say(frame[:place] + bytes([frame[place] ^ 0x10]) + frame[place + 1 :])
        return broken + 1

    async def a_byte_is_lost(frame):
        await host.say(frame[:3] + frame[4:])
        return broken + 1

    async def the_host_goes_away(frame):
        # In the midst of a frame; the next one resets.
        await host.say(frame[: len(frame) // 2])
        status = Status.from_bytes(await host.ask(Kind.STATUS, 0xAA))
        assert status.broken == broken + 1
        await host.ask(Kind.RESET, 0xAB)
        return 0

    async def the_button_is_pressed(frame):
        # In the midst of a frame, whose rest is then no frame.
        half = len(frame) // 2
        await host.say(frame[:half])
        dut.button.value = 1
        await ClockCycles(dut.clk, 20)
        dut.button.value = 0
        status = Status.from_bytes(await host.ask(Kind.STATUS, 0xAA))
        assert (status.broken, status.frames) == (0, 1)
        return 0

    mishaps = (garbage, a_bit_changes, a_byte_is_lost, the_host_goes_away, the_button_is_pressed)
    places = {(k + 1) * len(rows) // (len(mishaps) + 1): each for k, each in enumerate(mishaps)}
    assert len(places) == len(mishaps)
    for k, row in enumerate(rows):
        if k in places:
            frame = encode_frame(Frame(Kind.VECTOR, 0xEE, row.tobytes()))
            broken = await places[k](frame)
        payload = await host.ask(Kind.VECTOR, k & 0xFF, row.tobytes())
        octets = np.frombuffer(payload, np.uint8).reshape(built.output.beats, -1)
        assert (unpack_codes(octets, built.output)[0] == golden[k]).all(), k
        if generator.random() < 0.3:
            await ClockCycles(dut.clk, generator.randrange(1, 400))
        if k + 1 in places or k == len(rows) - 1:
            status = Status.from_bytes(await host.ask(Kind.STATUS, 0xAC))
            assert status.broken == broken and status.overruns == 0
    assert host.decoder.broken == 0
