"""What an unrolled layer is made of, counted from the operands that its adders would get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from amaranth.hdl import Module, Signal, Value

from kanhw.gateware.fabric import Fabric, Place, TableBank
from kanhw.gateware.parts.costs import HardwareCosts, delay_costs
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.unrolled.operand import Operand

if TYPE_CHECKING:
    from kanhw.gateware.unrolled.layer_core import LayerCore

__all__ = ["CoreCosts", "CountedTables", "counted_core"]


@dataclass(frozen=True)
class CoreCosts:
    """Costs of an unrolled layer by what they are for.

    Parameters
    ----------
    sources
        What makes values of codes: tables and evaluators.
    sums
        Multiples of these values and their addition, up to the accumulators; to the sum that is
        rounded where an output needs no join.
    joins
        From accumulators to what leaves: multipliers, rounding, saturation, waiting.
    """

    sources: HardwareCosts = field(default_factory=HardwareCosts)
    sums: HardwareCosts = field(default_factory=HardwareCosts)
    joins: HardwareCosts = field(default_factory=HardwareCosts)

    @property
    def total(self) -> HardwareCosts:
        """All of them."""
        return self.sources + self.sums + self.joins

    def __add__(self, other: CoreCosts) -> CoreCosts:
        return CoreCosts(
            self.sources + other.sources, self.sums + other.sums, self.joins + other.joins
        )


def counted_core(core: LayerCore, wanted: Collection[tuple[int, int]] | None = None) -> CoreCosts:
    """The costs of a core's tables, sums, joins, saturation and registers.

    Every output is gone through as it is when it is built, but that nothing is.

    Parameters
    ----------
    core
        The core; its ``read`` says afterwards which inputs are.
    wanted
        By requantizer and number, the outputs that are read: synthesis takes away the others, and
        all that is there for them alone. None: all are.
    """
    return _Count(core, wanted).costs()


class CountedTables(TableBank):
    """Tables that are counted and not made.

    Bits that tables of the same input have in common are one: synthesis merges them.

    Parameters
    ----------
    fabric
        Whose tables they would be.
    registered
        Whether a register follows every table.
    """

    def __init__(self, fabric: Fabric, *, registered: bool) -> None:
        self._fabric = fabric
        self._registered = registered
        self._outputs: dict[tuple[object, ...], Value] = {}
        self._tables: dict[Place, list[MinimisedTable]] = defaultdict(list)

    def output(
        self, m: Module, input: Place, address: Value, table: MinimisedTable, pad: Value | None
    ) -> Value:
        """A signal in place of a table's output."""
        key = (input, table.values, table.padding)
        if key not in self._outputs:
            self._tables[input].append(table)
            shape = Range(min(table.outputs), max(table.outputs)).shape
            self._outputs[key] = Signal(shape, name="table")
        return self._outputs[key]

    def finish(self, m: Module, platform: object) -> None:
        """Nothing is left to do."""

    @property
    def costs(self) -> HardwareCosts:
        """Of all tables that were asked for."""
        return self._fabric.table_costs(self._tables, registered=self._registered)


class _Count:
    """The costs of one core."""

    def __init__(self, core: LayerCore, wanted: Collection[tuple[int, int]] | None) -> None:
        self._core = core
        self._wanted = wanted
        self._bank = CountedTables(core.fabric, registered=core.schedule.tables_registered)
        # Products with constants are made in it, and nobody elaborates it.
        self._m = Module()

    def costs(self) -> CoreCosts:
        """Of everything."""
        core, total = self._core, CoreCosts(sources=self._core.source_costs)
        core.forget()
        core._bank = self._bank
        for j in range(core.layer.n_out):
            ends = [r for r in range(len(core.layer.requantizers)) if self._is_wanted(r, j)]
            if not ends:
                continue
            if core._direct(j):
                operands, remaining = core.operands(
                    self._m, core._branches, j, core._constant(0, j)
                )
                total += self._finished(0, j, operands, remaining)
                continue
            accumulators = []
            for branch in core._branches:
                own, found = self._accumulator(branch, j)
                total += CoreCosts(sums=own)
                accumulators.append(found)
            for r in ends:
                total += self._finished(r, j, core._join(r, j, accumulators), 0)
        return total + CoreCosts(sources=self._bank.costs)

    def _is_wanted(self, r: int, j: int) -> bool:
        return self._wanted is None or (r, j) in self._wanted

    def _accumulator(self, branch: int, j: int) -> tuple[HardwareCosts, tuple[Value, Range, int]]:
        core = self._core
        operands, remaining = core.operands(self._m, (branch,), j, None)
        terms = _terms(operands)
        if not terms:
            return HardwareCosts(), (Signal(1), Range(0, 0), remaining)
        own, latency, reach = core.fabric.tree_costs(terms, core.schedule.adder_levels, None)
        waiting = 1 + core._accumulator_latency(j) - latency
        own += delay_costs(waiting, reach.format.width)
        return own, (Signal(reach.shape), reach, remaining)

    def _finished(self, r: int, j: int, operands: list[Operand], remaining: int) -> CoreCosts:
        core = self._core
        terms = _terms(operands) or [Term(Range(0, 0))]
        bound = core._sums(r, j, remaining)
        requantizer = core.layer.requantizers[r]
        tree, latency, reach = core.fabric.tree_costs(
            terms, core.schedule.adder_levels, bound, requantizer.shift
        )
        width = reach.format.width
        if requantizer.format is None:
            result = HardwareCosts(register_bits=width)
        else:
            address, clamp = core.outputs[r][j], core._clamps.get((r, j))
            cycles = core._result_latency(r, j) - (clamp is not None)
            result = core.fabric.saturator_costs(
                reach, remaining, requantizer.shift, address, cycles
            )
            width = address.width
            if clamp is not None:
                result += clamp.costs
        waiting = core.latency - core._output_cycles(r, j, latency)
        result += delay_costs(waiting, width)
        if core._direct(j):
            return CoreCosts(sums=tree, joins=result)
        return CoreCosts(joins=tree + result)


def _terms(operands: list[Operand]) -> list[Term]:
    """The terms of a sum, each with the number of what it is a multiple of."""
    return [replace(operand.term, source=id(operand.value)) for operand in operands]
