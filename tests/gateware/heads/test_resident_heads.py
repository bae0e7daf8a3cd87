"""Heads of one codebook: every vector gets its own, no clock is lost, and old ones stay in use."""

from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from kanhw.design.packing import ints_to_words, pack_codes, payload_ints, unpack_codes
from kanhw.errors import InputError
from kanhw.estimation.clocks import design_clocks
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.heads import head_stream
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.top.stream_top import StreamTop, ports_of
from kanhw.program import (
    CodebookLayer,
    EdgeTableLayer,
    InputEncoder,
    ProductLayer,
    Program,
    Requantizer,
    join_heads,
)
from kanhw.schedule.schedule import Schedule

CODE = CodeFormat(4, True)


def folded(inputs, outputs, **fields):
    return Schedule(kind="folded", parallel_inputs=inputs, parallel_outputs=outputs, **fields)


def codebook(rng, shapes, n_in, n_out, *, last, name, biased=True, shift=7, base=True):
    """A layer of one head: everything that a head has of its own is random."""
    kinds = int(rng.integers(1, 3))
    join = Requantizer(
        rng.integers(-90, 90, (2, n_out)),
        rng.integers(-900, 900, n_out),
        0 if last else shift,
        None if last else CODE,
    )
    offsets = {
        "biases": rng.integers(-3, 4, (n_out, n_in)),
        "offsets": rng.integers(-6, 8, (kinds, CODE.count)),
        "offsets_index": rng.integers(0, kinds, n_in),
    }
    return CodebookLayer(
        shapes=shapes,
        index=rng.integers(0, len(shapes), (n_out, n_in)),
        gains=rng.integers(-4, 5, (n_out, n_in)),
        base=rng.integers(-8, 8, (kinds, CODE.count, 1)),
        base_index=rng.integers(0, kinds, n_in),
        base_weights=rng.integers(-4, 5, (n_out, n_in, 1)) * base,
        requantizers=(join,),
        **(offsets if biased else {}),
        name=name,
    )


def networks(seed, sizes, count, *, between=None, **fields):
    """Networks of the same sizes whose layers share shapes."""
    rng = np.random.default_rng(seed)
    books = [rng.integers(-8, 8, (3, CODE.count)) for _ in sizes[1:]]
    found = []
    for _ in range(count):
        layers = []
        for k, (n_in, n_out) in enumerate(pairwise(sizes)):
            if between is not None and k:
                layers.append(between)
            own = codebook(
                *(rng, books[k], n_in, n_out), last=k == len(sizes) - 2, name=f"{k}", **fields
            )
            layers.append(own)
        found.append(Program(tuple(layers), InputEncoder(CODE, sizes[0])))
    return found


def stimulus(program, rng, count):
    return rng.integers(CODE.lo, CODE.hi + 1, (count, program.n_in))


def check(program, schedule, stream_run, *, count=8):
    """Another head at every vector: the Program's numbers at the pace of one head."""
    top = StreamTop(program, schedule)
    inputs, outputs = ports_of(top, program)
    rng = np.random.default_rng(1)
    codes = stimulus(program, rng, count)
    heads = np.arange(count) % program.heads
    heads[count // 2 :] = rng.integers(0, program.heads, count - count // 2)
    expected = program(codes, head=heads)
    words = payload_ints(pack_codes(codes, inputs, heads))

    def found(run):
        return unpack_codes(ints_to_words(run.words, outputs), outputs)

    run = stream_run(top, words, count * outputs.beats)
    np.testing.assert_array_equal(found(run), expected)
    ends = run.taken[outputs.beats - 1 :: outputs.beats]
    assert ends[0] - run.accepted[inputs.beats - 1] == top.latency
    assert set(np.diff(ends[count // 2 :]).tolist()) == {top.initiation_interval}
    run = stream_run(top, words, count * outputs.beats, chances=(0.7, 0.4))
    np.testing.assert_array_equal(found(run), expected)
    return top, expected


@pytest.mark.some(2)
@pytest.mark.parametrize(
    ("parallel", "writable"), [((1, 1), False), ((2, 3), True), ((5, 5), False)]
)
def test_another_head_at_every_vector(parallel, writable, stream_run):
    program = join_heads(networks(0, (5, 4, 3), 3), writable=writable)
    top, expected = check(program, folded(*parallel), stream_run)
    assert len(np.unique(expected)) > 12
    steps = [-(-n // parallel[0]) * -(-m // parallel[1]) for n, m in ((5, 4), (4, 3))]
    # Regrouping is slower only where layers take a clock or two.
    assert top.initiation_interval == max(steps) or parallel == (5, 5)


@pytest.mark.parametrize("parallel", [(1, 1), (2, 3), (5, 5)])
def test_formulas_of_clocks(parallel):
    program = join_heads(networks(0, (5, 4, 3), 3), writable=True)
    schedule = folded(*parallel)
    clocks, top = design_clocks(program, schedule), StreamTop(program, schedule)
    for own, stage in zip(clocks.stages, top.stages, strict=True):
        assert (own.interval.value, own.latency.value) == (stage.initiation_interval, stage.latency)
    steps = str(clocks.stages[0].interval)
    assert clocks.stages[0].stage == "ResidentStage" and "ceil(5 / " in steps
    assert (clocks.latency, clocks.initiation_interval) == (top.latency, top.initiation_interval)


def test_every_input_of_every_head(stream_run):
    program = join_heads(networks(10, (2, 2), 2), writable=True)
    top = StreamTop(program, folded(2, 2))
    inputs, outputs = ports_of(top, program)
    grid = np.stack(np.meshgrid(CODE.codes(), CODE.codes()), axis=-1).reshape(-1, 2)
    codes, heads = np.repeat(grid, 2, axis=0), np.tile([0, 1], len(grid))
    words = payload_ints(pack_codes(codes, inputs, heads))
    run = stream_run(top, words, len(words))
    found = unpack_codes(ints_to_words(run.words, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes, head=heads))
    assert run.taken[-1] - run.taken[0] == len(words) - 1


@pytest.mark.some(2)
@pytest.mark.parametrize(
    "fields", [{"biased": False}, {"base": False}, {"biased": False, "base": False}]
)
def test_branches_that_are_not_there(fields, stream_run):
    program = join_heads(networks(2, (4, 3), 2, **fields), writable=True)
    check(program, folded(2, 2, adder_levels=0), stream_run)


def test_argmax_and_one_head(stream_run):
    check(join_heads(networks(3, (4, 5), 1)).with_argmax(), folded(2, 2), stream_run)
    check(join_heads(networks(3, (4, 5), 5)).with_argmax(), folded(3, 1), stream_run)


def test_beside_layers_without_heads(stream_run):
    """What heads share travels between those that they do not."""
    one = Requantizer(np.ones((1, 4), int), np.arange(4), 2, CODE)
    product = ProductLayer(((0, 1), (2,), (3,), (1, 2)), 4, CODE.width, CODE.lo, (one,))
    tables = np.random.default_rng(0).integers(-9, 9, (3, 4, CODE.count))
    edges = EdgeTableLayer(tables, (Requantizer(np.ones((1, 3), int), np.zeros(3, int), 2, CODE),))
    programs = [
        Program((edges, *single.layers), InputEncoder(CODE, 4))
        for single in networks(4, (3, 4, 2), 2, between=product)
    ]
    top, _ = check(join_heads(programs), folded(2, 2), stream_run)
    assert [isinstance(stage, ResidentStage) for stage in top.stages].count(True) == 2
    assert not isinstance(top.stages[0], ResidentStage)


def test_too_few_places_lose_nothing(monkeypatch, stream_run):
    monkeypatch.setattr(head_stream, "queue_depths", lambda stages: [1, 1])
    program = join_heads(networks(0, (5, 4, 3), 3))
    top = StreamTop(program, folded(2, 3))
    inputs, outputs = ports_of(top, program)
    codes, heads = stimulus(program, np.random.default_rng(1), 9), np.arange(9) % 3
    words = payload_ints(pack_codes(codes, inputs, heads))
    run = stream_run(top, words, 9 * outputs.beats)
    found = unpack_codes(ints_to_words(run.words, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes, head=heads))


def test_a_head_beyond_the_last_is_the_last(stream_run):
    program = join_heads(networks(6, (3, 2), 3))
    top = StreamTop(program, folded(3, 2))
    inputs, outputs = ports_of(top, program)
    codes = stimulus(program, np.random.default_rng(1), 4)
    words = [word | 3 << inputs.data_width for word in payload_ints(pack_codes(codes, inputs))]
    run = stream_run(top, words, 4 * outputs.beats)
    found = unpack_codes(ints_to_words(run.words, outputs), outputs)
    np.testing.assert_array_equal(found, program(codes, head=2))


# Writing.


class Writing:
    """A design under random pauses, whose heads are written and committed on the way.

    ``events`` are the writes (address and data), commits (a head) and resets (None) to do one after
    the other. Every vector must be answered by the head as it was when it entered.
    """

    def __init__(self, program, schedule, events, *, seed=0, edges=1500, images=None):
        self.top = StreamTop(program, schedule)
        self.program, self.events, self.images = program, list(events(self.top)), images or {}
        self.inputs, self.outputs = ports_of(self.top, program)
        self.rng = np.random.default_rng(seed)
        self.edges = edges
        self.compared = self.commits = self.waited = 0
        m = Module()
        m.domains.sync = self.domain = ClockDomain()
        m.submodules.top = self.top
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self.run)
        simulator.run()
        assert not self.events, f"{len(self.events)} events are left"

    def set(self, ctx, port, value):
        """The simulator settles the whole design behind every value that is set."""
        if self.driven.get(id(port)) != value:
            ctx.set(port, value)
            self.driven[id(port)] = value

    async def run(self, ctx):
        idle, self.driven = 0, {}
        self.forget()
        for _ in range(self.edges):
            idle += not self.events
            if idle > 60:
                break
            resets = bool(self.events) and self.events[0] is None
            self.set(ctx, self.domain.rst, resets)
            writes, commits = self.drive_control(ctx)
            ready = self.drive_streams(ctx, resets)
            self.transfer(ctx, resets, ready)
            self.control(ctx, resets, writes, commits)
            await ctx.tick()

    def forget(self):
        """Nothing is under way."""
        self.expected, self.beats, self.pending = [], [], []

    def drive_control(self, ctx):
        """Offer the next event, or not; whether it is a write or a commit that is offered."""
        top, event = self.top, self.events[0] if self.events else "none"
        writes = isinstance(event, tuple) and self.rng.random() < 0.8
        commits = isinstance(event, int) and self.rng.random() < 0.5
        self.set(ctx, top.write.valid, writes)
        if writes:
            ctx.set(top.write.payload.address, event[0])
            ctx.set(top.write.payload.data, event[1])
        self.set(ctx, top.commit.valid, commits)
        self.set(ctx, top.commit.payload, event if commits else 0)
        return writes, commits

    def drive_streams(self, ctx, resets):
        """Offer a beat, or not; whether the other end takes one."""
        top, rng = self.top, self.rng
        if not self.pending and rng.random() < 0.9:
            codes, head = stimulus(self.program, rng, 1), int(rng.integers(self.program.heads))
            self.pending = payload_ints(pack_codes(codes, self.inputs, [head]))
            self.offered = codes, head
        self.set(ctx, top.i.valid, bool(self.pending) and not resets)
        self.set(ctx, top.i.payload, self.pending[0] if self.pending else 0)
        ready = not resets and bool(rng.random() < 0.8)
        self.set(ctx, top.o.ready, ready)
        return ready

    def transfer(self, ctx, resets, ready):
        """What happens at both ends at this edge; a vector's head is that of its first beat."""
        top = self.top
        if not resets and self.pending and ctx.get(top.i.ready):
            if len(self.pending) == self.inputs.beats:
                codes, head = self.offered
                self.expected.append(self.program(codes, head=head)[0])
            del self.pending[0]
        if ready and ctx.get(top.o.valid):
            self.beats.append(ctx.get(top.o.payload))
            if len(self.beats) == self.outputs.beats:
                words = ints_to_words(self.beats, self.outputs)
                found = unpack_codes(words, self.outputs)[0]
                np.testing.assert_array_equal(found, self.expected.pop(0))
                self.compared += 1
                self.beats = []

    def control(self, ctx, resets, writes, commits):
        """What happens to the event at this edge."""
        if resets:
            self.forget()
            del self.events[0]
        elif writes and ctx.get(self.top.write.ready):
            del self.events[0]
        elif commits and ctx.get(self.top.commit.ready):
            # A vector that enters right now still has the old head.
            self.program = self.images.pop((self.events[0], self.commits))
            self.commits += 1
            del self.events[0]
        self.waited += bool(writes and not ctx.get(self.top.write.ready))


def writes_of(top, program, head):
    return [tuple(pair) for pair in top.heads.map.image(program.head(head)).tolist()]


def writable_program():
    return join_heads(networks(7, (2, 2, 2), 3), writable=True)


def test_heads_are_written_while_others_run():
    """A half-written head is never used; the old one until the commit, the new one from there."""
    program = writable_program()
    first = program.with_head(1, program.head(2))
    second = first.with_head(1, program.head(0))

    def events(top):
        half = writes_of(top, first, 0)
        return [
            *writes_of(top, first, 1), 1, *half[: len(half) // 2],
            *writes_of(top, second, 1), 1,
        ]  # fmt: skip

    run = Writing(program, folded(1, 2), events, images={(1, 0): first, (1, 1): second})
    assert run.commits == 2 and run.compared > 40
    # The first bank was not free at once.
    assert run.waited


def test_reset_in_mid_stream_keeps_what_was_committed():
    program = writable_program()
    after = program.with_head(2, program.head(0))

    def events(top):
        new = writes_of(top, after, 2)
        # Half of a head, a reset; a head, a reset behind its commit; half of another, a reset.
        return [*new[:9], None, *new, 2, None, *writes_of(top, program, 1)[:20], None]

    run = Writing(program, folded(1, 2), events, images={(2, 0): after})
    assert run.commits == 1 and run.compared > 30


@pytest.mark.wide
def test_wide_words_come_in_parts():
    program = join_heads(networks(7, (2, 8), 2), writable=True)
    after = program.with_head(0, program.head(1))

    def events(top):
        assert max(region.chunks for region in top.heads.map.regions) >= 2
        # Addresses of nothing change nothing.
        taken = {a for a, _ in writes_of(top, after, 0)}
        nothing = next(a for a in range(1 << top.heads.map.address_bits) if a not in taken)
        return [*writes_of(top, after, 0), (nothing, 0xFFFFFFFF), 0]

    run = Writing(program, folded(2, 8), events, images={(0, 0): after}, edges=1500)
    assert run.commits == 1 and run.compared > 30


def test_wrong_head_is_noticed():
    """The bench sees a design that takes the new head too early."""
    program = writable_program()
    with pytest.raises(AssertionError):
        Writing(
            program,
            folded(1, 2),
            lambda top: [*writes_of(top, program.with_head(1, program.head(2)), 1), 1],
            images={(1, 0): program},
        )


def test_regions_do_not_overlap():
    program = join_heads(networks(8, (6, 5, 3), 2), writable=True)
    for parallel in ((1, 1), (2, 5), (6, 3)):
        top = StreamTop(program, folded(*parallel))
        regions = top.heads.map.regions
        spans = sorted((region.base, region.base + (1 << region.bits)) for region in regions)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert spans[-1][1] <= 1 << top.heads.map.address_bits
        assert all(region.base % (1 << region.bits) == 0 for region in regions)
        addresses = top.heads.map.image(program.head(0))[:, 0]
        assert len(np.unique(addresses)) == len(addresses) > 20


def test_unrolled_designs_have_no_heads():
    program = join_heads(networks(9, (3, 2), 2))
    message = r"\AHeads are in memories, which only the folded schedule has: use kind='folded', or"
    for schedule in (Schedule(), Schedule(handshake=False)):
        with pytest.raises(InputError, match=message):
            generate_verilog(program, schedule)
