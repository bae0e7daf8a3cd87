"""Sums of products, two of them at the price of one multiplier block a product."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.costs import HardwareCosts, product_of
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term

__all__ = ["PairedProducts"]

# Bits of the two factors of a DSP block, in two's complement; and bits of a sum of products from
# which on two of them are given a block.
WIDE_BITS, NARROW_BITS, LEAST_BITS = 27, 18, 9


class PairedProducts:
    """``sum of w * x`` for two weights on every value x, from a multiplier a value.

    ``sum of (w0 + w1 * 2**k) * x`` holds ``sum of w0 * x`` in its k low bits as two's complement;
    the rest is ``sum of w1 * x``, less 1 where that is negative.

    Parameters
    ----------
    weights, values
        Ranges of w and x.
    reach
        Of each sum, which has 0 in it.
    """

    def __init__(self, weights: Range, values: Range, reach: Range) -> None:
        self._values = values
        self._weight_bits = weights.format.width
        self._place = reach.format.width + (not reach.format.signed)
        self._packed = weights + weights.shifted_left(self._place)
        self.range = reach
        self._sum = reach + reach.shifted_left(self._place)

    @property
    def fits(self) -> bool:
        """True where a multiplier block takes both weights, and they are large enough for one."""
        wide, narrow = (
            r.format.width + (not r.format.signed) for r in (self._packed, self._values)
        )
        return self._place >= LEAST_BITS and wide <= WIDE_BITS and narrow <= NARROW_BITS

    def costs(self, count: int, levels: int) -> HardwareCosts:
        """The costs of the two sums over ``count`` values: blocks, adders, the last correction."""
        tree = tree_costs([Term(self._packed * self._values)] * count, levels)
        own = HardwareCosts(
            products=(product_of(self._packed, self._values),) * count,
            # The two weights are put together, of which the lower may be negative.
            adder_bits=count * self._weight_bits + self.range.format.width,
            adders=count + 1,
            register_bits=self._sum.format.width
            + count * (2 * LEAST_BITS + (self._packed * self._values).format.width),
        )
        return tree + own

    def sums(
        self, m: Module, name: str, pairs: list[tuple[Value, Value, Value]], levels: int
    ) -> list[tuple[Value, Term]]:
        """The two sums: packed weights, products and sums each in a register.

        Parameters
        ----------
        m, name
            Where the hardware goes, and its name.
        pairs
            w0, w1 and, a cycle later, x of every value.
        levels
            Adder levels between registers.
        """
        each = self._packed * self._values
        tree = AdderTree([Term(each) for _ in pairs], levels=levels)
        m.submodules[f"pair{name}"] = tree
        for k, (low, high, value) in enumerate(pairs):
            weights = Signal(self._packed.shape, name=f"weights{name}_{k}", reset_less=True)
            product = Signal(each.shape, name=f"product{name}_{k}", reset_less=True)
            m.d.sync += [
                weights.eq(low + (high << self._place)),
                product.eq(weights * value),
            ]
            m.d.comb += tree.operand(k).eq(product)
        total = Signal(self._sum.shape, name=f"packed{name}", reset_less=True)
        m.d.sync += total.eq(tree.o)
        term = Term(self.range)
        low_sum: Value = total[: self._place].as_signed()
        high_sum = total[self._place :]
        if self._sum.format.signed:
            high_sum = high_sum.as_signed()
        return [(low_sum, term), (high_sum + total[self._place - 1], term)]
