"""A fully connected layer over many clocks: some inputs and some outputs at a time."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value

from kanhw.gateware.folded.code_buffer import CodeBuffer
from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold
from kanhw.schedule.formula import Formula
from kanhw.schedule.schedule import Schedule

__all__ = ["FoldedStage"]


class FoldedStage(Stage):
    """One layer of edge tables, basis tables or a codebook, folded; equals the Program's layer.

    Two vectors of codes are kept, one of which is computed with
    (:class:`~kanhw.gateware.folded.folded_layer.FoldedLayer`).

    Parameters
    ----------
    layer
        Of a Program, so that its widths are known.
    inputs
        Codes' own addresses, ``fold.parallel_inputs`` a beat.
    schedule
        Adder levels between registers.
    fold
        What happens when.
    """

    def __init__(
        self, layer: ProgramLayer, inputs: Payload, schedule: Schedule, fold: Fold
    ) -> None:
        self._fold = fold
        # In the order in which they sit in a word of the buffer.
        self._read = sorted(set(layer.streams))
        members = inputs.layout.members
        width = sum(members[str(k)].size for k in self._read)
        self._buffer = CodeBuffer(width, fold.beats, fold.groups)
        self._folded = FoldedLayer(layer, inputs, schedule, fold)
        super().__init__(inputs, self._folded.outputs)

    @property
    def fold(self) -> Fold:
        """What happens when."""
        return self._fold

    @property
    def folded(self) -> FoldedLayer:
        """What becomes of its steps."""
        return self._folded

    @property
    def accumulators(self) -> tuple[Range, ...]:
        """Ranges of every branch's accumulators; 0 to 0 for one that has none."""
        return self._folded.accumulators

    @property
    def latency(self) -> int:
        """Clock edges from an input's last beat to its output's."""
        through = self._buffer.latency + self._folded.latency
        return through + self._fold.steps + self._fold.last_rows - 2

    @property
    def initiation_interval(self) -> int:
        """Clocks per vector: those of its steps."""
        return self._fold.steps

    @property
    def holds_vectors(self) -> bool:
        """The buffer keeps a vector while the one before is computed."""
        return True

    def clocks(self) -> tuple[Formula, Formula]:
        """The steps of a vector; the buffer, the pipeline, and the serializer of outputs."""
        steps = self._fold.clocks
        through = Formula.of(2) + self._folded.depth + 1 + 1 + self._folded.drain_depth
        return steps, through + steps + self._fold.last_rows + -2

    def pace(self) -> Pace:
        """Nothing is walked through where rhythms end."""
        raise TypeError("a folded layer keeps vectors: its handshake is not walked through")

    def elaborate(self, platform: object) -> Module:
        """Buffer, and what becomes of its steps."""
        m = Module()
        m.submodules.buffer = buffer = self._buffer
        m.submodules.folded = folded = self._folded
        m.d.comb += [
            buffer.i.payload.eq(
                Cat(Value.cast(self.i.payload[str(stream)]) for stream in self._read)
            ),
            buffer.i.valid.eq(self.i.valid),
            self.i.ready.eq(buffer.i.ready),
            # A word is the codes, stream by stream.
            Value.cast(folded.i.payload).eq(Value.cast(buffer.o.payload)),
            folded.i.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(folded.i.ready),
            self.o.payload.eq(folded.o.payload),
            self.o.valid.eq(folded.o.valid),
            folded.o.ready.eq(self.o.ready),
        ]
        return m
