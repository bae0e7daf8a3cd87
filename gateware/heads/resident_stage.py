"""A fully connected layer over many clocks, whose heads share a codebook that stays on chip."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from kanhw.gateware.folded.folded_costs import buffer_costs
from kanhw.gateware.folded.folded_stage import BufferedStage
from kanhw.gateware.folded.folded_sums import accumulated, joined_sums, marks_by_cycle
from kanhw.gateware.heads.resident_memory import HeadHolder, bank_count
from kanhw.gateware.heads.resident_serializer import ResidentSerializer
from kanhw.gateware.heads.resident_sums import FactorSums, ResidentSums, ShapeSums
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.stream.stage import Payload
from kanhw.program import ResidentLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["MemoryRegion", "ResidentStage"]


@dataclass(frozen=True)
class MemoryRegion:
    """One memory of a stage: so many words of so many bits for every head."""

    words: int
    width: int


class ResidentStage(BufferedStage):
    """A resident codebook layer, folded; equals the layer of the head that a vector is for.

    It works as :class:`~kanhw.gateware.folded.folded_stage.FoldedStage` does, and steps through the
    vectors of one head right behind those of another: which bank a vector reads comes beside it.

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

    Members
    -------
    i, o
        As for every stage.
    bank : In(stream of unsigned)
        The bank of every vector, offered no later than its first code is read; taken with its last
        step.
    passed : Out(stream of unsigned)
        The same banks, handed on when they are taken, or before.
    w_enable : In, a bit per memory; w_bank, w_address, w_data : In
        Only where heads can be written.
    """

    def __init__(
        self, layer: ResidentLayer, inputs: Payload, schedule: Schedule, fold: Fold
    ) -> None:
        self._layer = layer
        self._branches = _branches(layer, fold, schedule)
        self._accumulators = tuple(
            Range(form.lo, form.hi) if parts else Range(0, 0)
            for form, parts in zip(layer.accumulator_formats or (), self._branches, strict=True)
        )
        self._serializer = ResidentSerializer(layer, fold, self._accumulators)
        bank = unsigned(max((bank_count(layer) - 1).bit_length(), 1))
        writes = {}
        if layer.writable is not None:
            words = max(region.words for region in self.regions)
            writes = {
                "w_enable": In(len(self.regions)),
                "w_bank": In(bank),
                "w_address": In(unsigned(max((words - 1).bit_length(), 1))),
                "w_data": In(unsigned(max(region.width for region in self.regions))),
            }
        super().__init__(
            *(layer, inputs, self._serializer.outputs, fold),
            bank=In(stream.Signature(bank)),
            passed=Out(stream.Signature(bank)),
            **writes,
        )

    @property
    def layer(self) -> ResidentLayer:
        """The heads."""
        return self._layer

    @property
    def regions(self) -> list[MemoryRegion]:
        """Its memories, in the order of the bits of ``w_enable``."""
        return [
            MemoryRegion(memory.words, memory.width)
            for holder in self._holders
            for memory in holder.memories
        ]

    def head_words(self, head: CodebookLayer) -> list[list[int]]:
        """The words of every memory for a head."""
        return [words for holder in self._holders for words in holder.head_words(head)]

    @property
    def costs(self) -> HardwareCosts:
        """The buffer, both branches, accumulators, serializer; and the queue of banks in front."""
        fold, outputs = self._fold, self._fold.parallel_outputs
        total = buffer_costs(fold, self._codes.size) + self._serializer.costs + self._queue_costs
        for parts, reach in zip(self._branches, self._accumulators, strict=True):
            for part in parts:
                late = self._depth - part.latency - (len(parts) > 1)
                waiting = late * (len(Value.cast(part.codes)) + len(part.step))
                total += part.costs + HardwareCosts(register_bits=waiting)
            width = reach.format.width if parts else 0
            # Sums of several parts are added up in a register of their own.
            joined = (len(parts) - 1) * width if len(parts) > 1 else 0
            total += HardwareCosts(
                accumulator_bits=width * outputs,
                adder_bits=joined * outputs,
                register_bits=(width + joined) * outputs,
            )
        return total

    @property
    def _queue_costs(self) -> HardwareCosts:
        """Of the banks of the vectors in front; and of what finds the memories that are written."""
        bits = len(self.bank.payload)
        # Those in the buffer, and those that are under way up to here (see queue_depths).
        places = 6 + self.latency // self.initiation_interval
        total = HardwareCosts(
            counters=2 * places.bit_length(),
            register_bits=3 * places.bit_length() + bits * (1 + self._depth),
            memories=(MemoryShape(places, bits, written=True),),
        )
        if self._layer.writable is None:
            return total
        # A word is put together of its parts, and its address compared with every memory's ends.
        widest = max(region.width for region in self.regions)
        compared = sum(2 * (region.words - 1).bit_length() + 8 for region in self.regions)
        return total + HardwareCosts(adder_bits=compared, choice_luts=widest)

    @property
    def through(self) -> tuple[int, ...]:
        """A register for the codes of a step, sums, accumulators, and the lanes."""
        return 1, self._depth, 1, self._serializer.latency

    @property
    def _holders(self) -> list[HeadHolder]:
        parts: list[HeadHolder] = [part for branch in self._branches for part in branch]
        return parts + [lane for lanes in self._serializer.lanes for lane in lanes]

    @property
    def _depth(self) -> int:
        """Moves from the codes of a step to what all its branches add."""
        return max((_branch_latency(parts) for parts in self._branches), default=1) or 1

    def elaborate(self, platform: object) -> Module:
        """Buffer, branches, accumulators, serializer."""
        m = Module()
        self.connect_buffer(m)
        buffer = self._buffer
        m.submodules.serializer = serializer = self._serializer
        step = buffer.o.payload
        m.d.comb += [
            self.o.payload.eq(serializer.o.payload),
            self.o.valid.eq(serializer.o.valid),
            serializer.o.ready.eq(self.o.ready),
        ]
        # All of the pipeline moves unless its end holds sums that the serializer cannot take. A
        # vector's last step waits while its bank cannot be handed on; what is in front of it goes
        # on. The bank may be handed on before the step can move: what was offered stays.
        moves, finished, ends, enters = Signal(), Signal(), Signal(), Signal()
        handed, free = Signal(), Signal()
        m.d.comb += [
            moves.eq(~finished | serializer.i.ready),
            ends.eq(buffer.o.valid & (step.step == self._fold.steps - 1)),
            free.eq(~ends | handed | self.passed.ready),
            enters.eq(buffer.o.valid & free),
            buffer.o.ready.eq(moves & free),
            serializer.i.valid.eq(finished),
            self.bank.ready.eq(moves & ends & free),
            self.passed.valid.eq(ends & ~handed),
            self.passed.payload.eq(self.bank.payload),
        ]
        # At the last step: remember a bank that was handed on while the pipeline stands still.
        with m.If(ends):
            m.d.sync += handed.eq(free & ~moves)
        pipeline = Module()
        m.submodules.pipeline = EnableInserter(moves)(pipeline)
        bits = len(self.bank.payload)
        marks: Value = Cat(enters, step.first, step.last, self.bank.payload)
        # One register more than in a stage without heads: bank and step are multiplied and added up
        # to an address in front of every memory, which would lengthen the path from the buffer.
        first_codes = Signal(self._codes.size, reset_less=True)
        first_step = Signal(len(step.step), reset_less=True)
        pipeline.d.sync += [first_codes.eq(step.codes), first_step.eq(step.step)]
        # The marks reach the accumulators with what the step adds. The bank is among them, since
        # the memories are read in different clocks, when the next vector may have entered.
        history = marks_by_cycle(pipeline, marks, 1 + self._depth)
        marks = history[-1]
        valid, first, last, bank = marks[0], marks[1], marks[2], marks[3:]
        # The edge that adds the last step of a group also says so, and keeps its bank for the
        # multipliers and biases of the serializer.
        finished_bank = Signal(bits, reset_less=True)
        pipeline.d.sync += [finished.eq(valid & last), finished_bank.eq(bank)]
        m.d.comb += serializer.i.payload.bank.eq(finished_bank)
        codes = data.View(self._codes, first_codes)
        for b, parts in enumerate(self._branches):
            added = self._sums(m, pipeline, b, parts, codes, first_step, history, moves)
            reach = self._accumulators[b]
            totals = accumulated(pipeline, b, reach, added, valid=valid, first=first)
            for j, total in enumerate(totals):
                m.d.comb += serializer.i.payload[str(b)][j].eq(total)
        self._connect_writes(m)
        return m

    def _sums(
        self,
        m: Module,
        pipeline: Module,
        b: int,
        parts: list[ResidentSums],
        codes: data.View,
        step: Value,
        history: list[Signal],
        moves: Signal,
    ) -> list[Value]:
        """The sums that a step adds to a branch, as late as those of the slowest branch."""
        for k, part in enumerate(parts):
            m.submodules[f"branch{b}_{k}"] = part
            late = self._depth - part.latency - (len(parts) > 1)
            stream_codes = Value.cast(codes[str(self._layer.streams[part.branch])])
            m.d.comb += [
                part.moves.eq(moves),
                Value.cast(part.codes).eq(delayed(pipeline, stream_codes, late, f"codes{b}_{k}")),
                part.step.eq(delayed(pipeline, step, late, f"step{b}_{k}")),
                part.bank.eq(history[late][3:]),
            ]
        return joined_sums(pipeline, b, [_values(part) for part in parts])

    def _connect_writes(self, m: Module) -> None:
        if self._layer.writable is None:
            return
        place = 0
        for holder in self._holders:
            count = len(holder.memories)
            m.d.comb += [
                holder.w_enable.eq(self.w_enable[place : place + count]),
                holder.w_bank.eq(self.w_bank),
                holder.w_address.eq(self.w_address),
                holder.w_data.eq(self.w_data),
            ]
            place += count


def _values(part: ResidentSums) -> list[Value]:
    return [part.o[j] for j in range(part.fold.parallel_outputs)]


def _branch_latency(parts: list[ResidentSums]) -> int:
    """Moves from codes to the sum of all parts, which has a register of its own."""
    return max((part.latency for part in parts), default=0) + (len(parts) > 1)


def _branches(
    layer: ResidentLayer, fold: Fold, schedule: Schedule
) -> tuple[list[ResidentSums], list[ResidentSums]]:
    """The hardware of both branches, whose parts are added up; none where no head has anything."""
    heads, formats = layer.heads, layer.writable
    spline: list[ResidentSums] = []
    if layer.shapes.any() and (formats or any(head.gains.any() for head in heads)):
        spline.append(ShapeSums(layer, fold, schedule))
    biased = heads[0].biases is not None
    if biased and (formats.biases if formats else any(_any(head.biases) for head in heads)):
        fields = ("biases", "offsets", "offsets_index")
        spline.append(FactorSums(layer, fold, schedule, fields, 0))
    base: list[ResidentSums] = []
    if formats.base_weights if formats else any(head.base_weights.any() for head in heads):
        fields = ("base_weights", "base", "base_index")
        base.append(FactorSums(layer, fold, schedule, fields, 1))
    return spline, base


def _any(values: object) -> bool:
    return bool(getattr(values, "any", bool)())
