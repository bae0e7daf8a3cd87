"""A fully connected layer over many clocks: some inputs and some outputs at a time."""

from __future__ import annotations

from abc import abstractmethod

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data
from amaranth.lib.wiring import Member

from kanhw.gateware.folded.code_buffer import CodeBuffer
from kanhw.gateware.folded.folded_costs import buffer_costs, folded_costs
from kanhw.gateware.folded.folded_layer import FoldedLayer
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.program import ProgramLayer
from kanhw.schedule.fold import Fold
from kanhw.schedule.formula import Formula
from kanhw.schedule.schedule import Schedule

__all__ = ["BufferedStage", "FoldedStage"]


class BufferedStage(Stage):
    """A layer of vectors, step by step: two are kept, and one of them is computed with.

    Sub-classes make of the steps of the buffer what leaves.

    Parameters
    ----------
    layer
        Of a Program, so that its widths are known.
    inputs, outputs
        Codes' own addresses, ``fold.parallel_inputs`` a beat; and what leaves.
    fold
        What happens when.
    **members
        Further ports.
    """

    def __init__(
        self,
        layer: ProgramLayer,
        inputs: Payload,
        outputs: Payload,
        fold: Fold,
        **members: Member,
    ) -> None:
        self._fold = fold
        # Streams that the layer reads, in the order in which they sit in a word of the buffer.
        self._read = sorted(set(layer.streams))
        codes = inputs.layout.members
        self._codes = data.StructLayout({str(k): codes[str(k)] for k in self._read})
        self._buffer = CodeBuffer(self._codes.size, fold.beats, fold.groups)
        super().__init__(inputs, outputs, **members)

    @property
    def fold(self) -> Fold:
        """The fold: which inputs and outputs meet at which clock."""
        return self._fold

    @property
    @abstractmethod
    def through(self) -> tuple[int, ...]:
        """Clocks from the buffer to the outputs of a group, part by part."""

    @property
    def latency(self) -> int:
        """Clock edges from an input's last beat to its output's."""
        through = self._buffer.latency + sum(self.through)
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
        steps, through = self._fold.clocks, Formula.of(self._buffer.latency)
        for part in self.through:
            through += part
        return steps, through + steps + self._fold.last_rows + -2

    def pace(self) -> Pace:
        """No model of the handshake: the vector that is kept takes any rhythm out of the stream."""
        raise TypeError("a folded layer keeps vectors: its handshake is not simulated")

    def connect_buffer(self, m: Module) -> None:
        """Put the buffer behind the input."""
        m.submodules.buffer = buffer = self._buffer
        m.d.comb += [
            buffer.i.payload.eq(
                Cat(Value.cast(self.i.payload[str(stream)]) for stream in self._read)
            ),
            buffer.i.valid.eq(self.i.valid),
            self.i.ready.eq(buffer.i.ready),
        ]


class FoldedStage(BufferedStage):
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
        self._layer = layer
        self._folded = FoldedLayer(layer, inputs, schedule, fold)
        super().__init__(layer, inputs, self._folded.outputs, fold)

    @property
    def folded(self) -> FoldedLayer:
        """The layer that computes with the steps of the buffer."""
        return self._folded

    @property
    def accumulators(self) -> tuple[Range, ...]:
        """Ranges of every branch's accumulators; 0 to 0 for one that has none."""
        return self._folded.accumulators

    @property
    def costs(self) -> HardwareCosts:
        """The buffer, and what is computed of its steps."""
        fold = self._fold
        return folded_costs(self._layer, self._folded, fold) + buffer_costs(fold, self._codes.size)

    @property
    def through(self) -> tuple[int, ...]:
        """Sums, accumulators, the register that hands them on, and the lanes."""
        depth, lanes = self._folded.depth, self._folded.serializer_depth
        return depth, 1, self._folded.latency - depth - 1 - lanes, lanes

    def elaborate(self, platform: object) -> Module:
        """Buffer, and what becomes of its steps."""
        m = Module()
        self.connect_buffer(m)
        buffer = self._buffer
        m.submodules.folded = folded = self._folded
        m.d.comb += [
            # A word is the codes, stream by stream.
            Value.cast(folded.i.payload).eq(Value.cast(buffer.o.payload)),
            folded.i.valid.eq(buffer.o.valid),
            buffer.o.ready.eq(folded.i.ready),
            self.o.payload.eq(folded.o.payload),
            self.o.valid.eq(folded.o.valid),
            folded.o.ready.eq(self.o.ready),
        ]
        return m
