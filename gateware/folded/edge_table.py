"""Edge tables, folded: a memory row holds the entries of all outputs of a step."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Module

from kanhw.formats import IntArray
from kanhw.gateware.folded.folded_sums import FoldedSums
from kanhw.gateware.parts.adder_tree import tree_latency
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["RowSums"]


class RowSums(FoldedSums):
    """One branch of edge tables, step by step.

    Over all steps of a group its outputs add up to
    :func:`kanhw.program.functions.tables.edge_table_sums`.

    An input of a step has a memory, addressed by step and code, whose rows hold an entry for every
    output of the group.

    Parameters
    ----------
    fold, schedule
        As for :class:`~kanhw.gateware.folded.folded_sums.FoldedSums`.
    tables
        As for the reference.
    """

    def __init__(self, fold: Fold, schedule: Schedule, tables: IntArray) -> None:
        self._tables = tables
        self._entry_range = Range(int(tables.min()), int(tables.max()))
        lo, hi = min(self._entry_range.lo, 0), max(self._entry_range.hi, 0)
        reach = Range(lo * fold.parallel_inputs, hi * fold.parallel_inputs)
        super().__init__(fold, tables.shape[2].bit_length() - 1, schedule, reach)

    @property
    def latency(self) -> int:
        """Cycles from codes to sums: memory, adders."""
        return 1 + tree_latency(self.fold.parallel_inputs, self.schedule.adder_levels) + 1

    @property
    def source_costs(self) -> HardwareCosts:
        """A memory per lane, of entries that are weighted already."""
        lanes = range(self.fold.parallel_inputs)
        width = self._entry_range.format.width * self.fold.parallel_outputs
        return HardwareCosts(
            memories=tuple(memory_shape(self._words(lane), width) for lane in lanes)
        )

    @property
    def weighting_costs(self) -> HardwareCosts:
        """The adders of every output."""
        return self.sum_costs([Term(self._entry_range)] * self.fold.parallel_inputs)

    def elaborate(self, platform: object) -> Module:
        """Memories and sums."""
        m = Module()
        width, signed = self._entry_range.format.width, self._entry_range.format.signed
        rows = []
        for lane in range(self.fold.parallel_inputs):
            memory = parameter_memory(self._words(lane), width * self.fold.parallel_outputs)
            m.submodules[f"rows{lane}"] = memory
            reader = memory.read_port()
            m.d.comb += reader.addr.eq(Cat(self.codes[lane], self.step))
            # In front of the adders, where a choice of nothing is free.
            rows.append(self.present(m, lane, reader.data, 1))
        for output in range(self.fold.parallel_outputs):
            entries = [row.word_select(output, width) for row in rows]
            values = [entry.as_signed() if signed else entry for entry in entries]
            self.add(m, output, [(value, Term(self._entry_range)) for value in values])
        return m

    def _words(self, lane: int) -> list[int]:
        """The memory of a lane."""
        return packed_words(self._memory(lane), self._entry_range.format.width)

    def _memory(self, lane: int) -> IntArray:
        """The rows of a lane, ``[steps * 2**width, parallel_outputs]``."""
        inputs, outputs = self.fold.inputs[:, lane], self.fold.outputs
        # [groups, outputs, beats, entries], with nothing where there is no input or no output.
        words = self._tables[outputs[:, :, None], inputs[None, None]]
        present = (outputs[:, :, None] >= 0) & (inputs >= 0)
        words = np.where(present[..., None], words, 0)
        return words.transpose(0, 2, 3, 1).reshape(-1, self.fold.parallel_outputs)
