"""The computing part of a folded layer: from the codes of every step to sums and codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.formats import IntArray
from kanhw.gateware.folded.basis_table import WeightedSums
from kanhw.gateware.folded.codebook import CodebookSums
from kanhw.gateware.folded.edge_table import RowSums
from kanhw.gateware.folded.folded_sums import (
    FoldedSums,
    accumulated,
    joined_sums,
    marks_by_cycle,
)
from kanhw.gateware.folded.output_serializer import OutputSerializer
from kanhw.gateware.folded.spline_evaluator import evaluated_branches
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.stream.stage import Payload
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    CodebookLayer,
    EdgeTableLayer,
    ProgramLayer,
    SplineEvaluatorLayer,
)
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["FOLDED_BRANCHES", "FoldedLayer", "FoldedParts"]

# The hardware of every branch of a layer.
FoldedParts = tuple[list[FoldedSums], ...]


class FoldedLayer(Component):
    """One layer of edge tables, basis tables or a codebook, folded; equals the Program's layer.

    The branches make of the codes of a step what they add to a group of accumulators;
    :class:`OutputSerializer` requantizes the accumulators while those of the next group, or vector,
    are summed. Where it is stalled and not done in time, the branches stop.

    Parameters
    ----------
    layer
        Of a Program, so that its widths are known.
    inputs
        What a step's codes are like: codes' own addresses.
    schedule
        Adder levels between registers.
    fold
        What happens when.

    Members
    -------
    i : In(stream of a struct): ``codes``, a struct of the streams that are read, each an array of
        ``fold.parallel_inputs`` addresses; ``pad``, a bit for each that is set where the input is
        absent, only if ``fold.padded``; ``step``; ``first`` and ``last`` of a group
    o : Out(stream of outputs.layout)
    """

    def __init__(
        self, layer: ProgramLayer, inputs: Payload, schedule: Schedule, fold: Fold
    ) -> None:
        self._fold = fold
        self._branches, self.accumulators = _merged(layer, _branches(layer, fold, schedule))
        self._serializer = OutputSerializer(layer, fold, self.accumulators)
        codes = {
            str(k): data.ArrayLayout(unsigned(inputs.streams[k][0].width), fold.parallel_inputs)
            for k in sorted(set(layer.streams))
        }
        step = {
            "codes": data.StructLayout(codes),
            **({"pad": unsigned(fold.parallel_inputs)} if fold.padded else {}),
            "step": unsigned(max((fold.steps - 1).bit_length(), 1)),
            "first": unsigned(1),
            "last": unsigned(1),
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(step))),
                "o": Out(stream.Signature(self._serializer.outputs.layout)),
            }
        )

    @property
    def outputs(self) -> Payload:
        """Codes of every requantizer, or sums, some a beat."""
        return self._serializer.outputs

    @property
    def parts(self) -> list[FoldedSums]:
        """The parts of all branches, which make sums of codes."""
        return [part for branch in self._branches for _, part in branch.parts]

    @property
    def depth(self) -> int:
        """Cycles from the codes of a step to what it adds."""
        return max((parts.latency for parts in self._branches), default=1)

    @property
    def serializer_depth(self) -> int:
        """Cycles from accumulators that wait to be handed on to codes."""
        return self._serializer.depth

    @property
    def latency(self) -> int:
        """Clock edges from the one that accepts the last step of a group to its first outputs."""
        return self.depth + 1 + self._serializer.latency

    def elaborate(self, platform: object) -> Module:
        """Branches, accumulators, serializer."""
        m = Module()
        m.submodules.serializer = serializer = self._serializer
        m.d.comb += [
            self.o.payload.eq(serializer.o.payload),
            self.o.valid.eq(serializer.o.valid),
            serializer.o.ready.eq(self.o.ready),
        ]
        # All of the pipeline moves unless its end holds sums that the serializer cannot take.
        moves, finished = Signal(), Signal()
        m.d.comb += [
            moves.eq(~finished | serializer.i.ready),
            self.i.ready.eq(moves),
            serializer.i.valid.eq(finished),
        ]
        pipeline = Module()
        m.submodules.pipeline = EnableInserter(moves)(pipeline)
        marks: Value = Cat(self.i.valid, self.i.payload.first, self.i.payload.last)
        # The codes of a step take `depth` clocks to become what it adds; its marks go through as
        # many registers and reach the accumulators with the sums. (No clocks where no branch adds.)
        marks = [marks, *marks_by_cycle(pipeline, marks, self.depth)][-1]
        valid, first, last = marks[0], marks[1], marks[2]
        # The edge that adds the last step of a group also sets `finished`. In the next clock the
        # serializer copies the accumulators, while these start again with the next group.
        pipeline.d.sync += finished.eq(valid & last)
        for b, branch in enumerate(self._branches):
            added = self._sums(pipeline, b, branch)
            reach = self.accumulators[b]
            totals = accumulated(pipeline, b, reach, added, valid=valid, first=first)
            for j, total in enumerate(totals):
                m.d.comb += serializer.i.payload[str(b)][j].eq(total)
        return m

    def _sums(self, m: Module, b: int, branch: _Branch) -> list[Value]:
        """The sums that a step adds to a branch, as late as those of the slowest branch."""
        step = self.i.payload
        waiting = self.depth - branch.latency
        for k, (source, part) in enumerate(branch.parts):
            m.submodules[f"branch{b}_{k}"] = part
            late = waiting + branch.slowest - part.latency
            codes = Value.cast(step.codes[str(source)])
            m.d.comb += [
                Value.cast(part.codes).eq(delayed(m, codes, late, f"codes{b}_{k}")),
                part.step.eq(delayed(m, step.step, late, f"step{b}_{k}")),
            ]
            if self._fold.padded:
                m.d.comb += part.pad.eq(delayed(m, step.pad, late, f"pad{b}_{k}"))
        outputs = range(self._fold.parallel_outputs)
        return joined_sums(m, b, [[part.o[j] for j in outputs] for _, part in branch.parts])


@dataclass(frozen=True)
class _Branch:
    """Parts that share accumulators: the stream that each reads, and its hardware."""

    parts: tuple[tuple[int, FoldedSums], ...]

    @property
    def slowest(self) -> int:
        return max((part.latency for _, part in self.parts), default=0)

    @property
    def latency(self) -> int:
        """Cycles from codes to the sum of all parts, which has a register of its own."""
        return self.slowest + (len(self.parts) > 1)


def _merged(
    layer: ProgramLayer, sums: tuple[list[FoldedSums], ...]
) -> tuple[tuple[_Branch, ...], tuple[Range, ...]]:
    """The branches and the ranges of their accumulators.

    Branches that every requantizer multiplies by the same are one. An accumulator that nothing is
    added to has the range of 0.
    """
    branches = [
        tuple((stream, part) for part in parts)
        for stream, parts in zip(layer.streams, sums, strict=True)
    ]
    ranges = [
        Range(format.lo, format.hi) if parts else Range(0, 0)
        for format, parts in zip(layer.accumulator_formats or (), branches, strict=True)
    ]
    same = all((r.multipliers == r.multipliers[0]).all() for r in layer.requantizers)
    if same and len(branches) == 2:
        branches = [branches[0] + branches[1], ()]
        ranges = [ranges[0] + ranges[1], Range(0, 0)]
    return tuple(_Branch(parts) for parts in branches), tuple(ranges)


def _branches(layer: ProgramLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    """The hardware of every branch, whose parts are added up; none for one that adds nothing."""
    branches = FOLDED_BRANCHES.get(layer.kind)
    if branches is None:
        raise InputError(
            f"Layer {layer.name!r}: layers of kind {layer.kind!r} cannot be folded, which those of "
            f"kind {', '.join(FOLDED_BRANCHES)} can"
        )
    return branches(layer, fold, schedule)


def _edge_table(layer: ProgramLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    return (_rows(fold, schedule, cast(EdgeTableLayer, layer).tables),)


def _branch_edge_table(layer: ProgramLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    edges = cast(BranchEdgeTableLayer, layer)
    both = edges.spline_tables, edges.base_tables
    return tuple(_rows(fold, schedule, tables) for tables in both)


def _codebook(layer: ProgramLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    codebook = cast(CodebookLayer, layer)
    return _shapes(fold, schedule, codebook), _base(fold, schedule, codebook)


def _spline_evaluator(layer: ProgramLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    return evaluated_branches(fold, schedule, cast(SplineEvaluatorLayer, layer))


def _basis_table(layer: ProgramLayer, fold: Fold, schedule: Schedule) -> FoldedParts:
    bases = cast(BasisTableLayer, layer)
    tables, index, weights = bases.basis, bases.basis_index, bases.coefficients
    return _weighted(fold, schedule, tables, index, weights), _base(fold, schedule, bases)


def _rows(fold: Fold, schedule: Schedule, tables: IntArray) -> list[FoldedSums]:
    return [RowSums(fold, schedule, tables)] if tables.any() else []


def _base(
    fold: Fold, schedule: Schedule, layer: BasisTableLayer | CodebookLayer
) -> list[FoldedSums]:
    return _weighted(fold, schedule, layer.base, layer.base_index, layer.base_weights)


def _shapes(fold: Fold, schedule: Schedule, layer: CodebookLayer) -> list[FoldedSums]:
    parts: list[FoldedSums] = []
    if layer.gains.any() and layer.shapes.any():
        parts.append(CodebookSums(fold, schedule, layer.shapes, layer.index, layer.gains))
    if layer.biases is None or layer.offsets is None or layer.offsets_index is None:
        return parts
    # The offsets are a basis of one function.
    tables, weights = layer.offsets[:, :, None], layer.biases[:, :, None]
    return parts + _weighted(fold, schedule, tables, layer.offsets_index, weights)


def _weighted(
    fold: Fold, schedule: Schedule, tables: IntArray, index: IntArray, weights: IntArray
) -> list[FoldedSums]:
    if not weights.any() or not tables.any():
        return []
    return [WeightedSums(fold, schedule, tables, index, weights)]


# What every kind of layer that can be folded is made of.
FOLDED_BRANCHES: dict[str, Callable[[ProgramLayer, Fold, Schedule], FoldedParts]] = {
    "edge_table": _edge_table,
    "branch_edge_table": _branch_edge_table,
    "basis_table": _basis_table,
    "codebook": _codebook,
    "spline_evaluator": _spline_evaluator,
}
