"""Parts that are proved by themselves, with what their proofs must know of them."""

from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any
from unittest.mock import patch

from amaranth.hdl import Value
from amaranth.lib.wiring import In
from amaranth.sim import Simulator
from formal_networks import DESIGNS, EVALUATED, FOLDED, WIDE, codebook, edges, network, norm
from formal_wrappers import AxiStreams, BankedVectors, Banks, MarkedSteps, Stuck

from kanhw.gateware.folded.code_buffer import CodeBuffer
from kanhw.gateware.folded.output_serializer import OutputSerializer
from kanhw.gateware.heads.head_stream import HeadStream
from kanhw.gateware.heads.resident_stage import ResidentStage
from kanhw.gateware.image.line_buffer import LineBuffer
from kanhw.gateware.image.window_buffer import WindowBuffer
from kanhw.gateware.norm.serial_layer_norm import SerialLayerNorm
from kanhw.gateware.top.axi_stream_top import AxiClocks, AxiStreamTop
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.stream_top import StreamTop, ports_of
from kanhw.program import join_heads
from kanhw.schedule.window_fold import WindowFold
from kanhw.sim.proofs.formal import StreamHarness
from kanhw.windows import Window


@dataclass
class Part:
    """A component with streams, beats of a vector in and out, and its timing.

    ``latency`` are clocks from a vector's last beat to its last output, ``interval`` those between
    two vectors. ``free`` and ``helpful`` are inputs beside, as for a StreamHarness. ``measured`` is
    the component of which it is found out how much fits, where that one cannot be simulated.
    """

    unit: Any
    beats_in: int
    beats_out: int
    latency: int
    interval: int
    free: tuple[str, ...] = ()
    helpful: tuple[str, ...] = ()
    measured: Any = None

    @cached_property
    def capacity(self):
        """Vectors that it may hold, found out by filling it.

        With gaps between beats a few more may find room, at most those of one vector.
        """
        return -(-self._most_owed() // self.beats_out) + (self.beats_in > 1 or self.beats_out > 1)

    @property
    def patience(self):
        """Clocks within which all of them come: the first one, and the others at its heels."""
        return max(self.latency, 1) + (self.capacity - 1) * self.interval

    @property
    def clocks(self):
        """Clocks in which patience ends, and in which two vectors and a reset in between fit."""
        return max(60, self.patience + 2 * (self.latency + self.interval))

    def harness(self):
        return StreamHarness(
            self.unit,
            beats_in=self.beats_in,
            beats_out=self.beats_out,
            patience=self.patience,
            capacity=self.capacity,
            free=self.free,
            helpful=self.helpful,
        )

    def stuck(self):
        """The same with a fault: but for one, no output ever comes."""
        free, helpful = (tuple(f"unit.{n}" for n in names) for names in (self.free, self.helpful))
        part = replace(self, unit=Stuck(self.unit), free=free, helpful=helpful)
        part.capacity = self.capacity
        return part

    def _most_owed(self):
        """Most outputs that are owed when it takes no more, at any place of a vector that comes."""
        unit, most = self.measured or self.unit, 0
        # In so long nothing moves any more in what can neither take nor give.
        long = self.latency + self.interval
        # Of long vectors, not at every place.
        stride = -(-self.beats_out // 16)

        async def fill(ctx):
            nonlocal most
            taken = given = 0
            ctx.set(unit.i.valid, 1)
            for name in self.helpful:
                ctx.set(Value.cast(attrgetter(name)(unit)), 1)
            while given <= 2 * self.beats_out:
                refused = 0
                while refused < long:
                    takes = ctx.get(unit.i.ready)
                    await ctx.tick()
                    taken, refused = taken + takes, 0 if takes else refused + 1
                most = max(most, -(-taken // self.beats_in) * self.beats_out - given)
                ctx.set(unit.o.ready, 1)
                for _ in range(stride):
                    takes, gives = ctx.get(unit.i.ready), ctx.get(unit.o.valid)
                    await ctx.tick()
                    taken, given = taken + takes, given + gives
                ctx.set(unit.o.ready, 0)

        simulator = Simulator(unit)
        simulator.add_clock(1e-6)
        simulator.add_testbench(fill)
        simulator.run()
        return most


def _beats(stage):
    return stage.inputs.beats, stage.outputs.beats


def stage_part(stage, unit=None, **fields):
    timing = stage.latency, stage.initiation_interval
    return Part(unit or stage, *_beats(stage), *timing, **fields)


def _chain_part(unit, top, ports, **fields):
    beats = [port.beats for port in ports]
    return Part(unit, *beats, top.latency, top.initiation_interval, **fields)


def _writes(unit):
    names = ("write.valid", "write.payload", "commit.valid", "commit.payload")
    return names if "write" in unit.signature.members else ()


def design_part(name):
    program, schedule = DESIGNS[name]
    top = StreamTop(program, schedule)
    return _chain_part(top, top, ports_of(top, program), free=_writes(top))


def _axi(name, *, clocks=False):
    """Heads are written by a master that does anything."""
    top = AxiStreamTop(*DESIGNS[name])
    unit = AxiStreams(AxiClocks(top) if clocks else top)
    bus = [n for n, m in top.signature.members.items() if n.startswith("s_axi_") and m.flow is In]
    names = [*bus, *(["aclk", "aresetn"] if clocks else [])]
    free = tuple(f"unit.{name}" for name in names)
    return _chain_part(unit, top, top.ports, free=free, measured=AxiStreams(top))


def _folded_stage():
    """Three inputs, three outputs two at a time, of which one is handed on a clock."""
    return stages_of(network(edges(3, 3)), WIDE)[0]


def _resident_stage(sizes, schedule):
    heads = join_heads([network(codebook(*sizes, seed)) for seed in (3, 4)])
    (stage,) = (s for s in stages_of(heads, schedule) if isinstance(s, ResidentStage))
    return stage


def _serializer(resident):
    if resident:
        stage = _resident_stage((3, 3), WIDE)
        unit = stage._serializer
    else:
        stage = _folded_stage()
        layer = network(edges(3, 3)).layers[0]
        unit = OutputSerializer(layer, stage.fold, stage.accumulators)
    fold = stage.fold
    latency = unit.latency + fold.last_rows - 1
    return Part(unit, fold.groups, fold.out_beats, latency, fold.out_beats)


def _steps(stage):
    fold, unit = stage.fold, stage.folded
    latency = unit.latency + fold.last_rows - 1
    return Part(MarkedSteps(unit, fold), fold.steps, fold.out_beats, latency, fold.steps)


def _code_buffer(beats, groups):
    unit, steps = CodeBuffer(1, beats, groups), beats * groups
    return Part(unit, beats, steps, unit.latency + steps - 1, steps)


def _line_buffer(window):
    unit = LineBuffer(window, 1)
    image, interval = window.shape[1] * window.shape[2], unit.interval
    return Part(unit, image, window.positions, unit.latency, interval)


def _window_buffer(shape, size, padding, groups):
    fold = WindowFold(Window(shape, size, padding=(padding, padding)), 1)
    beats = fold.window.positions * fold.beats * groups
    # At worst all that it reads is read behind the last word, which is there two clocks later.
    return Part(WindowBuffer(fold, 1, groups), fold.words, beats, 2 + beats, beats)


def _serial_norm(n):
    unit = SerialLayerNorm(norm(n), side_width=1)
    return Part(unit, n, n, unit.latency + n - 1, unit.initiation_interval)


def small_head_stream(kind=HeadStream, **fields):
    """Three heads, two stages with them, and few vectors under way: short queues."""
    heads = join_heads([network(codebook(2, 2), codebook(2, 2)) for _ in range(3)], **fields)
    with patch.dict(kind.__init__.__globals__, queue_depths=lambda stages: [2, 2]):
        unit = kind(3, stages_of(heads, FOLDED))
    unit._most = 7
    return unit


def _banks(**fields):
    unit = small_head_stream(**fields)
    names = tuple(f"unit.{name}" for name in _writes(unit))
    # A clock in every queue.
    return Part(Banks(unit, 2), 1, 1, 2, 1, free=names)


def resident_part(passed, kind=ResidentStage):
    """One of the two streams that a stage with heads gives: outputs, or banks."""
    # Small enough for all its states; several beats and groups come together in whole designs.
    made = _resident_stage((2, 1) if passed else (1, 2), FOLDED)
    stage = kind(made.layer, made.inputs, FOLDED, made.fold)
    part = stage_part(
        stage,
        BankedVectors(stage, passed=passed),
        free=("next_bank", "beside"),
        helpful=("beside",),
    )
    return replace(part, beats_out=1) if passed else part


PARTS = {
    "CodeBuffer": lambda: _code_buffer(2, 2),
    "LineBuffer": lambda: _line_buffer(Window((1, 2, 3), (2, 2))),
    "WindowBuffer": lambda: _window_buffer((1, 2, 3), (2, 2), 0, 2),
    "padded WindowBuffer": lambda: _window_buffer((2, 2, 2), (2, 2), 1, 1),
    "padded WindowBuffer of two groups": lambda: _window_buffer((2, 2, 2), (2, 2), 1, 2),
    "OutputSerializer": lambda: _serializer(resident=False),
    "ResidentSerializer": lambda: _serializer(resident=True),
    "FoldedLayer": lambda: _steps(_folded_stage()),
    "FoldedLayer of evaluated splines": lambda: _steps(stages_of(EVALUATED, FOLDED)[0]),
    "SerialLayerNorm": lambda: _serial_norm(2),
    "ResidentStage": lambda: resident_part(passed=False),
    "banks of ResidentStage": lambda: resident_part(passed=True),
    "HeadStream": _banks,
    "writable HeadStream": lambda: _banks(writable=True),
    "AXI4-Stream": lambda: _axi("folded edge tables"),
    "AXI4-Stream with its clock": lambda: _axi("folded edge tables", clocks=True),
    "AXI4-Stream with heads": lambda: _axi("heads"),
    "AXI4-Stream with writable heads": lambda: _axi("writable heads"),
}
