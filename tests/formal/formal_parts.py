"""Parts that are proved by themselves, with what their proofs must know of them."""

from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from amaranth.lib.wiring import In
from formal_networks import DESIGNS, EVALUATED, FOLDED, WIDE, codebook, edges, network, norm
from formal_wrappers import AxiStreams, BankedVectors, Banks, MarkedSteps

from kanhw.gateware.folded.code_buffer import CodeBuffer
from kanhw.gateware.folded.drain import Drain
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
from kanhw.sim.formal import StreamHarness
from kanhw.windows import Window


@dataclass
class Part:
    """A component with streams, beats of a vector in and out, vectors that it may hold.

    ``free`` and ``helpful`` are inputs beside, as for a StreamHarness.
    """

    unit: Any
    beats_in: int
    beats_out: int
    capacity: int
    clocks: int
    free: tuple[str, ...] = ()
    helpful: tuple[str, ...] = ()

    def harness(self):
        return StreamHarness(
            self.unit,
            beats_in=self.beats_in,
            beats_out=self.beats_out,
            patience=self.clocks,
            capacity=self.capacity,
            free=self.free,
            helpful=self.helpful,
        )


def _beats(stage):
    return stage.inputs.beats, stage.outputs.beats


def stage_part(stage, unit=None, **fields):
    interval = max(stage.initiation_interval, 1)
    capacity = -(-max(stage.latency, 1) // interval) + 4
    clocks = max(stage.latency, 1) + (capacity + 1) * interval
    return Part(unit or stage, *_beats(stage), capacity, clocks, **fields)


def _chain_part(unit, top, ports, **fields):
    capacity = -(-top.latency // top.initiation_interval) + 4
    clocks = top.latency + (capacity + 1) * top.initiation_interval
    beats = [port.beats for port in ports]
    return Part(unit, *beats, capacity, clocks, **fields)


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
    return _chain_part(unit, top, top.ports, free=tuple(f"unit.{name}" for name in names))


def _folded_stage():
    """Three inputs, three outputs two at a time, of which one is handed on a clock."""
    return stages_of(network(edges(3, 3)), WIDE)[0]


def _resident_stage(sizes, schedule):
    heads = join_heads([network(codebook(*sizes, seed)) for seed in (3, 4)])
    (stage,) = (s for s in stages_of(heads, schedule) if isinstance(s, ResidentStage))
    return stage


def _drain(resident):
    if resident:
        stage = _resident_stage((3, 3), WIDE)
        unit = stage._drain
    else:
        stage = _folded_stage()
        layer = network(edges(3, 3)).layers[0]
        unit = Drain(layer, stage.fold, stage.accumulators)
    fold = stage.fold
    return Part(unit, fold.groups, fold.out_beats, unit.latency + 2, 4 * unit.latency + 16)


def _steps(stage):
    fold, unit = stage.fold, stage.folded
    capacity = -(-unit.latency // fold.steps) + 3
    clocks = unit.latency + (capacity + 1) * fold.steps
    return Part(MarkedSteps(unit, fold), fold.steps, fold.out_beats, capacity, clocks)


def _window_buffer(shape, size, padding):
    fold = WindowFold(Window(shape, size, padding=(padding, padding)), 1)
    beats = fold.window.positions * fold.beats * 2
    return Part(WindowBuffer(fold, 1, 2), fold.words, beats, 4, 2 * beats + 8)


def _serial_norm(n):
    unit = SerialLayerNorm(norm(n), side_width=1)
    interval = unit.initiation_interval
    return Part(unit, n, n, 6, unit.latency + 4 * interval)


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
    return Part(Banks(unit, 2), 1, 1, 6, 12, free=names)


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
    "CodeBuffer": lambda: Part(CodeBuffer(1, 2, 2), 2, 4, 4, 24),
    "LineBuffer": lambda: Part(LineBuffer(Window((1, 2, 3), (2, 2)), 1), 6, 2, 3, 24),
    "WindowBuffer": lambda: _window_buffer((1, 2, 3), (2, 2), 0),
    "padded WindowBuffer": lambda: _window_buffer((2, 2, 2), (2, 2), 1),
    "Drain": lambda: _drain(resident=False),
    "ResidentDrain": lambda: _drain(resident=True),
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
