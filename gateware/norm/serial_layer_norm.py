"""Layer normalisation of vectors that come one code a clock."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Cat, EnableInserter, Module, Signal, Value, unsigned
from amaranth.lib import data, stream
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out

from kanhw.formats import CodeFormat
from kanhw.gateware.norm.norm_scaler import NormScaler
from kanhw.gateware.norm.norm_sums import NormSums
from kanhw.gateware.norm.reciprocal_root import ReciprocalRoot
from kanhw.gateware.parts.adder_tree import AdderTree, tree_costs
from kanhw.gateware.parts.address import Address, input_addresses
from kanhw.gateware.parts.constant_digits import signed_digits
from kanhw.gateware.parts.costs import HardwareCosts, MemoryShape
from kanhw.gateware.parts.multiplier import Multiplier
from kanhw.gateware.parts.signals import Range
from kanhw.gateware.parts.terms import Term
from kanhw.gateware.stream.valid_bits import valid_bits
from kanhw.gateware.unrolled.operand import constant_operand
from kanhw.gateware.unrolled.output_addresses import output_addresses
from kanhw.program import NormLayer

__all__ = ["SerialLayerNorm"]


class SerialLayerNorm(Component):
    """A :class:`kanhw.program.NormLayer`, one element per beat, exact for every input.

    Three phases that overlap on consecutive vectors: the sums of the codes, the reciprocal root of
    their variance digit by digit, and the scaling of the codes, which waited in a memory of two
    vectors. A vector takes ``max(n, digits + 9)`` clocks in steady state.

    Where all codes of a vector are equal, n q - S is 0 and the root does not matter: so V = 0 needs
    no care, and V is at least n - 1 + epsilon wherever it does matter.

    Parameters
    ----------
    layer
        The normalisation.
    addresses
        Of the codes, ``[n]``, all of them codes' own; None is every code of ``layer.width`` bits.
    side_width
        Bits that accompany every code unchanged.

    Members
    -------
    i : In(stream of a struct): ``code`` (its table address) and ``side``
    o : Out(stream of a struct): ``0``, ``1`` ... (the address of every requantizer's code, or its
        signed sum), ``code`` and ``side`` as they came
    """

    def __init__(
        self,
        layer: NormLayer,
        addresses: tuple[Address, ...] | None = None,
        side_width: int = 0,
    ) -> None:
        if addresses is None:
            addresses = input_addresses(CodeFormat(layer.width, False), layer.n_in)
        self._layer = layer
        count = layer.n_in
        self.outputs = output_addresses(
            layer,
            layer.accumulator_intervals(()),
            (True,) * len(layer.requantizers),
        )
        # Adding a constant to all codes changes nothing: signed ones make the smallest sums.
        half = 1 << (layer.width - 1)
        codes = Range(min(a.lo for a in addresses) - half, max(a.hi for a in addresses) - half)
        self._sums = NormSums(count, codes)
        pairs = (count // 2) * (count - count // 2)
        highest = pairs * (codes.hi - codes.lo) ** 2 + layer.epsilon
        lowest = max(count - 1, 1) + layer.epsilon
        self._square = Multiplier(self._sums.sum_range, self._sums.sum_range)
        self._root = ReciprocalRoot(layer.fraction_bits, lowest, max(lowest, highest))
        self._scaler = NormScaler(
            layer,
            codes,
            self._sums.sum_range,
            Range(0, (1 << self._root.bits) - 1),
            self.outputs,
            layer.width + side_width,
        )
        entry = {"code": unsigned(layer.width), "side": unsigned(side_width)}
        results = {
            str(k): getattr(self._scaler, f"o{k}").shape()
            for k in range(len(layer.requantizers))
        }
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(entry))),
                "o": Out(stream.Signature(data.StructLayout({**results, **entry}))),
            }
        )

    @property
    def latency(self) -> int:
        """Clock edges from the one that accepts a vector's last code to its first output's."""
        return self._turn + self._scaler.latency

    @property
    def initiation_interval(self) -> int:
        """Clocks between two vectors in steady state."""
        return max(self._layer.n_in, self._turn + 2)

    @property
    def costs(self) -> HardwareCosts:
        """The sums, the variance and its root, the scaling, and the memory of two vectors."""
        sums, index = self._sums, max((self._layer.n_in - 1).bit_length(), 1)
        scaled = [Term(sums.square_range, d.shift) for d in signed_digits(self._layer.n_in)]
        variance = len(self._root.variance)
        # A code that nobody wants back is read and goes no further.
        width = len(Value.cast(self.i.payload))
        square = self._square.costs
        # No more bits of the square are wanted than the variance has.
        whole = len(square.products) == 1
        short = (
            replace(p, result=min(p.result, variance), square=whole) for p in square.products
        )
        total = sums.costs + replace(square, products=tuple(short))
        total += self._root.costs + self._scaler.costs
        total += tree_costs(scaled, 0)
        return total + HardwareCosts(
            adder_bits=variance + 2 * index,
            adders=1,
            table_luts=14,
            register_bits=sums.sum_range.format.width + 2 * variance + self._square.latency
            + self._scaler.latency + 2 * (index + 2) + 6,
            counters=2 * (index + 2),
            memories=(MemoryShape(2 << index, width, written=True, registered=False),),
        )

    @property
    def _turn(self) -> int:
        """Cycles from a vector's last code to the one that can read its first for scaling."""
        return self._sums.latency + 1 + self._square.latency + 1 + self._root.latency

    def elaborate(self, platform: object) -> Module:
        """The memory, the three phases, and who may go on."""
        m = Module()
        count, width = self._layer.n_in, self._layer.width
        m.submodules.sums = sums = self._sums
        m.submodules.root = root = self._root
        # Phase 1 sums up the codes as they arrive; phase 2 makes the root of these sums; phase 3
        # scales the same codes, which waited in a memory. Only phase 3 is stalled by the output.
        reading = Signal()
        moves = valid_bits(m, reading, self._scaler.latency, self.o)
        m.submodules.scaler = EnableInserter(moves)(self._scaler)
        write, read = _Position(m, count, "write"), _Position(m, count, "read")

        # Elements wait for their statistics in two banks. An element of the vector after next
        # overwrites one that has been read.
        word = Value.cast(self.i.payload)
        m.submodules.memory = memory = Memory(
            shape=unsigned(len(word)),
            depth=2 << len(write.index),
            init=(),
            attrs={"ram_style": "distributed"},
        )
        writer, reader = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            writer.addr.eq(Cat(write.index, write.vector[0])),
            writer.data.eq(word),
            reader.addr.eq(Cat(read.index, read.vector[0])),
        ]

        # A vector claims the statistics with its last element, until the scaler has taken them.
        # `known` says that the sums of the vector to scale are there, `taking` that the root is,
        # too, and the first code is read; `took` is the move after.
        claimed, known, taking, took = Signal(), Signal(), Signal(), Signal()
        full = (write.index == read.index) & (write.vector == read.vector ^ 2)
        accepts = Signal()
        m.d.comb += [
            self.i.ready.eq(~full & ~(write.last & claimed)),
            accepts.eq(self.i.valid & self.i.ready),
            writer.en.eq(accepts),
            sums.valid.eq(accepts),
            sums.first.eq(write.first),
            sums.last.eq(write.last),
            sums.i.eq(_centred(self.i.payload.code)),
        ]
        write.advance(m, accepts)
        total, variance_ready = self._variance(m, sums, root)

        # A vector's first code waits for the statistics; the others follow at every clock.
        scaler = self._scaler
        m.d.comb += [
            taking.eq(known & root.done & read.first),
            reading.eq(taking | ~read.first),
            scaler.i.eq(_centred(reader.data[:width])),
            scaler.side.eq(reader.data),
            scaler.index.eq(read.index),
            scaler.first.eq(taking),
            scaler.total.eq(total),
            scaler.root.eq(root.root),
        ]
        read.advance(m, moves & reading)
        with m.If(moves):
            # The scaler takes the sum with the first code, and the root one cycle later.
            m.d.sync += took.eq(taking)
            with m.If(taking):
                m.d.sync += known.eq(0)
            with m.If(took):
                m.d.sync += claimed.eq(0)
        with m.If(variance_ready):
            m.d.sync += known.eq(1)
        with m.If(accepts & write.last):
            m.d.sync += claimed.eq(1)
        self._connect_output(m)
        return m

    def _variance(
        self, m: Module, sums: NormSums, root: ReciprocalRoot
    ) -> tuple[Signal, Value]:
        """V from the sums, started into the root; gives the held sum, and when that happens."""
        m.submodules.square = square = self._square
        digits = signed_digits(self._layer.n_in)
        operands = [Term(sums.square_range, d.shift, d.negative) for d in digits]
        constants = constant_operand(self._layer.epsilon)
        tree = AdderTree([*operands, *(c.term for c in constants)], levels=0)
        m.submodules.scaled_squares = tree
        for k in range(len(digits)):
            m.d.comb += tree.operand(k).eq(sums.squares)
        for k, constant in enumerate(constants):
            m.d.comb += tree.operand(len(digits) + k).eq(constant.value)
        total = Signal(sums.sum_range.shape, reset_less=True)
        scaled = Signal(tree.range.shape, reset_less=True)
        variance = Signal(len(root.variance), reset_less=True)
        # V = n Q - S^2 + epsilon: n Q + epsilon is a sum of shifted Q, and waits for S^2. The sums
        # are copied, since those of the next vector begin at once.
        with m.If(sums.done):
            m.d.sync += [total.eq(sums.sum), scaled.eq(tree.o)]
        history = Signal(square.latency + 2)
        m.d.sync += history.eq((history << 1) | sums.done)
        with m.If(history[-2]):
            m.d.sync += variance.eq(scaled - square.o)
        m.d.comb += [
            square.a.eq(total),
            square.b.eq(total),
            root.variance.eq(variance),
            root.start.eq(history[-1]),
        ]
        return total, history[-1]

    def _connect_output(self, m: Module) -> None:
        payload = self.o.payload
        m.d.comb += Cat(payload.code, payload.side).eq(self._scaler.side_o)
        for k in range(len(self._layer.requantizers)):
            m.d.comb += payload[str(k)].eq(getattr(self._scaler, f"o{k}"))


class _Position:
    """The place in a stream of vectors: the element modulo n, and the vector modulo 4."""

    def __init__(self, m: Module, count: int, name: str) -> None:
        self._count = count
        self.index = Signal(max((count - 1).bit_length(), 1), name=f"{name}_index")
        self.vector = Signal(2, name=f"{name}_vector")
        self.first = Signal(name=f"{name}_first")
        self.last = Signal(name=f"{name}_last")
        m.d.comb += [self.first.eq(self.index == 0), self.last.eq(self.index == count - 1)]

    def advance(self, m: Module, enable: Value) -> None:
        with m.If(enable):
            m.d.sync += self.index.eq(self.index + 1)
            with m.If(self.last):
                m.d.sync += [self.index.eq(0), self.vector.eq(self.vector + 1)]


def _centred(address: Value) -> Value:
    """A table address as the signed number that is half the addresses smaller."""
    bits = Value.cast(address)
    return Cat(bits[:-1], ~bits[-1]).as_signed()
