"""The whole top at its pins: every answer is the golden model's, whatever comes between."""

import numpy as np
import pytest

from kanhw.boards.host.expected import expected_signature
from kanhw.boards.link.assembled import linked_network
from kanhw.boards.protocol.frames import Frame, encode_frame
from kanhw.boards.protocol.messages import ANSWER, REFUSED, Identity, Kind, Status, start_test
from kanhw.design.packing import pack_codes, unpack_codes
from kanhw.errors import InputError
from kanhw.schedule.schedule import Schedule


def vectors(bench, codes, first=0):
    """Requests for codes, and what answers them."""
    inputs, outputs = bench.linked.input, bench.linked.output
    rows = pack_codes(codes, inputs).reshape(len(codes), -1)
    asked = [Frame(1, first + k & 0xFF, row.tobytes()) for k, row in enumerate(rows)]

    def decoded(answers):
        assert {each.kind for each in answers} == {ANSWER | Kind.VECTOR}
        assert [each.sequence for each in answers] == [each.sequence for each in asked]
        octets = np.frombuffer(b"".join(each.payload for each in answers), np.uint8)
        return unpack_codes(octets.reshape(len(codes) * outputs.beats, -1), outputs)

    return asked, decoded


def random_codes(count, seed=1):
    return np.random.default_rng(seed).integers(-8, 8, (count, 3))


def test_vectors_garbage_refusals_and_the_self_test(bench):
    codes = random_codes(6)
    asked, decoded = vectors(bench, codes, first=250)
    count, ports = 40, (bench.linked.input, bench.linked.output)

    async def test(ctx):
        # Garbage, a frame that is cut off, one of which a byte is lost.
        await bench.say(ctx, b"\x55\xc0\xdb\xc0" + encode_frame(asked[0])[:-3])
        cut = encode_frame(asked[1])
        await bench.say(ctx, cut[:2] + cut[3:])
        (identity,) = await bench.ask(ctx, Frame(Kind.IDENTIFY, 7))
        assert Identity.from_bytes(identity.payload) == bench.linked.identity
        answers = await bench.ask(ctx, *asked)
        assert (decoded(answers) == bench.program(codes)).all()
        first = [each.payload for each in answers]
        (status,) = await bench.ask(ctx, Frame(Kind.STATUS, 8))
        status = Status.from_bytes(status.payload)
        assert (status.broken, status.frames, status.overruns) == (4, 8, 0)
        refusals = await bench.ask(ctx, Frame(9, 1, b"abc"), Frame(1, 2, b"x"), Frame(3, 3, b"y"))
        assert [(each.kind, each.payload) for each in refusals] == [
            (REFUSED, b"\1"),
            (REFUSED, b"\2"),
            (REFUSED, b"\2"),
        ]
        beats = start_test(count * ports[0].beats, count * ports[1].beats)
        await bench.ask(ctx, Frame(Kind.TEST, 4, beats))
        (status,) = await bench.ask(ctx, Frame(Kind.STATUS, 5))
        status = Status.from_bytes(status.payload)
        assert (status.testing, status.to_take, status.to_give) == (0, 0, 0)
        assert status.signature == expected_signature(bench.program, ports, count)
        # One more than the latency, as both ends count; a vector every interval.
        interval, latency = bench.linked.initiation_interval, bench.linked.latency_cycles
        assert status.clocks == pytest.approx((count - 1) * interval + latency + 1, abs=interval)
        assert ctx.get(bench.top.failed) == 1
        await bench.ask(ctx, Frame(Kind.RESET, 6))
        (status,) = await bench.ask(ctx, Frame(Kind.STATUS, 7))
        assert Status.from_bytes(status.payload).broken == 0
        assert ctx.get(bench.top.failed) == 0 and ctx.get(bench.top.busy) == 0
        answers = await bench.ask(ctx, *asked[:2])
        assert [each.payload for each in answers] == first[:2]
        # The button, in the midst of a frame: what was there is forgotten.
        await bench.say(ctx, encode_frame(asked[0])[:4])
        ctx.set(bench.top.button, 1)
        await ctx.tick().repeat(8)
        ctx.set(bench.top.button, 0)
        (status,) = await bench.ask(ctx, Frame(Kind.STATUS, 9))
        status = Status.from_bytes(status.payload)
        assert (status.frames, status.broken, status.testing) == (1, 0, 0)

    bench.run(test)
    assert bench.decoder.broken == 0


@pytest.mark.wide
def test_a_reset_frees_a_network_that_hangs(small_program, bench_of, monkeypatch):
    from kanhw.gateware.top.stream_top import StreamTop

    elaborate = StreamTop.elaborate

    def hangs(self, platform):
        m = elaborate(self, platform)
        m.d.comb += self.o.valid.eq(0)
        return m

    monkeypatch.setattr(StreamTop, "elaborate", hangs)
    bench = bench_of(small_program, Schedule())
    asked, _ = vectors(bench, random_codes(6))

    async def test(ctx):
        await bench.say(ctx, b"".join(map(encode_frame, asked)))
        await bench.say(ctx, encode_frame(Frame(Kind.STATUS, 1)))
        (answer,) = await bench.ask(ctx, Frame(Kind.RESET, 2))
        assert answer == Frame(ANSWER | Kind.RESET, 2)
        # A self-test gets stuck too; it can be looked at, and is refused twice.
        await bench.ask(ctx, Frame(Kind.TEST, 3, start_test(9, 9)))
        (status,) = await bench.ask(ctx, Frame(Kind.STATUS, 4))
        status = Status.from_bytes(status.payload)
        assert (status.testing, status.to_give) == (1, 9)
        refused = await bench.ask(ctx, Frame(Kind.TEST, 5, start_test(1, 1)), asked[0])
        assert [each.payload for each in refused] == [b"\3", b"\3"]
        (answer,) = await bench.ask(ctx, Frame(Kind.RESET, 6))
        assert answer.kind == ANSWER | Kind.RESET

    bench.run(test)


def test_what_the_link_cannot_serve_is_refused(small_program):
    with pytest.raises(InputError, match="handshake"):
        linked_network(small_program, Schedule(handshake=False), clock_hz=12 * 10**6, baud=10**6)
    with pytest.raises(InputError, match="% off 5000000"):
        linked_network(small_program, Schedule(), clock_hz=22 * 10**6, baud=5 * 10**6)
    with pytest.raises(InputError, match="4 clocks or more"):
        linked_network(small_program, Schedule(), clock_hz=10**6, baud=10**6)
