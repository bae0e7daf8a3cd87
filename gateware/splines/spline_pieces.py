"""The B-splines that live on a cell, at a place in it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, delay_costs, product_of
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.terms import Term
from kanhw.program.functions.spline_arithmetic import SplineArithmetic
from kanhw.program.functions.splines import piece_polynomials
from kanhw.targets.multipliers import Addend

__all__ = ["PolynomialPieces", "SplinePieces", "TablePieces", "spline_pieces"]


class SplinePieces(Component):
    """The p + 1 values of a place, one place a clock; equals ``splines.pieces[i]``.

    Parameters
    ----------
    splines
        Constants of the functions.

    Members
    -------
    i : In(unsigned(fraction_bits))
    o : Out(array of p + 1 values), :attr:`latency` cycles later
    """

    def __init__(self, splines: SplineArithmetic) -> None:
        self.splines = splines
        self.range = Range(0, int(splines.pieces.max()))
        super().__init__(
            {
                "i": In(unsigned(splines.fraction_bits)),
                "o": Out(data.ArrayLayout(self.range.shape, splines.order + 1)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from place to values."""
        raise NotImplementedError

    @property
    def costs(self) -> HardwareCosts:
        """What makes the values."""
        raise NotImplementedError


class PolynomialPieces(SplinePieces):
    """By powers of the place: a multiplication each beyond the first, then additions.

    Equals :func:`kanhw.program.functions.splines.polynomial_pieces`.

    Parameters
    ----------
    splines
        Without a table.
    levels
        Adder levels between two registers.
    """

    def __init__(self, splines: SplineArithmetic, *, levels: int = 1) -> None:
        if splines.table is not None:
            raise InputError("These splines have a table: use TablePieces")
        power = Range(0, splines.scale)
        half = (1 << splines.guard_bits) >> 1
        self._trees, self._sources, self._levels = [], [], levels
        for piece in piece_polynomials(splines.order):
            constant = piece[0] * splines.scale + half
            terms, sources = [], []
            for d, c in enumerate(piece[1:], 1):
                for digit in signed_digits(c):
                    terms.append(Term(power, digit.shift, digit.negative))
                    sources.append(d)
            terms.append(Term(Range(constant, constant)))
            self._trees.append(AdderTree(terms, levels=levels))
            self._sources.append(sources)
        super().__init__(splines)

    @property
    def latency(self) -> int:
        """A cycle for every power, then the additions."""
        return self.splines.order + self._adding

    @property
    def costs(self) -> HardwareCosts:
        """A product and a rounding for every power beyond the first, and a tree a function.

        Synthesis sees which lowest bits of a power are always 0.
        """
        splines, bits = self.splines, self.splines.fraction_bits
        whole, place = Range(0, splines.scale), Range(0, (1 << bits) - 1)
        powers = self._changing
        # By a power of two the first power is the place itself, whose registers are there then.
        same = powers[0].range == place
        total = HardwareCosts()
        if not same:
            digits = [Term(place, d.shift, d.negative) for d in signed_digits(splines.scale)]
            total += tree_costs(digits, 0) + HardwareCosts(register_bits=bits * (len(powers) - 1))
        for d, (one, power) in enumerate(pairwise(powers), 2):
            width = power.range.format.width
            added = Addend(1, False, width) if one.shift < bits else None
            # A block is taken for the whole power.
            product = replace(
                product_of(whole, place),
                known=product_of(one.range, place).rows,
                square=same and d == 2,
                addend=added,
            )
            total += HardwareCosts(products=(product,))
        for waits, power in enumerate(reversed(powers), 1):
            total += delay_costs(waits, power.range.format.width)
        value = self.range.format.width
        for tree, sources in zip(self._trees, self._sources, strict=True):
            late = self._adding - tree.latency
            terms = [
                replace(powers[d - 1], shift=powers[d - 1].shift + t.shift, negative=t.negative)
                for d, t in zip(sources, tree.terms, strict=False)
            ]
            every = [*terms, tree.terms[-1]]
            total += tree_costs(every, self._levels, value + splines.guard_bits)
            total += delay_costs(late, value)
        return total

    @property
    def _changing(self) -> list[Term]:
        """What changes of every power, and the lowest places that never do."""
        splines, bits = self.splines, self.splines.fraction_bits
        zeros = (splines.scale & -splines.scale).bit_length() - 1
        half, highest, found = (1 << bits) >> 1, splines.scale, list[Term]()
        for d in range(1, splines.order + 1):
            highest = (highest * ((1 << bits) - 1) + half) >> bits
            low = max(zeros - bits * d, 0)
            found.append(Term(Range(0, highest >> low), low, source=d))
        return found

    @property
    def _adding(self) -> int:
        return max(tree.latency for tree in self._trees) + 1

    def elaborate(self, platform: object) -> Module:
        """Powers, one a stage, delayed to the last; a tree for every function."""
        m = Module()
        order = self.splines.order
        # Power d is there after d clocks; all of them wait for the highest.
        powers = [
            delayed(m, power, order - d, f"power{d}_waits")
            for d, power in enumerate(self._powers(m), 1)
        ]
        for r, (tree, sources) in enumerate(zip(self._trees, self._sources, strict=True)):
            m.submodules[f"piece{r}"] = tree
            for k, source in enumerate(sources):
                m.d.comb += tree.operand(k).eq(powers[source - 1])
            constant = tree.terms[-1].range
            m.d.comb += tree.operand(len(sources)).eq(Const(constant.lo, constant.shape))
            value = Signal(self.range.shape, name=f"value{r}", reset_less=True)
            # The value is known to fit; what the tree holds above it is sign.
            m.d.sync += value.eq(tree.o.shift_right(self.splines.guard_bits))
            late = self._adding - 1 - tree.latency
            m.d.comb += self.o[r].eq(delayed(m, value, late, value.name))
        return m

    def _powers(self, m: Module) -> list[Value]:
        """Y_1 ... Y_p, each a cycle behind the other."""
        splines = self.splines
        shape, half = Range(0, splines.scale).shape, (1 << splines.fraction_bits) >> 1
        powers: list[Value] = []
        place: Value = self.i
        for d in range(1, splines.order + 1):
            product = self._scaled(m, place) if d == 1 else powers[-1] * place
            power = Signal(shape, name=f"power{d}", reset_less=True)
            m.d.sync += power.eq((product + half) >> splines.fraction_bits)
            powers.append(power)
            if d < splines.order:
                place = delayed(m, place, 1, f"place{d}")
        return powers

    def _scaled(self, m: Module, place: Value) -> Value:
        """The place times the scale, of which two digits are usual: an addition."""
        reach = Range(0, (1 << len(place)) - 1)
        terms = [Term(reach, d.shift, d.negative) for d in signed_digits(self.splines.scale)]
        m.submodules.scaled = tree = AdderTree(terms, levels=0)
        for k in range(len(terms)):
            m.d.comb += tree.operand(k).eq(place)
        return tree.o


class TablePieces(SplinePieces):
    """From one table for all cells, read forwards and backwards: a memory with two ports.

    Equals :func:`kanhw.program.functions.splines.table_pieces`. The end of the cell, which only the
    port that reads backwards wants, is no row of the memory but a constant.

    Parameters
    ----------
    splines
        With a table.
    """

    def __init__(self, splines: SplineArithmetic) -> None:
        if splines.table is None:
            raise InputError("These splines have no table: use PolynomialPieces")
        self._table = splines.table
        super().__init__(splines)

    @property
    def costs(self) -> HardwareCosts:
        """The memory with two ports, an address that goes backwards, and registers."""
        bits, value, columns = len(self.i), self.range.format.width, self._table.shape[1]
        return HardwareCosts(
            adder_bits=bits,
            adders=1,
            table_luts=columns * value,
            register_bits=2 * bits + 1 + value * (self.splines.order + 1),
            memories=(memory_shape(self._words()[:-1], columns * value, ports=2),),
        )

    def _words(self) -> list[int]:
        """The rows of the table, the last of which is a constant."""
        return packed_words(self._table, self.range.format.width)

    @property
    def latency(self) -> int:
        """Both addresses, the memory, and the choice of the end."""
        return 3

    def elaborate(self, platform: object) -> Module:
        """Addresses, memory, and registers of the values."""
        m = Module()
        order = self.splines.order
        words, width = self._words(), self.range.format.width
        columns = self._table.shape[1]
        m.submodules.memory = memory = parameter_memory(words[:-1], width * columns)
        forwards = Signal(len(self.i), reset_less=True)
        backwards = Signal(len(self.i), reset_less=True)
        m.d.sync += [forwards.eq(self.i), backwards.eq(-self.i)]
        near, far = memory.read_port(), memory.read_port()
        at_start = Signal(reset_less=True)
        m.d.comb += [near.addr.eq(forwards), far.addr.eq(backwards)]
        # 0 is the mirror image of the end.
        m.d.sync += at_start.eq(forwards == 0)
        end = Const(words[-1], width * columns)
        read = [near.data, Mux(at_start, end, far.data)]
        for r in range(order + 1):
            mirrored = r >= columns
            word = read[mirrored].word_select(order - r if mirrored else r, width)
            value = Signal(self.range.shape, name=f"value{r}", reset_less=True)
            m.d.sync += value.eq(word)
            m.d.comb += self.o[r].eq(value)
        return m


def spline_pieces(splines: SplineArithmetic, *, levels: int = 1) -> SplinePieces:
    """The component that the constants ask for."""
    if splines.table is None:
        return PolynomialPieces(splines, levels=levels)
    return TablePieces(splines)
