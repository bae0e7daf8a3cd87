"""The hardware costs of basis tables times coefficients, folded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kanhw.formats import IntArray
from kanhw.gateware.folded.basis_banks import BasisBanks
from kanhw.gateware.parts.adder_tree import tree_costs
from kanhw.gateware.parts.bit_planes import chosen_costs, subset_range
from kanhw.gateware.parts.costs import HardwareCosts, product_of, products_of, table_costs
from kanhw.gateware.parts.paired_products import PairedProducts
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.table import column_sizes, costs_of_columns
from kanhw.gateware.parts.terms import Term
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["WeightedParts"]


@dataclass(frozen=True)
class WeightedParts:
    """The parts of :class:`~kanhw.gateware.folded.basis_table.WeightedSums`, counted.

    Parameters
    ----------
    fold, schedule
        As there.
    banks
        The basis tables by bank.
    width
        Bits of a code.
    weights, values, reach
        Ranges of a weight, of a value of one bank, and of what a step adds to an output.
    memory
        ``[words, outputs]``: the weights of a lane and bank.
    """

    fold: Fold
    schedule: Schedule
    banks: BasisBanks
    width: int
    weights: Range
    values: Range
    reach: Range
    memory: Callable[[int, int], IntArray]

    @property
    def source_costs(self) -> HardwareCosts:
        """Of all lanes: which table an input has, and value and row by code, of every bank."""
        banks, kinds = self.banks, self._kind_bits
        rows = (banks.depth - 1).bit_length()
        total = table_costs((self.fold.steps - 1).bit_length(), kinds)
        # Bit planes: codes wait for the weights.
        total += HardwareCosts(register_bits=(self.width + kinds) * (banks.count > 1))
        for bank in range(banks.count):
            values = banks.values[:, :, bank]
            width = Range(int(values.min()), int(values.max())).format.width
            total += _table_of(values.ravel(), width)
            if rows:
                total += _table_of(banks.rows[:, :, bank].ravel(), rows)
        return total.times(self.fold.parallel_inputs)

    @property
    def weighting_costs(self) -> HardwareCosts:
        """Memories of every bank, then bit planes or products, and adders."""
        lanes = self._weights()
        # The place of a step's words: the step times the rows of a bank.
        depth = self.banks.depth
        place = HardwareCosts(
            adder_bits=self._place_bits * (depth.bit_count() - 1), register_bits=self._place_bits
        )
        return place + lanes + (self._planes() if self.banks.count > 1 else self._products())

    @property
    def _place_bits(self) -> int:
        return (self.fold.steps * self.banks.depth - 1).bit_length()

    @property
    def _kind_bits(self) -> int:
        return (self.banks.values.shape[0] - 1).bit_length()

    def _weights(self) -> HardwareCosts:
        """The weights of every bank of all lanes."""
        fold, banks = self.fold, self.banks
        word = self.weights.format.width * fold.parallel_outputs
        # All of them are read at the step where banks have one row.
        others = set[bytes]() if banks.depth == 1 else None
        total = HardwareCosts()
        for lane in range(fold.parallel_inputs):
            for bank in range(banks.count):
                words = packed_words(self.memory(lane, bank), self.weights.format.width)
                memory = memory_shape(words, word, others=others)
                kept = word if memory.content is None else memory.content.varying
                total += HardwareCosts(
                    # Bit planes: weights wait for the choice.
                    register_bits=kept if banks.count > 1 else 0,
                    adder_bits=self._place_bits if banks.depth & (banks.depth - 1) else 0,
                    memories=(memory,),
                )
        return total

    def _planes(self) -> HardwareCosts:
        """Of the bit planes of all lanes, and of the sums over them."""
        fold, values = self.fold, self.banks.values
        bits, place = self.weights.format.width, subset_range(values)
        pairs = [subset_range(values[:, :, k : k + 2]) for k in range(0, values.shape[2], 2)]
        # An odd bank is a pair of its own: nothing to add up in front, nothing to choose.
        both = sum(pair.format.width for pair in pairs[: values.shape[2] // 2])
        single = pairs[-1].format.width if values.shape[2] % 2 else 0
        shared = HardwareCosts(adder_bits=both, register_bits=3 * both + single)
        added = tree_costs([Term(pair) for pair in pairs], self.schedule.adder_levels)
        terms = [Term(place, k, self.weights.format.signed and k == bits - 1) for k in range(bits)]
        planes = added.times(bits * fold.parallel_outputs)
        total = (shared + planes).times(fold.parallel_inputs)
        for lane in range(fold.parallel_inputs):
            words = [self.memory(lane, bank) for bank in range(self.banks.count)]
            total += chosen_costs([pair.format.width for pair in pairs], words, bits)
        return total + self._sums(terms * fold.parallel_inputs)

    def _products(self) -> HardwareCosts:
        """Of the products of one value a lane, and of the sums over them."""
        fold, product = self.fold, self.weights * self.values
        lanes, outputs = fold.parallel_inputs, fold.parallel_outputs
        held = HardwareCosts(register_bits=2 * self.values.format.width * lanes)
        pairs = PairedProducts(self.weights, self.values, self.reach)
        if not pairs.fits:
            waiting = self.weights.format.width + product.format.width
            each = HardwareCosts(register_bits=waiting).times(lanes * outputs)
            for lane in range(lanes):
                own = products_of(self.memory(lane, 0), self.weights, self.values)
                each += HardwareCosts(products=own)
            return held + each + self._sums([Term(product)] * lanes)
        levels = self.schedule.adder_levels
        packed = pairs.costs(lanes, levels).times(outputs // 2)
        rest = tree_costs([Term(product)] * lanes, levels) + HardwareCosts(
            products=(product_of(self.weights, self.values),) * lanes
        )
        return held + packed + rest.times(outputs % 2) + self._sums([Term(self.reach)])

    def _sums(self, terms: list[Term]) -> HardwareCosts:
        """Of the sum of these terms for every output, and its register."""
        own = tree_costs(terms, self.schedule.adder_levels, self.reach.format.width)
        own += HardwareCosts(register_bits=self.reach.format.width)
        return own.times(self.fold.parallel_outputs)


def _table_of(values: IntArray, width: int) -> HardwareCosts:
    """A registered table of as many zeros besides as make a power of two."""
    depth = 1 << max((len(values) - 1).bit_length(), 1)
    filled = np.pad(values, (0, depth - len(values)))
    return costs_of_columns(column_sizes(filled, width), registered=True)
