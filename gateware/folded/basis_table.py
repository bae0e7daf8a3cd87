"""Basis tables times coefficients, folded: every input of a step meets every output."""

from __future__ import annotations

from collections import deque

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.folded.basis_banks import BasisBanks, basis_banks
from kanhw.gateware.folded.folded_sums import FoldedSums
from kanhw.gateware.folded.weighted_costs import WeightedParts
from kanhw.gateware.parts.adder_tree import AdderTree, tree_latency
from kanhw.gateware.parts.bit_planes import SharedPair, subset_range
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.paired_products import PairedProducts
from kanhw.gateware.parts.parameter_memory import packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["WeightedSums"]


class WeightedSums(FoldedSums):
    """One branch of basis tables and weights, step by step.

    Over all steps of a group its outputs add up to
    :func:`kanhw.program.functions.tables.basis_table_sums`.

    An input has a table for every bank (:class:`~kanhw.gateware.folded.basis_banks.BasisBanks`)
    with the one value that is not zero at a code, and beside it the row of the bank's memory where
    the weights of that basis function are, for all outputs of the group. So the live values meet
    their weights without a choice between memories. Values of several banks are added up by the bit
    planes of their weights (:class:`~kanhw.gateware.parts.bit_planes.SharedPair`); the one value of
    a base branch is multiplied.

    Parameters
    ----------
    fold, schedule
        As for :class:`~kanhw.gateware.folded.folded_sums.FoldedSums`.
    tables, index, weights
        As for the reference.
    """

    def __init__(
        self, fold: Fold, schedule: Schedule, tables: IntArray, index: IntArray, weights: IntArray
    ) -> None:
        self._banks = basis_banks(tables)
        self._index = index
        self._weights = weights
        self._weight_range = Range(int(weights.min()), int(weights.max()))
        width = tables.shape[1].bit_length() - 1
        super().__init__(fold, width, schedule, _reach(fold, tables, index, weights))

    @property
    def banks(self) -> BasisBanks:
        """The basis tables by bank."""
        return self._banks

    @property
    def latency(self) -> int:
        """Cycles from codes to sums: basis table, weight memory, products, adders."""
        lanes, levels = self.fold.parallel_inputs, self.schedule.adder_levels
        count = self._banks.count
        if count == 1:
            return 4 + tree_latency(lanes, levels) + self._pairs.fits + 1
        places = tree_latency(-(-count // 2), levels)
        return 3 + places + tree_latency(lanes * self._weight_range.format.width, levels) + 1

    @property
    def source_costs(self) -> HardwareCosts:
        """Tables of values and rows of every bank."""
        return self._parts.source_costs

    @property
    def weighting_costs(self) -> HardwareCosts:
        """Memories of every bank, then bit planes or products, and adders."""
        return self._parts.weighting_costs

    @property
    def _parts(self) -> WeightedParts:
        return WeightedParts(
            self.fold,
            self.schedule,
            self._banks,
            self.codes.shape().elem_shape.width,
            self._weight_range,
            self._value_range,
            self.range,
            self._memory,
        )

    def elaborate(self, platform: object) -> Module:
        """Tables, memories, products, sums."""
        m = Module()
        # The first row of a step's weights in every bank; the row of the live function is added to
        # it. Its register is loaded with the outputs of the row tables.
        base = Signal(range(self.fold.steps * self._banks.depth), reset_less=True)
        m.d.sync += base.eq(self.step * self._banks.depth)
        # [input lane][bank]: the value and, a cycle later, the weights of all outputs.
        lanes = []
        for lane in range(self.fold.parallel_inputs):
            address = self._address(m, lane)
            late = delayed(m, address, self._wait, f"address{lane}")
            lanes.append(
                [
                    self._bank(m, lane, bank, base, address, late)
                    for bank in range(self._banks.count)
                ]
            )
        if self._banks.count > 1:
            planes = [self._planes(m, lane, banks) for lane, banks in enumerate(lanes)]
            for output in range(self.fold.parallel_outputs):
                self.add(m, output, [term for terms in planes for term in terms[output]])
        else:
            self._multiply(m, [banks[0] for banks in lanes])
        return m

    def _planes(
        self, m: Module, lane: int, banks: list[tuple[Value, list[Value]]]
    ) -> list[list[tuple[Value, Term]]]:
        """The terms of a lane for every output, from several banks: bit by bit of the weights."""
        # Two values share the choice of 0, one, the other or their sum, by a bit of either weight.
        values, step = self._banks.values, 2
        starts = range(0, len(banks), step)
        pairs = [
            SharedPair(
                m,
                f"pair{lane}_{start}",
                [value for value, _ in banks[start : start + step]],
                values[:, :, start : start + step],
            )
            for start in starts
        ]
        operands: list[list[tuple[Value, Term]]] = []
        for output in range(self.fold.parallel_outputs):
            # Block RAM is slow and may be far away: its words wait a cycle for the choice.
            weights = [
                delayed(m, weights[output], 1, f"weight{lane}_{bank}_{output}")
                for bank, (_, weights) in enumerate(banks)
            ]
            groups = [weights[start : start + step] for start in starts]
            operands.append(self._places(m, f"{lane}_{output}", pairs, groups))
        return operands

    def _places(
        self, m: Module, name: str, pairs: list[SharedPair], weights: list[list[Value]]
    ) -> list[tuple[Value, Term]]:
        """The sum of every place of the weights of one lane and output."""
        format, reach = self._weight_range.format, subset_range(self._banks.values)
        terms: list[tuple[Value, Term]] = []
        for place in range(format.width):
            tree = AdderTree([Term(p.range) for p in pairs], levels=self.schedule.adder_levels)
            m.submodules[f"plane{name}_{place}"] = tree
            for k, (pair, group) in enumerate(zip(pairs, weights, strict=True)):
                m.d.comb += tree.operand(k).eq(pair.chosen([weight[place] for weight in group]))
            # What is live together is less than the pairs' largest. So few bits need no register
            # of their own in front of the next adder.
            total = Signal(reach.shape, name=f"place{name}_{place}")
            m.d.comb += total.eq(tree.o)
            negative = format.signed and place == format.width - 1
            terms.append((total, Term(reach, place, negative)))
        return terms

    def _multiply(self, m: Module, lanes: list[tuple[Value, list[Value]]]) -> None:
        """The sums of all outputs, from one bank."""
        # A register behind the memory, and one behind the product: multipliers are slow.
        values = [delayed(m, value, 2, f"held{lane}") for lane, (value, _) in enumerate(lanes)]
        reach = self._weight_range * self._value_range
        step = 2 if self._pairs.fits else 1
        for start in range(0, self.fold.parallel_outputs, step):
            if start + 1 < self.fold.parallel_outputs and self._pairs.fits:
                factors = [
                    (weights[start], weights[start + 1], value)
                    for value, (_, weights) in zip(values, lanes, strict=True)
                ]
                sums = self._pairs.sums(m, str(start), factors, self.schedule.adder_levels)
                for k, operand in enumerate(sums):
                    self.add(m, start + k, [operand])
                continue
            products = []
            for lane, (value, (_, weights)) in enumerate(zip(values, lanes, strict=True)):
                weight = delayed(m, weights[start], 1, f"weight{lane}_{start}")
                product = Signal(reach.shape, name=f"product{lane}_{start}", reset_less=True)
                m.d.sync += product.eq(weight * value)
                products.append((product, Term(reach)))
            self.add(m, start, products, late=int(self._pairs.fits))

    @property
    def _value_range(self) -> Range:
        values = self._banks.values
        absent = [0] if self.fold.padded else []
        return Range(min([int(values.min()), *absent]), max([int(values.max()), *absent]))

    @property
    def _pairs(self) -> PairedProducts:
        return PairedProducts(self._weight_range, self._value_range, self.range)

    @property
    def _wait(self) -> int:
        """Cycles by which values are behind rows, for weights that wait in a register."""
        return int(self._banks.count > 1)

    @property
    def _padding(self) -> int | None:
        """The value in place of those of an absent input; None if no input may be absent."""
        return 0 if self.fold.padded else None

    def _address(self, m: Module, lane: int) -> Value:
        """Code of an input, and which of the layer's tables it uses if there are several."""
        kinds = self._banks.values.shape[0]
        if kinds == 1:
            return self.codes[lane]
        # Which input a lane holds depends on the beat, which is the step modulo the beats.
        inputs = np.tile(self.fold.inputs[:, lane], self.fold.groups)
        chosen = np.where(inputs < 0, 0, self._index[inputs])
        table = Table(_filled(chosen), registered=False)
        m.submodules[f"kind{lane}"] = table
        m.d.comb += table.i.eq(self.step)
        return Cat(self.codes[lane], table.o)

    def _bank(
        self, m: Module, lane: int, bank: int, base: Signal, address: Value, late: Value
    ) -> tuple[Value, list[Value]]:
        """A lane's live value in a bank and its weights for all outputs.

        The weights are there a cycle after the value of the same address; ``late`` is the address
        :attr:`_wait` cycles later.
        """
        # Clock 1: the row table gives the row of the live function, beside the step's first row in
        # `base`. Clock 2: the memory gives the weights there. The value is looked up in clock 1, or
        # in clock 2 where the weights wait another clock behind the memory.
        values = Table(_filled(self._banks.values[:, :, bank].ravel()), padding=self._padding)
        m.submodules[f"value{lane}_{bank}"] = values
        m.d.comb += values.i.eq(late)
        if self.fold.padded:
            m.d.comb += values.pad.eq(delayed(m, self.pad[lane], self._wait, f"pad{lane}_{bank}"))
        place: Value = base
        if self._banks.depth > 1:
            row = self._looked_up(m, f"row{lane}_{bank}", self._banks.rows[:, :, bank], address)
            place = _joined(base, row, self._banks.depth)
        width = self._weight_range.format.width
        memory = parameter_memory(self._words(lane, bank), width * self.fold.parallel_outputs)
        m.submodules[f"weights{lane}_{bank}"] = memory
        reader = memory.read_port()
        m.d.comb += reader.addr.eq(place)
        weights = [reader.data.word_select(k, width) for k in range(self.fold.parallel_outputs)]
        if self._weight_range.format.signed:
            weights = [weight.as_signed() for weight in weights]
        return values.o, weights

    def _looked_up(self, m: Module, name: str, table: IntArray, address: Value) -> Value:
        """A registered table of a code, ``[tables, 2**width]``."""
        unit = Table(_filled(table.ravel()))
        m.submodules[name] = unit
        m.d.comb += unit.i.eq(address)
        return unit.o

    def _words(self, lane: int, bank: int) -> list[int]:
        """The memory of a bank."""
        return packed_words(self._memory(lane, bank), self._weight_range.format.width)

    def _memory(self, lane: int, bank: int) -> IntArray:
        """The words of a bank, ``[steps * depth, parallel_outputs]``."""
        fold = self.fold
        inputs, outputs = fold.inputs[:, lane], fold.outputs
        banked = self._banks.weights(self._weights)[:, :, bank]
        # [groups, outputs, beats, depth], with nothing where there is no input or no output.
        words = banked[outputs[:, :, None], inputs[None, None]]
        words = np.where((outputs[:, :, None] >= 0) & (inputs >= 0), words.transpose(3, 0, 1, 2), 0)
        # To [groups, beats, depth, outputs].
        return words.transpose(1, 3, 0, 2).reshape(-1, fold.parallel_outputs)


def _joined(base: Signal, row: Value, depth: int) -> Value:
    """``base + row`` where base is a multiple of the depth."""
    if depth & (depth - 1):
        return base + row
    bits = depth.bit_length() - 1
    return Cat(row[:bits], base[len(row[:bits]) : bits], base[bits:])


def _filled(values: IntArray) -> tuple[int, ...]:
    """Values of a table with as many zeros as make a power of two, at least two."""
    depth = 1 << max((len(values) - 1).bit_length(), 1)
    return (*values.tolist(), *[0] * (depth - len(values)))


def _reach(fold: Fold, tables: IntArray, index: IntArray, weights: IntArray) -> Range:
    """Exact bounds of what one input adds to one output, times the inputs of a beat."""
    each = _edge_reach(tables, index, weights)
    return Range(each.lo * fold.parallel_inputs, each.hi * fold.parallel_inputs)


# Bounds of the arrays that were asked for last: a layer is tried with many folds.
_Recent = tuple[tuple[IntArray, IntArray, IntArray], Range]
_recent: deque[_Recent] = deque(maxlen=16)


def _edge_reach(tables: IntArray, index: IntArray, weights: IntArray) -> Range:
    arrays = tables, index, weights
    for known, reach in _recent:
        if all(a is b for a, b in zip(known, arrays, strict=True)):
            return reach
    lo = hi = 0
    # Weights and tables are small: float64 holds their products exactly, and multiplies faster.
    for kind, table in enumerate(tables.astype(np.float64)):
        own = weights[:, index == kind].reshape(-1, weights.shape[2]).astype(np.float64)
        if len(own):
            values = own @ table.T
            lo, hi = min(lo, int(values.min())), max(hi, int(values.max()))
    if not any(array.flags.writeable for array in arrays):
        _recent.append((arrays, Range(lo, hi)))
    return Range(lo, hi)
