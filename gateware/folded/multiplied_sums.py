"""Values that are made, not looked up, times weights from memories, folded."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.folded.folded_sums import FoldedSums
from kanhw.gateware.parts.adder_tree import AdderTree, tree_latency
from kanhw.gateware.parts.bit_planes import SharedPair, chosen_costs, subset_range
from kanhw.gateware.parts.costs import HardwareCosts, products_of
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.terms import Term
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["BankValue", "MultipliedSums"]


@dataclass(frozen=True)
class BankValue:
    """A value, and in which row of its bank of weights its own are; None if there is one row."""

    value: Value
    row: Value | None = None


class MultipliedSums(FoldedSums):
    """Some values of every input of a step, each times a weight for every output.

    Weights are in banks, function k in bank k mod L, row k div L, as in
    :class:`~kanhw.gateware.folded.basis_banks.BasisBanks`. Sub-classes make a value for every bank.
    Values of several banks are added up by the bit planes of their weights
    (:class:`~kanhw.gateware.parts.bit_planes.SharedPair`), one value is multiplied.

    Parameters
    ----------
    fold, schedule
        As for :class:`~kanhw.gateware.folded.folded_sums.FoldedSums`.
    width
        Bits of a code.
    values
        ``[..., L]``: all that the values of an input can be together.
    weights
        ``[n_out, n_in, K]``.
    reach
        What one input adds to one output.
    """

    def __init__(
        self,
        fold: Fold,
        schedule: Schedule,
        width: int,
        values: IntArray,
        weights: IntArray,
        reach: Range,
    ) -> None:
        self.weights = weights
        self._together = values
        self.banks = values.shape[-1]
        self.values = Range(min(0, int(values.min())), max(0, int(values.max())))
        self._weight_range = Range(min(0, int(weights.min())), max(0, int(weights.max())))
        lanes = fold.parallel_inputs
        super().__init__(fold, width, schedule, Range(reach.lo * lanes, reach.hi * lanes))

    @property
    @abstractmethod
    def source_latency(self) -> int:
        """Cycles from codes to values and rows, at least 1."""

    @abstractmethod
    def sources(self, m: Module, lane: int) -> list[BankValue]:
        """A lane's values, by bank, :attr:`source_latency` cycles behind its code."""

    @property
    def rows(self) -> int:
        """Rows of a bank."""
        return -(-self.weights.shape[2] // self.banks)

    @property
    def latency(self) -> int:
        """Cycles from codes to sums: values, weights, products or planes, adders."""
        levels, lanes = self.schedule.adder_levels, self.fold.parallel_inputs
        if self.banks == 1:
            return self.source_latency + 2 + tree_latency(lanes, levels) + 1
        planes = tree_latency(len(self._starts), levels) + 1
        places = lanes * self._weight_range.format.width
        return self.source_latency + 1 + planes + tree_latency(places, levels) + 1

    @property
    def _starts(self) -> range:
        """The first bank of every pair."""
        return range(0, self.banks, 2)

    @property
    def weighting_costs(self) -> HardwareCosts:
        """Weights, products or planes, and their sums."""
        fold, weight = self.fold, self._weight_range.format.width
        count, value = fold.parallel_inputs * self.banks, self.values.format.width
        # All of them are read at the step where banks have one row.
        others = set[bytes]() if self.rows == 1 else None
        memories = tuple(
            memory_shape(self._words(lane, bank), weight * fold.parallel_outputs, others=others)
            for lane in range(fold.parallel_inputs)
            for bank in range(self.banks)
        )
        held = HardwareCosts(register_bits=2 * value, adder_bits=value).times(count)
        held += HardwareCosts(memories=memories)
        if self.banks == 1:
            product = self._weight_range * self.values
            own = HardwareCosts(register_bits=product.format.width * count * fold.parallel_outputs)
            for lane in range(fold.parallel_inputs):
                factors = self._memory(lane, 0)
                products = products_of(factors, self._weight_range, self.values)
                own += HardwareCosts(products=products)
            return held + own + self.sum_costs([Term(product)] * count)
        pairs, reach = len(self._starts), subset_range(self._together)
        plane = HardwareCosts(
            adder_bits=(pairs - 1) * (value + 2), register_bits=reach.format.width
        )
        planes = plane.times(weight * fold.parallel_inputs * fold.parallel_outputs)
        for lane in range(fold.parallel_inputs):
            words = [self._memory(lane, bank) for bank in range(self.banks)]
            planes += chosen_costs([value + 1] * pairs, words, weight)
        terms = [Term(reach, k) for k in range(weight)] * fold.parallel_inputs
        return held + planes + self.sum_costs(terms)

    def elaborate(self, platform: object) -> Module:
        """Values and, a cycle later, their weights; products or planes; sums."""
        m = Module()
        # Values leave their sources `source_latency` clocks behind the codes. The first row of the
        # step's weights is in a register then, and weights follow values by the clock of a memory.
        step = delayed(m, self.step, self.source_latency - 1, "step")
        base = Signal(range(max(self.fold.steps * self.rows, 2)), reset_less=True)
        m.d.sync += base.eq(step * self.rows)
        operands: list[list[tuple[Value, Term]]] = [[] for _ in range(self.fold.parallel_outputs)]
        for lane in range(self.fold.parallel_inputs):
            values, weights = [], []
            for bank, source in enumerate(self.sources(m, lane)):
                values.append(self.present(m, lane, source.value, self.source_latency))
                place = base if source.row is None else base + source.row
                weights.append(self._weights_at(m, lane, bank, place))
            multiply = self._product if self.banks == 1 else self._planes
            for output, terms in enumerate(multiply(m, lane, values, weights)):
                operands[output] += terms
        for output, terms in enumerate(operands):
            self.add(m, output, terms)
        return m

    def _product(
        self, m: Module, lane: int, values: list[Value], weights: list[list[Value]]
    ) -> list[list[tuple[Value, Term]]]:
        """A lane's only value times its weight for every output, registered."""
        reach = self._weight_range * self.values
        held = delayed(m, values[0], 1, f"value{lane}")
        terms: list[list[tuple[Value, Term]]] = []
        for output, weight in enumerate(weights[0]):
            product = Signal(reach.shape, name=f"product{lane}_{output}", reset_less=True)
            m.d.sync += product.eq(weight * held)
            terms.append([(product, Term(reach))])
        return terms

    def _planes(
        self, m: Module, lane: int, values: list[Value], weights: list[list[Value]]
    ) -> list[list[tuple[Value, Term]]]:
        """The terms of a lane for every output: a registered sum for every bit of the weights."""
        pairs = [
            SharedPair(m, f"pair{lane}_{k}", values[k : k + 2], self._together[..., k : k + 2])
            for k in self._starts
        ]
        format, reach = self._weight_range.format, subset_range(self._together)
        terms: list[list[tuple[Value, Term]]] = []
        for output in range(self.fold.parallel_outputs):
            own = [bank[output] for bank in weights]
            terms.append([])
            for place in range(format.width):
                name = f"{lane}_{output}_{place}"
                tree = AdderTree([Term(p.range) for p in pairs], levels=self.schedule.adder_levels)
                m.submodules[f"plane{name}"] = tree
                for k, (pair, start) in enumerate(zip(pairs, self._starts, strict=True)):
                    bits = [weight[place] for weight in own[start : start + 2]]
                    m.d.comb += tree.operand(k).eq(pair.chosen(bits))
                # What is live together is less than the pairs' largest.
                total = Signal(reach.shape, name=f"place{name}", reset_less=True)
                m.d.sync += total.eq(tree.o)
                negative = format.signed and place == format.width - 1
                terms[output].append((total, Term(reach, place, negative)))
        return terms

    def _weights_at(self, m: Module, lane: int, bank: int, place: Value) -> list[Value]:
        """The weights of all outputs, a cycle later."""
        width = self._weight_range.format.width
        memory = parameter_memory(self._words(lane, bank), width * self.fold.parallel_outputs)
        m.submodules[f"weights{lane}_{bank}"] = memory
        reader = memory.read_port()
        m.d.comb += reader.addr.eq(place)
        weights = [reader.data.word_select(k, width) for k in range(self.fold.parallel_outputs)]
        signed = self._weight_range.format.signed
        return [weight.as_signed() if signed else weight for weight in weights]

    def _words(self, lane: int, bank: int) -> list[int]:
        """The memory of a bank."""
        return packed_words(self._memory(lane, bank), self._weight_range.format.width)

    def _memory(self, lane: int, bank: int) -> IntArray:
        """The words of a bank, ``[steps * rows, parallel_outputs]``, 0 where there is no weight."""
        fold = self.fold
        own = self.weights[:, :, bank :: self.banks]
        own = np.pad(own, [(0, 0), (0, 0), (0, self.rows - own.shape[2])])
        inputs, outputs = fold.inputs[None, :, lane, None], fold.outputs[:, None]
        # [groups, beats, outputs, rows]
        words = np.where(((inputs >= 0) & (outputs >= 0))[..., None], own[outputs, inputs], 0)
        return words.swapaxes(2, 3).reshape(-1, fold.parallel_outputs)
