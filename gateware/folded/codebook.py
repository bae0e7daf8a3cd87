"""Codebooks, folded: the shapes stay in small memories, an edge is an index and a gain."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Module, Signal, Value

from kanhw.formats import IntArray
from kanhw.gateware.folded.folded_sums import FoldedSums
from kanhw.gateware.parts.adder_tree import tree_latency
from kanhw.gateware.parts.costs import HardwareCosts, products_of
from kanhw.gateware.parts.parameter_memory import memory_shape, packed_words, parameter_memory
from kanhw.gateware.parts.signals import Range, delayed
from kanhw.gateware.parts.terms import Term
from kanhw.schedule.fold import Fold
from kanhw.schedule.schedule import Schedule

__all__ = ["CodebookSums"]

# Read ports of a memory of shapes: those of a block RAM.
PORTS = 2


class CodebookSums(FoldedSums):
    """The shapes of a codebook times gains, step by step.

    Over all steps of a group its outputs add up to
    :func:`kanhw.program.functions.tables.codebook_sums` without biases.

    An input of a step has a memory with the indices and gains of its edges to all outputs of the
    group. All shapes are in a memory that is addressed by index and code; it has two read ports, so
    that two edges of a step share one block RAM.

    Parameters
    ----------
    fold, schedule
        As for :class:`~kanhw.gateware.folded.folded_sums.FoldedSums`.
    shapes, index, gains
        As for the reference.
    """

    def __init__(
        self, fold: Fold, schedule: Schedule, shapes: IntArray, index: IntArray, gains: IntArray
    ) -> None:
        self._shapes = shapes
        self._index = index
        self._gains = gains
        # An input that is not there has a gain of 0.
        filling = [0] if (fold.inputs < 0).any() else []
        self._gain_range = Range(
            min([int(gains.min()), *filling]), max([int(gains.max()), *filling])
        )
        self._shape_range = Range(int(shapes.min()), int(shapes.max()))
        reach = _reach(shapes, index, gains)
        super().__init__(
            fold,
            shapes.shape[1].bit_length() - 1,
            schedule,
            Range(reach.lo * fold.parallel_inputs, reach.hi * fold.parallel_inputs),
        )

    @property
    def latency(self) -> int:
        """Cycles from codes to sums: indices and gains, shapes, products, adders."""
        products = int(self._gain_bits > 0)
        tree = tree_latency(self.fold.parallel_inputs, self.schedule.adder_levels)
        return 2 + products + tree + 1

    @property
    def source_costs(self) -> HardwareCosts:
        """Memories of shapes, and codes that wait for their index."""
        width, words = self._shape_range.format.width, self._shape_words()
        one, both = (memory_shape(words, width, ports=ports) for ports in (1, PORTS))
        waiting = self.codes.shape().elem_shape.width * self.fold.parallel_inputs
        # An edge with the same shape in all steps has nothing but that one left of a table.
        mask = (1 << self._index_bits) - 1
        always = [
            int(index[0])
            for lane in range(self.fold.parallel_inputs if both.content and mask else 0)
            for index in (self._memory(lane) & mask).T
            if (index == index[0]).all()
        ]
        alone = (memory_shape(self._shape_words(index), width) for index in always)
        pairs, rest = divmod(self._step_edges - len(always), PORTS)
        memories = (*alone, *(both,) * pairs, *(one,) * rest)
        return HardwareCosts(register_bits=waiting, memories=memories)

    @property
    def weighting_costs(self) -> HardwareCosts:
        """Memories of edges, products, adders."""
        fold, edges = self.fold, self._step_edges
        reach = self._gain_range * self._shape_range
        bits, others = self._index_bits + self._gain_bits, set[bytes]()
        # All of them are read at the step.
        lanes = tuple(
            memory_shape(self._edge_words(k), bits * fold.parallel_outputs, others=others)
            for k in range(fold.parallel_inputs if bits else 0)
        )
        products = (
            products_of(self._memory(lane) >> self._index_bits, self._gain_range, self._shape_range)
            for lane in range(fold.parallel_inputs)
        )
        product_bits = reach.format.width if self._gain_bits else 0
        total = HardwareCosts(
            register_bits=edges * (self._gain_bits + product_bits),
            products=sum(products, ()) if self._gain_bits else (),
            memories=lanes,
        )
        return total + self.sum_costs([Term(reach)] * fold.parallel_inputs)

    @property
    def _step_edges(self) -> int:
        """Edges of a step."""
        return self.fold.parallel_inputs * self.fold.parallel_outputs

    @property
    def _index_bits(self) -> int:
        return (len(self._shapes) - 1).bit_length()

    @property
    def _gain_bits(self) -> int:
        """Bits of a gain in memory; none if all are the same."""
        reach = self._gain_range
        return 0 if reach.lo == reach.hi else reach.format.width

    def elaborate(self, platform: object) -> Module:
        """Edges of every input lane, the shape of every edge, products, sums."""
        m = Module()
        reach = self._gain_range * self._shape_range
        gains, addresses = list[Value](), list[Value]()
        # Clock 1 reads index and gain of every edge of the step; the code waits for the index.
        # Clock 2 reads the shape at index and code; the gain waits for its value.
        for lane in range(self.fold.parallel_inputs):
            code = delayed(m, self.codes[lane], 1, f"code{lane}")
            for output, (index, gain) in enumerate(self._edges(m, lane)):
                gain = self.present(m, lane, gain, 1)
                # A register of a constant is no constant: it is another value after a reset.
                waits = not isinstance(gain, Const)
                gains.append(delayed(m, gain, int(waits), f"gain{lane}_{output}"))
                addresses.append(Cat(code, index))
        operands: list[list[tuple[Value, Term]]] = [[] for _ in range(self.fold.parallel_outputs)]
        for edge, shape in enumerate(self._shapes_at(m, addresses)):
            product = Signal(reach.shape, name=f"product{edge}", reset_less=True)
            # Multipliers are slow, in particular behind a memory.
            domain = m.d.sync if self._gain_bits else m.d.comb
            domain += product.eq(gains[edge] * shape)
            operands[edge % self.fold.parallel_outputs].append((product, Term(reach)))
        for output, terms in enumerate(operands):
            self.add(m, output, terms)
        return m

    def _edges(self, m: Module, lane: int) -> list[tuple[Value, Value]]:
        """Index and gain of a lane's edges, a cycle after the step."""
        low, high = self._index_bits, self._gain_bits
        constant = Const(self._gain_range.lo, self._gain_range.shape)
        if low + high == 0:
            return [(Const(0, 0), constant)] * self.fold.parallel_outputs
        memory = parameter_memory(self._edge_words(lane), (low + high) * self.fold.parallel_outputs)
        m.submodules[f"edges{lane}"] = memory
        reader = memory.read_port()
        m.d.comb += reader.addr.eq(self.step)
        edges = []
        for output in range(self.fold.parallel_outputs):
            edge = reader.data.word_select(output, low + high)
            gain: Value = edge[low:]
            if high and self._gain_range.format.signed:
                gain = gain.as_signed()
            edges.append((edge[:low], gain if high else constant))
        return edges

    def _shapes_at(self, m: Module, addresses: list[Value]) -> list[Value]:
        """The values of shapes, a cycle after their addresses: a memory for every two."""
        width, words = self._shape_range.format.width, self._shape_words()
        found: list[Value] = []
        for edge, address in enumerate(addresses):
            if edge % PORTS == 0:
                memory = parameter_memory(words, width)
                m.submodules[f"shapes{edge // PORTS}"] = memory
            reader = memory.read_port()
            m.d.comb += reader.addr.eq(address)
            found.append(
                reader.data.as_signed() if self._shape_range.format.signed else reader.data
            )
        return found

    def _shape_words(self, only: int | None = None) -> list[int]:
        """The values of all shapes, as many as addresses; or of one of them."""
        padding = (1 << self._index_bits) - len(self._shapes)
        shapes = np.pad(self._shapes, [(0, padding), (0, 0)])
        values = (shapes if only is None else shapes[only]).reshape(-1, 1)
        return packed_words(values, self._shape_range.format.width)

    def _edge_words(self, lane: int) -> list[int]:
        """Index and gain of a lane's edges, a word a step."""
        return packed_words(self._memory(lane), self._index_bits + self._gain_bits)

    def _memory(self, lane: int) -> IntArray:
        """The edges of a lane, ``[steps, parallel_outputs]``, the index in the low bits."""
        inputs, outputs = self.fold.inputs[None, :, lane, None], self.fold.outputs[:, None]
        gains = np.where(inputs >= 0, self._gains[outputs, inputs], 0)
        edges = self._index[outputs, inputs] | (gains << self._index_bits)
        return edges.reshape(-1, self.fold.parallel_outputs)


def _reach(shapes: IntArray, index: IntArray, gains: IntArray) -> Range:
    """The range of what one edge adds, 0 included."""
    lowest, highest = shapes.min(axis=1)[index], shapes.max(axis=1)[index]
    ends = np.stack([gains * lowest, gains * highest])
    return Range(min(0, int(ends.min())), max(0, int(ends.max())))
