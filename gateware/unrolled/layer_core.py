"""The frame of unrolled layers: from operands to sums, from sums to codes, all in one latency."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, cast

import numpy as np
from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.gateware.fabric import Place, Reading, TableBank, Window, fabric_named
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.minimise import MinimisedTable
from kanhw.gateware.parts.signals import Range, delayed, shape_of
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.stream.stage import Payload, vector_layout
from kanhw.gateware.unrolled.core_costs import CoreCosts, counted_core
from kanhw.gateware.unrolled.operand import Operand, constant_operand
from kanhw.gateware.unrolled.output_addresses import (
    output_addresses,
    output_clamp,
    output_payload,
    table_interval,
)
from kanhw.program import Interval, ProgramLayer
from kanhw.schedule.schedule import Schedule

__all__ = ["LayerCore"]


class LayerCore(Component):
    """A layer of a Program, unrolled: takes a vector at every clock, answers after ``latency``.

    Every output is computed by itself, from left to right:

        table addresses -> operands -> adder tree -> saturator -> table address

    Operands are the values that an adder tree adds up: outputs of tables, or products with constant
    weights as shifted values. Sub-classes make them (:meth:`operands`); this class does the rest.
    Where the branches of an output have multipliers of their own, or several requantizers use them,
    each branch has an adder tree and a register first (its accumulator), and a second tree adds
    their multiples (the join). What is quicker than the slowest output waits for it at the end.

    Between layers travel table addresses (:class:`~kanhw.gateware.parts.address.Address`).

    Parameters
    ----------
    layer
        The layer.
    inputs
        The addresses of every stream of the layer before, ``[streams][n_in]``.
    schedule
        Adder levels between registers; whether tables are registered; the fabric.
    as_codes
        Which of the layer's streams must leave as codes, not as raw sums.

    Members
    -------
    i0, i1, ... : In(struct of n_in unsigned addresses "0", "1" ...), one per stream
    pad : In(n_in), which inputs are absent; only where some may be
    o0, o1, ... : Out(struct of n_out), one per requantizer: unsigned addresses, or signed sums
        where the requantizer hands out its sums
    """

    def __init__(
        self,
        layer: ProgramLayer,
        inputs: tuple[tuple[Address, ...], ...],
        schedule: Schedule,
        *,
        as_codes: tuple[bool, ...],
    ) -> None:
        self.layer = layer
        self.inputs = inputs
        self.schedule = schedule
        self.fabric = fabric_named(schedule.fabric)
        self._as_codes = as_codes
        self._bank: TableBank
        self._accumulators = self.accumulator_intervals()
        self.outputs = output_addresses(layer, self._accumulators, as_codes, self.fabric)
        self._clamps = {
            (r, j): clamp
            for r, requantizer in enumerate(layer.requantizers)
            if as_codes[r] and requantizer.ranged
            for j in range(requantizer.n_out)
            if (clamp := output_clamp(requantizer, j)) is not None
        }
        self._paths = {
            (r, j): self._path_latency(r, j)
            for r in range(len(layer.requantizers))
            for j in range(layer.n_out)
        }
        members = {
            f"i{k}": In(vector_layout([unsigned(address.width) for address in stream]))
            for k, stream in enumerate(inputs)
        }
        if any(address.padded for stream in inputs for address in stream):
            members["pad"] = In(unsigned(layer.n_in))
        for k, requantizer in enumerate(layer.requantizers):
            shapes = [self._output_shape(k, j) for j in range(requantizer.n_out)]
            members[f"o{k}"] = Out(vector_layout(shapes))
        super().__init__(members)

    @classmethod
    def costs(cls, layer: ProgramLayer) -> HardwareCosts:
        """The costs of a layer's hardware, counted without building it.

        Every sub-class says it for its kind: what makes the operands and adds them up, then
        :func:`~kanhw.gateware.unrolled.unrolled_costs.join_costs`.

        Raises
        ------
        InputError
            If a sub-class does not say it: the name of the kind, and what is missing.
        """
        raise InputError(
            f"There are no costs of layers of kind {layer.kind!r}, so they cannot be modelled: "
            f"give {cls.__name__} a class method costs(layer)"
        )

    @classmethod
    def merging(cls, layer: ProgramLayer, schedule: Schedule) -> HardwareCosts:
        """What merging tables takes off :meth:`costs`: nothing, unless a sub-class sums tables."""
        return HardwareCosts()

    @property
    def own_costs(self) -> HardwareCosts:
        """The costs of this core, from the operands that it adds."""
        return self.own_parts.total

    @property
    def own_parts(self) -> CoreCosts:
        """The same by what they are for."""
        return counted_core(self)

    @property
    def source_costs(self) -> HardwareCosts:
        """Of what makes operands and is no table."""
        return HardwareCosts()

    @property
    @abstractmethod
    def source_latency(self) -> int:
        """Cycles from addresses to operands."""

    @abstractmethod
    def operands(
        self, m: Module, branches: tuple[int, ...], j: int, constant: int | None
    ) -> tuple[list[Operand], int]:
        """The operands of one adder tree of output j, and a constant that their sum lacks.

        The sum of the operands plus the constant returned is the sum of the branches' accumulators,
        plus ``constant`` where that is given. What operands lack comes from the offsets that were
        taken out of tables (:class:`~kanhw.gateware.parts.minimise.MinimisedTable`).

        Parameters
        ----------
        m
            Where tables and products go, which are :attr:`source_latency` cycles behind addresses.
        branches
            All branches where one tree makes the output; one of them for its accumulator.
        j
            The output.
        constant
            Bias, rounding and origin, where the tree is followed by a saturator. The constant
            returned is then 0, or what :meth:`window` allows to be left to the saturator. None for
            an accumulator: the join multiplies the constant returned and adds it.
        """

    @abstractmethod
    def operand_count(self, branches: tuple[int, ...], j: int, constant: int | None) -> int:
        """The number of operands that :meth:`operands` gives."""

    def accumulator_intervals(self) -> tuple[Interval, ...]:
        """Bounds of the accumulators over all addresses that can occur."""
        reach = tuple(table_interval(self.inputs[stream]) for stream in self.layer.streams)
        missing = np.array([address.padded for address in self.inputs[self.layer.streams[0]]])
        if missing.any():
            # Only the layers that a convolution holds know of absent inputs.
            return cast(Any, self.layer).accumulator_intervals(reach, missing)
        return self.layer.accumulator_intervals(reach)

    @property
    def payload(self) -> Payload:
        """The payload that leaves, as the next stage takes it."""
        return output_payload(self.layer, self.outputs)

    @property
    def latency(self) -> int:
        """Cycles from addresses in to codes out."""
        return max(self._paths.values())

    def address(self, branch: int, i: int) -> Value:
        """Table address of input i in a branch."""
        self.read.add((self.layer.streams[branch], i))
        stream = getattr(self, f"i{self.layer.streams[branch]}")
        value: Value = stream[str(i)]
        return value

    def _output_shape(self, r: int, j: int) -> Shape:
        requantizer = self.layer.requantizers[r]
        if requantizer.format is None:
            return shape_of(requantizer.output_format)
        return unsigned(self.outputs[r][j].width)

    def _direct(self, j: int) -> bool:
        """True where output j needs no join: its branches are in the right scale, for one code."""
        requantizers = self.layer.requantizers
        return len(requantizers) == 1 and bool((requantizers[0].multipliers[:, j] == 1).all())

    @property
    def _branches(self) -> tuple[int, ...]:
        return tuple(range(len(self.layer.branches)))

    def window(self, r: int, j: int) -> Window | None:
        """The low bits that the saturator of output j wants added up; None for the whole sum."""
        requantizer = self.layer.requantizers[r]
        if requantizer.format is None:
            return None
        signed = self._as_codes[r] and requantizer.format.signed
        return self.fabric.window(self.outputs[r][j], requantizer.shift, signed=signed)

    def _constant(self, r: int, j: int) -> int:
        """The constant of output j: bias, rounding, and the address's origin."""
        requantizer = self.layer.requantizers[r]
        bias = int(requantizer.bias[j])
        if requantizer.format is None:
            return bias
        half = 1 << (requantizer.shift - 1) if requantizer.shift else 0
        origin = requantizer.format.lo + self.outputs[r][j].offset
        return bias + half - (origin << requantizer.shift)

    def _accumulator_latency(self, j: int) -> int:
        return max(
            self._tree_latency(self.operand_count((branch,), j, None))
            for branch in self._branches
        )

    def _tree_latency(self, count: int) -> int:
        return self.fabric.tree_latency(count, self.schedule.adder_levels)

    def _result_latency(self, r: int, j: int) -> int:
        """Of the register behind the last sum."""
        if self.layer.requantizers[r].format is None:
            return 1
        saturator = self.fabric.saturator_latency(
            self.outputs[r][j], last=self._as_codes[r], outputs=len(self.outputs[r])
        )
        return saturator + ((r, j) in self._clamps)

    def _path_latency(self, r: int, j: int) -> int:
        requantizer, result = self.layer.requantizers[r], self._result_latency(r, j)
        constant = self._constant(r, j)
        if self._direct(j):
            inner = self._tree_latency(self.operand_count(self._branches, j, constant))
            return self.source_latency + inner + result
        digits = sum(len(signed_digits(int(f))) for f in requantizer.multipliers[:, j])
        # The constant of a join is not known before the operands are: it always has its place.
        accumulator = self._accumulator_latency(j) + 1
        return self.source_latency + accumulator + self._tree_latency(digits + 1) + result

    def elaborate(self, platform: object) -> Module:
        """Every output by itself, from its operands to its delayed code."""
        m = Module()
        self.forget()
        self._bank = self.fabric.bank(registered=self.schedule.tables_registered)
        for j in range(self.layer.n_out):
            # One tree for everything, or a tree a branch and one to join them.
            if self._direct(j):
                operands, remaining = self.operands(m, self._branches, j, self._constant(0, j))
                self._finish(m, 0, j, operands, remaining)
                continue
            accumulators = [self._accumulator(m, branch, j) for branch in self._branches]
            for r in range(len(self.layer.requantizers)):
                self._finish(m, r, j, self._join(r, j, accumulators), 0)
        self._bank.finish(m, platform)
        return m

    def forget(self) -> None:
        """Begin anew with what is made once however many ask for it, and with what is read."""
        self._tables: dict[tuple[object, ...], Value] = {}
        self.read: set[tuple[int, int]] = set()

    def place(self, branch: int, i: int) -> Place:
        """What a table reads that reads input i, all of its address."""
        width = self.inputs[self.layer.streams[branch]][i].width
        return (Reading(branch, i, tuple(range(width))),)

    def table(self, m: Module, place: Place, table: MinimisedTable) -> Value:
        """Output of a table, made once however many ask for it."""
        pad = None if table.padding is None else self.pad[place[0].input]
        streams = tuple(replace(r, branch=self.layer.streams[r.branch]) for r in place)
        words = [self._word(reading) for reading in place]
        address = words[0] if len(words) == 1 else Cat(*words)
        return self._bank.output(m, streams, address, table, pad)

    def _word(self, reading: Reading) -> Value:
        address = self.address(reading.branch, reading.input)
        if reading.bits == tuple(range(len(address))):
            return address
        return Cat(*(address[bit] for bit in reading.bits))

    def _accumulator(self, m: Module, branch: int, j: int) -> tuple[Value, Range, int]:
        """A registered accumulator, its range, and the constant that its users have to add."""
        operands, remaining = self.operands(m, (branch,), j, None)
        if not operands:
            return Const(0, 1), Range(0, 0), remaining
        # A register divides the tree of a branch from that of the join, and all accumulators of an
        # output wait for the slowest.
        name = self.layer.branches[branch]
        tree = self._tree(m, operands, f"{name}_sum{j}")
        register = Signal(tree.range.shape, name=f"{name}{j}", reset_less=True)
        m.d.sync += register.eq(tree.o)
        waiting = self._accumulator_latency(j) - tree.latency
        return delayed(m, register, waiting, register.name), tree.range, remaining

    def _join(self, r: int, j: int, accumulators: list[tuple[Value, Range, int]]) -> list[Operand]:
        # A multiple of an accumulator is a few shifted copies of it; what it lacks is multiplied
        # with it, which makes it a part of the constant.
        requantizer = self.layer.requantizers[r]
        constant, operands = self._constant(r, j), []
        for factor, (value, range, remaining) in zip(
            requantizer.multipliers[:, j].tolist(), accumulators, strict=True
        ):
            constant += factor * remaining
            operands += [
                Operand(value, Term(range, digit.shift, digit.negative))
                for digit in signed_digits(factor)
                if range != Range(0, 0)
            ]
        return operands + constant_operand(constant)

    def _tree(
        self, m: Module, operands: list[Operand], name: str, bound: Range | None = None
    ) -> Any:
        tree = self.fabric.tree([o.term for o in operands], self.schedule.adder_levels, bound)
        m.submodules[name] = tree
        for k, operand in enumerate(operands):
            m.d.comb += tree.operand(k).eq(operand.value)
        return tree

    def _finish(self, m: Module, r: int, j: int, operands: list[Operand], remaining: int) -> None:
        """Add, round, saturate, register, and wait for the slowest output."""
        requantizer = self.layer.requantizers[r]
        operands = operands or [Operand(Const(0, 1), Term(Range(0, 0)))]
        bound = self._sums(r, j, remaining)
        tree = self._tree(m, operands, f"sum{r}_{j}", bound)
        if requantizer.format is None:
            result = Signal(tree.range.shape, name=f"result{r}_{j}", reset_less=True)
            m.d.sync += result.eq(tree.o)
        else:
            address = self.outputs[r][j]
            clamp = self._clamps.get((r, j))
            cycles = self._result_latency(r, j) - (clamp is not None)
            saturator: Any = self.fabric.saturator(
                tree.range, remaining, requantizer.shift, address, cycles
            )
            m.submodules[f"saturator{r}_{j}"] = saturator
            m.d.comb += saturator.i.eq(tree.o)
            result = saturator.o
            if clamp is not None:
                m.submodules[f"clamp{r}_{j}"] = clamp
                m.d.comb += clamp.i.eq(result)
                result = clamp.o
        # Trees of several depths end here; codes are the narrowest thing to delay.
        cycles = self._output_cycles(r, j, tree.latency)
        output = delayed(m, result, self.latency - cycles, f"output{r}_{j}")
        m.d.comb += getattr(self, f"o{r}")[str(j)].eq(output)

    def _sums(self, r: int, j: int, remaining: int) -> Range:
        """Bounds of what the operands add up to, which their own ranges may exceed."""
        requantizer = self.layer.requantizers[r]
        sums = requantizer.sum_interval(self._accumulators)
        more = self._constant(r, j) - int(requantizer.bias[j]) - remaining
        return Range(int(sums.lo[j]) + more, int(sums.hi[j]) + more)

    def _output_cycles(self, r: int, j: int, tree_latency: int) -> int:
        """Cycles from operands to output j as built: a join without a constant may be shorter."""
        cycles: int = self.source_latency + tree_latency + self._result_latency(r, j)
        return cycles if self._direct(j) else cycles + self._accumulator_latency(j) + 1
