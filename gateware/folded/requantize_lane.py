"""From the accumulators of one output a clock to its codes."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Shape, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import CodeFormat, IntArray
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.range_clamp import RangeClamp, clamp_of
from kanhw.gateware.parts.saturator import Saturator
from kanhw.gateware.parts.signals import Range, delayed, shape_of
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.program import Requantizer
from kanhw.program.kinds.resident import HeadRequantizer
from kanhw.targets.lut import LUT_INPUTS

__all__ = ["LaneCode", "RequantizeLane", "lane_clamp", "output_shape"]

# A factor that all outputs have in common is this many shifted additions at most.
COMMON_DIGITS = 2


class RequantizeLane(Component):
    """Joins, rounds and saturates the accumulators of one output a clock.

    Equals :meth:`kanhw.program.Requantizer.sums` and :meth:`~kanhw.program.Requantizer.codes`
    (minus the smallest code, which makes it a table address). The outputs take turns; their
    multipliers and biases are tables addressed by the turn.

    Parameters
    ----------
    requantizer
        What to compute; its ``sum_format`` is known.
    accumulators
        Range of every branch's accumulator; 0 to 0 for one that is not there.
    outputs
        ``[turns]``: which output it is; -1 for none, which gives anything.

    Members
    -------
    turn : In(unsigned)
    a0, a1, ... : In(shape of the accumulator's range)
    o : Out(a table address, or a sum where the requantizer hands these out)
    """

    def __init__(
        self, requantizer: Requantizer, accumulators: tuple[Range, ...], outputs: IntArray
    ) -> None:
        self._requantizer = requantizer
        self._accumulators = accumulators
        # No output, -1, counts as the last.
        self._factors = requantizer.multipliers[:, outputs]
        half = 1 << (requantizer.shift - 1) if requantizer.shift else 0
        sums = requantizer.sum_format
        # Known once the layer is part of a Program.
        bounds = Range(sums.lo, sums.hi) if sums else Range(0, 0)
        origin = 0
        if requantizer.format is not None:
            origin = half - (requantizer.format.lo << requantizer.shift)
        self._constants = requantizer.bias[outputs] + origin
        self._total = Range(bounds.lo + origin, bounds.hi + origin)
        self._turn_bits = max((len(outputs) - 1).bit_length(), 1)
        varying = [b for b, reach in enumerate(accumulators) if reach != Range(0, 0)]
        self._common = [b for b in varying if self._is_common(b)]
        self._multipliers = self._chain([b for b in varying if not self._is_common(b)])
        self._code = LaneCode(requantizer, self._total, outputs)
        super().__init__(
            {
                "turn": In(unsigned(self._turn_bits)),
                **{f"a{b}": In(reach.shape) for b, reach in enumerate(accumulators)},
                "o": Out(output_shape(requantizer)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from accumulators to code."""
        return 2 + sum(unit.latency for _, _, unit in self._multipliers) + self._code.latency

    @property
    def costs(self) -> HardwareCosts:
        """Tables by turn, the first sum, multipliers, saturation."""
        total = self._turn_costs(self._constants)
        total += tree_costs(self._terms(), 0) + HardwareCosts(
            register_bits=self._total.format.width
        )
        for b, factors, unit in self._multipliers:
            # The accumulator waits for the first sum.
            total += self._turn_costs(factors) + unit.costs_of(factors)
            total += HardwareCosts(register_bits=2 * self._accumulators[b].format.width)
        return total + self._code.costs

    def _turn_costs(self, values: IntArray) -> HardwareCosts:
        return HardwareCosts() if (values == values[0]).all() else self._table(values).costs

    def elaborate(self, platform: object) -> Module:
        """Bias and common factors first, then multiplier behind multiplier, then saturation."""
        m = Module()
        # Clock 1 reads the bias by turn, clock 2 adds to it whatever needs no multiplier. From here
        # on `time` is how many clocks `total` is behind the accumulators.
        total = self._first_sum(m)
        time = 2
        # Each multiplier adds its product to the sum so far, as DSP blocks in a column do. Its
        # accumulator and its factor are delayed until that sum arrives.
        for b, factors, unit in self._multipliers:
            m.submodules[f"multiplier{b}"] = unit
            m.d.comb += [
                unit.a.eq(self._by_turn(m, f"factor{b}", factors, time)),
                unit.b.eq(delayed(m, getattr(self, f"a{b}"), time, f"accumulator{b}")),
                unit.c.eq(total),
            ]
            total, time = unit.o, time + unit.latency
        self._code.connect(m, m, self, total, time)
        return m

    def _is_common(self, branch: int) -> bool:
        """True where all outputs have the same simple factor in a branch."""
        factors = self._factors[branch]
        same = bool((factors == factors[0]).all())
        return same and len(signed_digits(int(factors[0]))) <= COMMON_DIGITS

    def _terms(self) -> list[Term]:
        """The terms of the first sum: shifted accumulators, then the constant."""
        terms = [
            Term(self._accumulators[b], digit.shift, digit.negative)
            for b in self._common
            for digit in signed_digits(int(self._factors[b, 0]))
        ]
        return [*terms, Term(_range_of(self._constants))]

    def _chain(self, branches: list[int]) -> list[tuple[int, IntArray, Multiplier]]:
        """The branches with a multiplier, which add to the first sum one after the other."""
        reach = Range(0, 0)
        for term in self._terms():
            reach = reach + term.value_range
        units = []
        for k, b in enumerate(branches):
            factors = _range_of(self._factors[b])
            output = self._total if k == len(branches) - 1 else None
            unit = Multiplier(factors, self._accumulators[b], reach, output=output)
            units.append((b, self._factors[b], unit))
            reach = unit.range
        return units

    def _first_sum(self, m: Module) -> Value:
        """The sum of everything that needs no multiplier, registered in the second cycle."""
        terms = self._terms()
        m.submodules.first_sum = tree = AdderTree(terms, levels=0)
        operands = [
            delayed(m, getattr(self, f"a{b}"), 1, f"common{b}")
            for b in self._common
            for _ in signed_digits(int(self._factors[b, 0]))
        ]
        operands.append(self._by_turn(m, "constant", self._constants, 1))
        for k, operand in enumerate(operands):
            m.d.comb += tree.operand(k).eq(operand)
        reach = tree.range if self._multipliers else self._total
        total = Signal(reach.shape, name="first_total", reset_less=True)
        m.d.sync += total.eq(tree.o)
        return total

    def _by_turn(self, m: Module, name: str, values: IntArray, time: int) -> Value:
        """The value of the output whose turn it was ``time`` cycles ago."""
        reach = _range_of(values)
        if reach.lo == reach.hi:
            return Const(reach.lo, reach.shape)
        table = self._table(values)
        m.submodules[name] = table
        m.d.comb += table.i.eq(delayed(m, self.turn, time - 1, f"{name}_turn"))
        return table.o

    def _table(self, values: IntArray) -> Table:
        """One entry a turn; the last is repeated up to a power of two."""
        depth = 1 << self._turn_bits
        return Table((*values.tolist(), *[int(values[-1])] * (depth - len(values))))


def _range_of(values: IntArray) -> Range:
    return Range(int(values.min()), int(values.max()))


class LaneCode:
    """The end of a lane: from its last sum to a code, or to a sum where there is no code.

    Parameters
    ----------
    requantizer
        Of the outputs, or of those of all heads.
    sums
        Range of the last sum, which half of what rounding drops and the smallest code are part of.
    outputs
        ``[turns]``: which output it is; -1 for none, which gives anything.
    """

    def __init__(
        self, requantizer: Requantizer | HeadRequantizer, sums: Range, outputs: IntArray
    ) -> None:
        self._requantizer = requantizer
        self._sums = sums
        self._clamp = lane_clamp(requantizer, outputs)

    @property
    def latency(self) -> int:
        """Cycles from sum to code."""
        return 1 + (self._clamp.latency if self._clamp else 0)

    @property
    def costs(self) -> HardwareCosts:
        """Saturation and the clamp, or a register."""
        format = self._requantizer.format
        if format is None:
            return HardwareCosts(register_bits=self._requantizer.output_format.width)
        above = self._sums.format.width - self._requantizer.shift
        luts = format.width + above // LUT_INPUTS
        own = HardwareCosts(choice_luts=luts, register_bits=format.width)
        return own + self._clamp.costs if self._clamp else own

    def connect(
        self, m: Module, pipeline: Module, lane: Component, total: Value, time: int
    ) -> None:
        """Put it between a lane's last sum and its output.

        Parameters
        ----------
        m, pipeline
            Where connections go, and where registers go, which move together.
        lane
            With the ports ``turn`` and ``o``.
        total, time
            The last sum, and how many cycles it is behind the turn.
        """
        format = self._requantizer.format
        if format is None:
            # A register in place of the saturator's, so that lanes of both kinds take as long.
            result = Signal(lane.o.shape(), reset_less=True)
            pipeline.d.sync += result.eq(total)
            m.d.comb += lane.o.eq(result)
            return
        # Half of what the shift drops and the smallest code are in the sum already: the saturator
        # shifts, limits, and has the register.
        saturator = Saturator(self._sums, self._requantizer.shift, format.width)
        pipeline.submodules.saturator = saturator
        m.d.comb += saturator.i.eq(total)
        if self._clamp is None:
            m.d.comb += lane.o.eq(saturator.o)
            return
        pipeline.submodules.clamp = self._clamp
        m.d.comb += [
            self._clamp.turn.eq(delayed(pipeline, lane.turn, time, "clamp_turn")),
            self._clamp.i.eq(saturator.o),
            lane.o.eq(self._clamp.o),
        ]


def output_shape(requantizer: Requantizer) -> Shape:
    """Of a code, from 0 on, or of a sum where there is no code."""
    format: CodeFormat | None = requantizer.format
    return unsigned(format.width) if format else shape_of(requantizer.output_format)


def lane_clamp(requantizer: Requantizer, outputs: IntArray) -> RangeClamp | None:
    """The clamp behind the saturation of outputs that take turns; None where all have all codes.

    Parameters
    ----------
    requantizer
        Theirs.
    outputs
        ``[turns]``: which output it is; -1 for none, which gives anything.
    """
    format = requantizer.format
    if format is None or not requantizer.ranged:
        return None
    lo, hi = (end[outputs] - format.lo for end in requantizer.code_ends)
    return clamp_of(format.width, lo, hi)
