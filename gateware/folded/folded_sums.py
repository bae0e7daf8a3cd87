"""The frame of a folded layer's branches: codes of a step in, sums to accumulate out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.terms import Term
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["FoldedSums", "accumulated", "joined_sums", "marks_by_cycle"]


class FoldedSums(Component):
    """A branch: from the inputs of a beat to what they add to a group's outputs, a step a clock.

    Sub-classes make the operands of every output; this class adds them.

    Parameters
    ----------
    fold
        The steps.
    width
        Bits of an input's table address.
    schedule
        Adder levels between registers.
    reach
        Range of what a step adds to an output.

    Members
    -------
    codes : In(array of parallel_inputs table addresses)
    pad : In(parallel_inputs bits), set where an input is absent; only if ``fold.padded``
    step : In(unsigned)
    o : Out(array of parallel_outputs sums), :attr:`latency` cycles later
    """

    def __init__(self, fold: Fold, width: int, schedule: Schedule, reach: Range) -> None:
        self.fold = fold
        self.schedule = schedule
        self.range = reach
        step_bits = max((fold.steps - 1).bit_length(), 1)
        super().__init__(
            {
                "codes": In(data.ArrayLayout(unsigned(width), fold.parallel_inputs)),
                **({"pad": In(unsigned(fold.parallel_inputs))} if fold.padded else {}),
                "step": In(unsigned(step_bits)),
                "o": Out(data.ArrayLayout(reach.shape, fold.parallel_outputs)),
            }
        )

    @property
    @abstractmethod
    def latency(self) -> int:
        """Cycles from codes to sums."""

    @property
    def costs(self) -> HardwareCosts:
        """The hardware that it is made of."""
        return self.source_costs + self.weighting_costs

    @property
    @abstractmethod
    def source_costs(self) -> HardwareCosts:
        """Of what makes values of codes: tables, evaluators."""

    @property
    @abstractmethod
    def weighting_costs(self) -> HardwareCosts:
        """Of the values' weights in memories, products with them, and their sums."""

    def sum_costs(self, terms: Sequence[Term], late: int = 0) -> HardwareCosts:
        """The costs of :meth:`add` for all outputs of a group, which are alike."""
        registers = HardwareCosts(register_bits=self.range.format.width * (1 + late))
        width = self.range.format.width
        own = tree_costs(terms, self.schedule.adder_levels, width) + registers
        return own.times(self.fold.parallel_outputs)

    def present(self, m: Module, lane: int, value: Value, cycles: int) -> Value:
        """A value that a lane's code made some cycles ago, or 0 if the input is absent."""
        if not self.fold.padded:
            return value
        return Mux(delayed(m, self.pad[lane], cycles, f"pad{lane}"), 0, value)

    def add(
        self, m: Module, output: int, operands: list[tuple[Value, Term]], late: int = 0
    ) -> None:
        """Add the operands of an output into a register, and wait ``late`` cycles more."""
        tree = AdderTree([term for _, term in operands], levels=self.schedule.adder_levels)
        m.submodules[f"sum{output}"] = tree
        for k, (value, _) in enumerate(operands):
            m.d.comb += tree.operand(k).eq(value)
        # The range is tight, that of the tree a bound: the bits above this width repeat the sign.
        total = Signal(self.range.shape, name=f"total{output}", reset_less=True)
        m.d.sync += total.eq(tree.o)
        m.d.comb += self.o[output].eq(delayed(m, total, late, f"total{output}"))


def marks_by_cycle(m: Module, marks: Value, cycles: int) -> list[Signal]:
    """Marks of a step as they go along with what is computed of it, a register a cycle."""
    history: list[Signal] = []
    for cycle in range(cycles):
        register = Signal(len(marks), name=f"marks{cycle}")
        m.d.sync += register.eq(history[-1] if history else marks)
        history.append(register)
    return history


def joined_sums(m: Module, branch: int, sums: list[list[Value]]) -> list[Value]:
    """The sums of a branch for every output of a group; those of several parts added in a register.

    Parameters
    ----------
    m
        The pipeline that moves step by step.
    branch
        Its number, for names.
    sums
        ``[parts][outputs]``.
    """
    if len(sums) < 2:
        return [value for part in sums for value in part]
    joined: list[Value] = []
    for j, values in enumerate(zip(*sums, strict=True)):
        added = sum(values[1:], values[0])
        register = Signal(added.shape(), name=f"added{branch}_{j}", reset_less=True)
        m.d.sync += register.eq(added)
        joined.append(register)
    return joined


def accumulated(
    m: Module, branch: int, reach: Range, added: list[Value], *, valid: Value, first: Value
) -> list[Signal]:
    """The accumulators of a group of outputs.

    Parameters
    ----------
    m
        The pipeline that moves step by step.
    branch
        Its number, for names.
    reach
        Range of the sums of a whole group.
    added
        What a step adds to each.
    valid, first
        Whether there is a step, and whether the accumulators start with it.
    """
    # The first step of a group replaces the total instead of adding to it, so that no clock is
    # spent on clearing. Between steps that are not valid the total stays.
    totals = []
    for j, value in enumerate(added):
        total = Signal(reach.shape, name=f"accumulator{branch}_{j}", reset_less=True)
        with m.If(valid):
            m.d.sync += total.eq(value + Mux(first, 0, total))
        totals.append(total)
    return totals
