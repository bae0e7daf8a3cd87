"""The AXI4-Stream top: lanes of bytes, last beats, resets, and the Program's numbers."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.design.wires import lane_bits, wires_of
from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.top.axi_stream_top import AxiStreamTop
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

FOLDED = Schedule(kind="folded", parallel_inputs=2)
UNROLLED = Schedule()


def network(code, answer, *, sizes=(5, 3)):
    rng = np.random.default_rng(3)
    tables = rng.integers(-40, 40, (sizes[1], sizes[0], code.count))
    bias, shift = rng.integers(-90, 90, sizes[1]), 2 if answer else 0
    one = Requantizer(np.full((1, sizes[1]), 3), bias, shift, answer)
    return Program((EdgeTableLayer(tables, (one,)),), InputEncoder(code, sizes[0]))


def test_lanes_are_whole_integers():
    found = {width: lane_bits(width) for width in range(1, 65)}
    assert found == {w: min(b for b in (8, 16, 32, 64) if b >= w) for w in range(1, 65)}


class Bench:
    """Words through the top, with pauses; what came, what marked the last beats, what went wrong.

    ``lasts`` gives tlast of every input beat, ``reset_at`` the edges at which to reset.
    """

    def __init__(self, top, words, *, lasts=None, chances=(1.0, 1.0), reset_at=(), edges=400):
        self.words, self.marks, self.errors = [], [], []
        self._top, self._input = top, list(words)
        self._lasts = lasts or [True] * len(words)
        self._chances, self._reset_at, self._edges = chances, reset_at, edges
        m = Module()
        m.domains.sync = self._domain = ClockDomain()
        m.submodules.top = top
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._run)
        simulator.run()

    async def _run(self, ctx):
        top, rng = self._top, np.random.default_rng(0)
        sent, offering, stalled, quiet = 0, False, None, 0
        for edge in range(self._edges):
            if quiet > 60:
                break  # all is answered
            resets = edge in self._reset_at
            if resets:
                # What a reset threw away is sent again, from the start.
                sent, offering, stalled = 0, False, None
                self.words, self.marks = [], []
            ready = not resets and rng.random() < self._chances[1]
            offering = offering or (sent < len(self._input) and rng.random() < self._chances[0])
            ctx.set(self._domain.rst, resets)
            ctx.set(top.s_axis_tvalid, offering and not resets)
            if offering:
                ctx.set(top.s_axis_tdata, self._input[sent])
                ctx.set(top.s_axis_tlast, self._lasts[sent])
            ctx.set(top.m_axis_tready, ready)
            valid, beat = (
                ctx.get(top.m_axis_tvalid),
                (
                    ctx.get(top.m_axis_tdata),
                    ctx.get(top.m_axis_tlast),
                ),
            )
            assert resets or stalled is None or (valid and beat == stalled), (
                "a stalled beat changed"
            )
            self.errors.append(ctx.get(top.tlast_error))
            if valid and ready:
                self.words.append(beat[0])
                self.marks.append(beat[1])
            stalled = beat if valid and not ready and not resets else None
            if offering and not resets and ctx.get(top.s_axis_tready):
                sent, offering = sent + 1, False
            busy = valid or sent < len(self._input) or edge < max(self._reset_at, default=0)
            quiet = 0 if busy else quiet + 1
            await ctx.tick()


def check(program, schedule, *, reset_at=(), chances=(0.6, 0.5)):
    """The bench's outputs are the Program's, to the bit of every lane."""
    top = AxiStreamTop(program, schedule)
    inputs, outputs = top.ports
    rng = np.random.default_rng(1)
    codes = rng.integers(inputs.format.lo, inputs.format.hi + 1, (6, program.n_in))
    words = payload_ints(pack_codes(codes, inputs))
    # The bits of a lane above its code are not read.
    for k in range(inputs.count):
        above = (1 << inputs.lane_bits) - (1 << inputs.format.width)
        noise = [int(value) & above for value in rng.integers(1 << 16, size=len(words))]
        words = [word ^ n << (k * inputs.lane_bits) for word, n in zip(words, noise, strict=True)]
    ends = [(k + 1) % inputs.beats == 0 for k in range(len(words))]
    bench = Bench(top, words, lasts=ends, chances=chances, reset_at=reset_at)
    # unpack_codes reads whole lanes, hence their extension too.
    found = unpack_codes(ints_to_words(bench.words, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes))
    marks = [(k + 1) % outputs.beats == 0 for k in range(len(bench.words))]
    assert bench.marks == marks
    assert not any(bench.errors)


@pytest.mark.some(3)
@pytest.mark.parametrize("schedule", [UNROLLED, FOLDED], ids=["unrolled", "folded"])
@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (CodeFormat(5, True), CodeFormat(9, True)),
        (CodeFormat(8, False), CodeFormat(8, True)),
        (CodeFormat(3, False), CodeFormat(6, False)),
        (CodeFormat(4, True), None),
    ],
)
def test_equals_the_program(schedule, code, answer):
    check(network(code, answer), schedule)


def test_class_indices():
    program = network(CodeFormat(4, True), None).with_argmax()
    assert [port.data_width for port in AxiStreamTop(program, UNROLLED).ports] == [40, 8]
    check(program, UNROLLED)


def test_images():
    """A pixel a beat at both ends, the last of each marked."""
    taps = network(CodeFormat(4, True), CodeFormat(6, True), sizes=(8, 2)).layers[0]
    window = Window((2, 3, 3), (2, 2))
    program = Program((ConvolutionLayer(taps, window),), InputEncoder(CodeFormat(4, True), 18))
    inputs, outputs = AxiStreamTop(program, UNROLLED).ports
    assert (inputs.beats, inputs.data_width, outputs.beats) == (9, 16, 4)
    check(program, UNROLLED)


@pytest.mark.parametrize("reset_at", [(9,), (20, 21), (33,)])
def test_reset_in_mid_stream(reset_at):
    check(network(CodeFormat(4, True), CodeFormat(6, True)), FOLDED, reset_at=reset_at)


@pytest.mark.parametrize(
    ("lasts", "error"),
    [
        ([0, 0, 1] * 4, False),  # every vector is a packet
        ([0, 0, 0] * 3 + [0, 0, 1], False),  # all of them are one
        ([0] * 12, False),
        ([0, 0, 1] + [0, 1, 0] + [0, 0, 1] * 2, True),
        ([1, 0, 1] + [0, 0, 1] * 3, True),
    ],
)
def test_misplaced_last_beats_are_flagged_and_change_nothing(lasts, error):
    program = network(CodeFormat(4, True), CodeFormat(6, True))
    top = AxiStreamTop(program, FOLDED)
    inputs, outputs = top.ports
    codes = np.random.default_rng(5).integers(-8, 8, (4, program.n_in))
    words = payload_ints(pack_codes(codes, inputs))
    bench = Bench(top, words, lasts=[bool(last) for last in lasts])
    assert bench.errors[-1] == error
    # Once risen it stays.
    assert sorted(bench.errors) == bench.errors
    found = unpack_codes(ints_to_words(bench.words, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes))


def test_reset_clears_the_flag():
    program = network(CodeFormat(4, True), CodeFormat(6, True))
    top = AxiStreamTop(program, FOLDED)
    bench = Bench(top, [0] * 2, lasts=[True, True], reset_at=(10,), edges=11)
    assert bench.errors[9] and not bench.errors[0]
    bench = Bench(top, [0] * 2, lasts=[True, True], reset_at=(10,), edges=12)
    assert not bench.errors[11]


def test_verilog_has_exactly_these_ports():
    program = network(CodeFormat(5, True), CodeFormat(9, True))
    made = generate_verilog(program, UNROLLED, "axi4-stream")
    start = made.text.index("module kan(")
    ports = made.text[start + len("module kan(") : made.text.index(");", start)].split(", ")
    wires = wires_of("axi4-stream")
    assert sorted(ports) == sorted(wires.names)
    assert wires.input.names == tuple(
        f"s_axis_{name}" for name in ("tdata", "tvalid", "tready", "tlast")
    )
    assert (made.input.data_width, made.output.data_width) == (40, 48)
    assert "input [39:0] s_axis_tdata;" in made.text
    assert "output [47:0] m_axis_tdata;" in made.text


def test_refusals():
    program = network(CodeFormat(4, True), None)
    with pytest.raises(InputError, match=r"\AUnknown interface 'axi': this version knows 'stream'"):
        generate_verilog(program, UNROLLED, "axi")
    with pytest.raises(InputError, match=r"\AAXI4-Stream is a handshake: use handshake=True"):
        generate_verilog(program, Schedule(handshake=False), "axi4-stream")
