"""The parts of the link against their integer functions, with every kind of pause."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from kanhw.boards.link.frame_receiver import FrameReceiver
from kanhw.boards.link.frame_sender import FrameSender
from kanhw.boards.link.uart import UartReceiver, UartTransmitter
from kanhw.boards.protocol.frames import Frame, FrameDecoder, encode_frame
from kanhw.errors import InputError


def random_frames(seed, count, longest=12):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        size = generator.integers(0, longest)
        payload = generator.choice([0xC0, 0xDB, 0xDC, 0xDD, 1, 200], size).astype(np.uint8)
        yield Frame(int(generator.choice([1, 2, 0xC0, 0xDB])), 0xDB, payload.tobytes())


def simulated(unit, *tests, background=()):
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    for test in background:
        simulator.add_testbench(test, background=True)
    for test in tests:
        simulator.add_testbench(test)
    simulator.run()


@pytest.mark.parametrize("pauses", [0.0, 0.6])
def test_sender_is_the_encoder(pauses):
    frames = list(random_frames(1, 20))
    given = bytearray()
    generator = np.random.default_rng(2)
    expected = b"".join(map(encode_frame, frames))
    unit = FrameSender()

    async def feed(ctx):
        for frame in frames:
            for place, byte in enumerate(frame.body):
                while generator.random() < pauses:
                    await ctx.tick()
                ctx.set(unit.i.payload, {"data": byte, "last": place == len(frame.body) - 1})
                ctx.set(unit.i.valid, 1)
                await ctx.tick().until(unit.i.ready)
                ctx.set(unit.i.valid, 0)

    async def take(ctx):
        while len(given) < len(expected):
            ctx.set(unit.o.ready, int(generator.random() >= pauses))
            valid, ready = ctx.get(unit.o.valid), ctx.get(unit.o.ready)
            if valid and ready:
                given.append(ctx.get(unit.o.payload))
            await ctx.tick()

    simulated(unit, feed, take)
    assert bytes(given) == expected


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", range(4))
def test_receiver_is_the_decoder(seed):
    """Frames with lost, changed and additional bytes: what the decoder takes comes out."""
    generator = np.random.default_rng(seed)
    wire = bytearray()
    for frame in random_frames(seed, 60):
        data = bytearray(encode_frame(frame))
        for _ in range(int(generator.integers(0, 3)) * int(generator.random() < 0.4)):
            at = int(generator.integers(0, len(data)))
            luck = generator.random()
            data[at : at + (luck > 0.3)] = generator.bytes(int(luck < 0.7))
        wire += data
    decoder = FrameDecoder()
    expected = decoder.feed(bytes(wire))
    assert len(expected) > 30 and decoder.broken > 5
    unit, bodies, events = FrameReceiver(64), bytearray(), {"good": 0, "broken": 0, "overrun": 0}

    async def feed(ctx):
        for byte in wire:
            ctx.set(unit.data, byte)
            ctx.set(unit.strobe, 1)
            await ctx.tick()
            ctx.set(unit.strobe, 0)
            # Whoever reads is quicker than a line.
            await ctx.tick().repeat(int(generator.integers(3, 6)))
        await ctx.tick().repeat(100)

    async def take(ctx):
        while True:
            ctx.set(unit.o.ready, int(generator.random() < 0.5))
            if ctx.get(unit.o.valid) and ctx.get(unit.o.ready):
                bodies.append(ctx.get(unit.o.payload))
            for name in events:
                events[name] += ctx.get(getattr(unit, name))
            await ctx.tick()

    simulated(unit, feed, background=[take])
    assert bytes(bodies) == b"".join(frame.body for frame in expected)
    assert events == {"good": len(expected), "broken": decoder.broken, "overrun": 0}


def test_a_frame_without_room_is_dropped_whole_and_those_before_it_stay():
    unit, first = FrameReceiver(16), Frame(2, 1, b"12345")
    overruns = []

    async def test(ctx):
        async def say(data):
            for byte in data:
                ctx.set(unit.data, byte)
                ctx.set(unit.strobe, 1)
                await ctx.tick()
                overruns.append(ctx.get(unit.overrun))
            ctx.set(unit.strobe, 0)
            await ctx.tick().repeat(3)

        # 9 bytes wait; of 7 that are left one stays free, so not even 1 more of payload fits.
        await say(encode_frame(first) + encode_frame(Frame(2, 2, b"1")) + encode_frame(first))
        assert sum(overruns) == 2
        await say(encode_frame(Frame(2, 3)))
        assert sum(overruns) == 2
        got = bytearray()
        ctx.set(unit.o.ready, 1)
        for _ in range(30):
            if ctx.get(unit.o.valid):
                got.append(ctx.get(unit.o.payload))
            await ctx.tick()
        assert bytes(got) == first.body + Frame(2, 3).body

    simulated(unit, test)


def test_uart_there_and_back_with_a_clock_that_is_off():
    """A bit of the other end is 4 % shorter or longer; a byte without a stop bit is broken."""
    sent, divisor = bytes([0, 255, 0x55, 0xC0, 1, 128]), 16
    for bit_clocks in (divisor * 0.96, divisor, divisor * 1.04):
        unit, got, broken = UartReceiver(divisor), bytearray(), []

        async def say(ctx, unit=unit, bit_clocks=bit_clocks):
            levels = [1, 1]
            for byte in sent:
                levels += [0, *(byte >> k & 1 for k in range(8)), 1]
            # A break: low for longer than a byte.
            levels += [1, *[0] * 30, 1, 1]
            place = 0.0
            for at in range(int(len(levels) * bit_clocks)):
                ctx.set(unit.rx, levels[int(at / bit_clocks)])
                place += 1
                await ctx.tick()

        async def hear(ctx, unit=unit, got=got, broken=broken):
            while True:
                if ctx.get(unit.strobe):
                    got.append(ctx.get(unit.data))
                broken.append(ctx.get(unit.broken))
                await ctx.tick()

        simulated(unit, say, background=[hear])
        assert bytes(got) == sent and sum(broken) == 1


def test_transmitter_writes_the_bits():
    unit, levels = UartTransmitter(5), []

    async def say(ctx):
        for byte in (0xA7, 0x00):
            ctx.set(unit.i.payload, byte)
            ctx.set(unit.i.valid, 1)
            await ctx.tick().until(unit.i.ready)
        ctx.set(unit.i.valid, 0)
        await ctx.tick().repeat(60)

    async def hear(ctx):
        while True:
            levels.append(ctx.get(unit.tx))
            await ctx.tick()

    simulated(unit, say, background=[hear])
    bits = "".join(str(level) for level in levels[levels.index(0) :])
    byte = "0" + "11100101" + "1"
    expected = "".join(5 * bit for bit in byte)
    assert bits.startswith(expected)
    # At least a whole stop bit between bytes.
    assert bits[len(expected) :].lstrip("1").startswith(45 * "0")


def test_what_cannot_be_read_is_refused():
    with pytest.raises(InputError, match="4 clocks or more"):
        UartReceiver(3)
    with pytest.raises(InputError, match="power of two"):
        FrameReceiver(100)
