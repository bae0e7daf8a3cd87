"""The sums of a resident codebook's edges, step by step, for the head of each vector."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from kanhw.formats import CodeFormat, IntArray
from kanhw.gateware.heads.resident_memory import HeadHolder, bank_count, range_over
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs, tree_latency
from kanhw.gateware.parts.costs import HardwareCosts, product_of, table_costs
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.table import Table
from kanhw.gateware.parts.terms import Term
from kanhw.program import ResidentLayer
from kanhw.program.kinds.codebook import CodebookLayer
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["FactorSums", "ResidentSums", "ShapeSums"]


class ResidentSums(HeadHolder):
    """A part of a branch: from the inputs of a beat to what they add to a group's outputs.

    Sub-classes make the products of every lane and output, registered; this class adds them.

    Parameters
    ----------
    layer, fold, schedule
        The heads, the steps, adder levels between registers.
    factors, values
        Ranges of what is multiplied.

    Members
    -------
    moves : In(1)
        Whether the pipeline moves.
    bank, step : In(unsigned)
    codes : In(array of parallel_inputs table addresses)
    o : Out(array of parallel_outputs sums), :attr:`latency` moves later
    """

    def __init__(
        self,
        layer: ResidentLayer,
        fold: Fold,
        schedule: Schedule,
        *,
        branch: int,
        factors: Range,
        values: Range,
    ) -> None:
        self.fold = fold
        self.schedule = schedule
        self.factors, self.values = factors, values
        self.product = factors * values
        self.branch = branch
        reach = Range(min(self.product.lo, 0), max(self.product.hi, 0))
        lanes = fold.parallel_inputs
        self.range = Range(reach.lo * lanes, reach.hi * lanes)
        width = layer.depths[branch].bit_length() - 1
        self._hold(layer)
        super().__init__(
            {
                "moves": In(1),
                "bank": In(unsigned(max((bank_count(layer) - 1).bit_length(), 1))),
                "step": In(unsigned(max((fold.steps - 1).bit_length(), 1))),
                "codes": In(data.ArrayLayout(unsigned(width), lanes)),
                "o": Out(data.ArrayLayout(self.range.shape, fold.parallel_outputs)),
            }
        )

    @property
    def latency(self) -> int:
        """Moves from codes to sums."""
        return (
            self._product_latency
            + tree_latency(self.fold.parallel_inputs, self.schedule.adder_levels)
            + 1
        )

    # Moves from codes to registered products.
    _product_latency: int

    @property
    def costs(self) -> HardwareCosts:
        """The memories of all heads, what reads them, products, sums."""
        lanes, outputs = self.fold.parallel_inputs, self.fold.parallel_outputs
        product = self.product.format.width
        own = (product_of(self.factors, self.values),)
        one = HardwareCosts(products=own, register_bits=product)
        sums = tree_costs([Term(self.product)] * lanes, self.schedule.adder_levels)
        sums += HardwareCosts(register_bits=self.range.format.width)
        total = self.memory_costs + self._lane_costs.times(lanes)
        return total + one.times(lanes * outputs) + sums.times(outputs)

    @property
    def _lane_costs(self) -> HardwareCosts:
        """Of a lane, without its memories of heads and its products."""
        raise NotImplementedError

    def elaborate(self, platform: object) -> Module:
        """Memories beside a pipeline that may be stalled."""
        m, pipeline = Module(), Module()
        m.submodules.pipeline = EnableInserter(self.moves)(pipeline)
        # Memories may be written at any clock, so they are not stalled with the pipeline; their
        # read ports are enabled with it instead, which comes to the same.
        self._place_memories(m)
        for memory in self.memories:
            m.d.comb += [memory.enable.eq(self.moves), memory.bank.eq(self.bank)]
        lanes = [self._lane(m, pipeline, lane) for lane in range(self.fold.parallel_inputs)]
        for output in range(self.fold.parallel_outputs):
            tree = AdderTree([Term(self.product)] * len(lanes), levels=self.schedule.adder_levels)
            pipeline.submodules[f"sum{output}"] = tree
            for k, products in enumerate(lanes):
                pipeline.d.comb += tree.operand(k).eq(products[output])
            total = Signal(self.range.shape, name=f"total{output}", reset_less=True)
            pipeline.d.sync += total.eq(tree.o)
            m.d.comb += self.o[output].eq(total)
        return m

    def _lane(self, m: Module, pipeline: Module, lane: int) -> list[Value]:
        """The registered products of a lane, one per output."""
        raise NotImplementedError

    def _multiplied(
        self, pipeline: Module, name: str, pairs: list[tuple[Value, Value]]
    ) -> list[Value]:
        products = []
        for output, (factor, value) in enumerate(pairs):
            product = Signal(self.product.shape, name=f"{name}_{output}", reset_less=True)
            pipeline.d.sync += product.eq(factor * value)
            products.append(product)
        return products

    def _by_step(self, values: IntArray, lane: int) -> IntArray:
        """Values of edges ``[n_out, n_in]`` in the order of steps; 0 where there is no edge."""
        fold = self.fold
        inputs, outputs = fold.inputs[None, :, lane, None], fold.outputs[:, None]
        there = (inputs >= 0) & (outputs >= 0)
        return np.where(there, values[outputs, inputs], 0).reshape(-1, fold.parallel_outputs)


class ShapeSums(ResidentSums):
    """Gains times shapes: :func:`kanhw.program.functions.tables.codebook_sums` without biases.

    A memory per input lane has index and gain of the edges to all outputs of a group, for every
    head. Every edge of a step has a memory of all shapes, which the heads share.

    Parameters
    ----------
    layer, fold, schedule
        As for :class:`ResidentSums`.
    """

    _product_latency = 3

    def __init__(self, layer: ResidentLayer, fold: Fold, schedule: Schedule) -> None:
        declared = layer.writable.gains if layer.writable else None
        self._index_bits = (len(layer.shapes) - 1).bit_length()
        gains = range_over(declared, [head.gains for head in layer.heads])
        shapes = Range(int(layer.shapes.min()), int(layer.shapes.max()))
        self._gain_format = gains.format
        super().__init__(layer, fold, schedule, branch=0, factors=gains, values=shapes)

    @property
    def _lane_costs(self) -> HardwareCosts:
        """The codes and gains that wait for the edges, and the shapes of every edge."""
        code, outputs = self.codes.shape().elem_shape.width, self.fold.parallel_outputs
        shape = memory_shape(self._shape_words(), self.values.format.width)
        waiting = code + self._gain_format.width * outputs
        return HardwareCosts(register_bits=waiting, memories=(shape,) * outputs)

    @property
    def word_widths(self) -> list[int]:
        """A word per input lane."""
        edge = self._index_bits + self._gain_format.width
        return [edge * self.fold.parallel_outputs] * self.fold.parallel_inputs

    def head_words(self, head: CodebookLayer) -> list[list[int]]:
        """Edges of every lane, the index in the low bits."""
        edges = head.index | (head.gains << self._index_bits)
        # An edge that is not there has a gain of 0.
        width = self._index_bits + self._gain_format.width
        return [
            packed_words(self._by_step(edges, lane), width)
            for lane in range(self.fold.parallel_inputs)
        ]

    def _lane(self, m: Module, pipeline: Module, lane: int) -> list[Value]:
        memory = self.memories[lane]
        m.d.comb += memory.address.eq(self.step)
        code = delayed(pipeline, self.codes[lane], 1, f"code{lane}")
        pairs = []
        for output in range(self.fold.parallel_outputs):
            edge = memory.o.word_select(output, self._index_bits + self._gain_format.width)
            index, gain = edge[: self._index_bits], edge[self._index_bits :]
            if self._gain_format.signed:
                gain = gain.as_signed()
            gain = delayed(pipeline, gain, 1, f"gain{lane}_{output}")
            shape = self._shape(pipeline, f"shape{lane}_{output}", Cat(code, index))
            pairs.append((gain, shape))
        return self._multiplied(pipeline, f"product{lane}", pairs)

    def _shape_words(self) -> list[int]:
        """The values of all shapes, as many as addresses."""
        padding = (1 << self._index_bits) - len(self.layer.shapes)
        values = np.pad(self.layer.shapes, [(0, padding), (0, 0)]).reshape(-1, 1)
        return packed_words(values, self.values.format.width)

    def _shape(self, pipeline: Module, name: str, address: Value) -> Value:
        """A shape's value, a move after its address."""
        form = self.values.format
        memory = parameter_memory(self._shape_words(), form.width)
        pipeline.submodules[name] = memory
        reader = memory.read_port()
        pipeline.d.comb += reader.addr.eq(address)
        return reader.data.as_signed() if form.signed else reader.data


class FactorSums(ResidentSums):
    """Weights times a tabulated value per input, both of a head: base branch, or biases.

    Equals :func:`kanhw.program.functions.tables.basis_table_sums` of one function. A memory per
    input lane has the weights of all outputs of a group, another the values by code.

    Parameters
    ----------
    layer, fold, schedule
        As for :class:`ResidentSums`.
    fields
        Of a head: weights, tables, and which table an input has.
    branch
        Whose codes it reads.
    """

    _product_latency = 2

    def __init__(
        self,
        layer: ResidentLayer,
        fold: Fold,
        schedule: Schedule,
        fields: tuple[str, str, str],
        branch: int,
    ) -> None:
        self._fields = fields
        declared: list[CodeFormat | None] = [
            getattr(layer.writable, field) if layer.writable else None for field in fields[:2]
        ]
        weights, values = (
            range_over(form, [getattr(head, field) for head in layer.heads])
            for form, field in zip(declared, fields[:2], strict=True)
        )
        # Which input a lane holds depends on the beat, which is the step modulo the beats.
        index = getattr(layer.heads[0], fields[2])
        self._kinds = np.where(fold.inputs >= 0, index[fold.inputs], 0)
        self._kind_bits = int(index.max()).bit_length()
        self._weight_format, self._value_format = weights.format, values.format
        super().__init__(layer, fold, schedule, branch=branch, factors=weights, values=values)

    @property
    def _lane_costs(self) -> HardwareCosts:
        """The table of which values an input has, by step."""
        if not self._kind_bits:
            return HardwareCosts()
        return table_costs(len(self.step), self._kind_bits)

    @property
    def word_widths(self) -> list[int]:
        """The weights of every lane, then its values."""
        weights = self._weight_format.width * self.fold.parallel_outputs
        return [weights, self._value_format.width] * self.fold.parallel_inputs

    def head_words(self, head: CodebookLayer) -> list[list[int]]:
        """As the widths are ordered."""
        weights, tables = (getattr(head, field) for field in self._fields[:2])
        tables = tables.reshape(len(tables), -1)
        padding = (1 << self._kind_bits) - len(tables)
        values = np.pad(tables, [(0, padding), (0, 0)]).reshape(-1, 1)
        words = []
        for lane in range(self.fold.parallel_inputs):
            by_step = self._by_step(weights.reshape(weights.shape[:2]), lane)
            words += [
                packed_words(by_step, self._weight_format.width),
                packed_words(values, self._value_format.width),
            ]
        return words

    def _lane(self, m: Module, pipeline: Module, lane: int) -> list[Value]:
        weights, values = self.memories[2 * lane : 2 * lane + 2]
        code = self.codes[lane]
        m.d.comb += [
            weights.address.eq(self.step),
            values.address.eq(Cat(code, self._kind(m, lane))),
        ]
        value = values.o.as_signed() if self._value_format.signed else values.o
        pairs = []
        for output in range(self.fold.parallel_outputs):
            weight = weights.o.word_select(output, self._weight_format.width)
            if self._weight_format.signed:
                weight = weight.as_signed()
            pairs.append((weight, value))
        return self._multiplied(pipeline, f"product{lane}", pairs)

    def _kind(self, m: Module, lane: int) -> Value:
        """The number of the table that the input of a lane has, by step."""
        if not self._kind_bits:
            return Cat()
        kinds = np.tile(self._kinds[:, lane], self.fold.groups).tolist()
        table = Table((*kinds, *[0] * ((1 << len(self.step)) - len(kinds))), registered=False)
        m.submodules[f"kind{lane}"] = table
        m.d.comb += table.i.eq(self.step)
        return Cat(table.o, *[0] * (self._kind_bits - len(table.o)))
