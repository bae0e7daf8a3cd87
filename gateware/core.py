"""Layers unrolled, one behind the other, without a handshake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.address import Address, input_addresses
from kanhw.gateware.argmax import Argmax
from kanhw.gateware.basis_table import BasisTableCore
from kanhw.gateware.branch_edge_table import BranchEdgeTableCore
from kanhw.gateware.edge_table import EdgeTableCore
from kanhw.gateware.layer import LayerCore
from kanhw.gateware.product import ProductCore
from kanhw.gateware.signals import shape_of
from kanhw.gateware.stage import Payload
from kanhw.program import Program, ProgramLayer, Requantizer
from kanhw.schedule import Schedule

__all__ = [
    "LAYER_CORES",
    "PipelineCore",
    "PipelinedLayer",
    "ProgramCore",
    "exact_streams",
    "flip_sign",
    "input_bits",
    "output_bits",
]

# The realisation of every kind of layer that takes a vector at every clock.
LAYER_CORES: dict[str, type[LayerCore]] = {
    "edge_table": EdgeTableCore,
    "branch_edge_table": BranchEdgeTableCore,
    "basis_table": BasisTableCore,
    "product": ProductCore,
}

# Layers that compute with codes: those in front may not hand them a raw sum as an address.
CODE_READERS = frozenset({"layer_norm", "product"})


def exact_streams(layers: Sequence[ProgramLayer], index: int) -> tuple[bool, ...]:
    """Which streams behind layer ``index`` must be codes, not raw sums; passed ones included."""
    layer = layers[index]
    count = len(layer.requantizers) + len(layer.passes)
    if index == len(layers) - 1:
        return (True,) * count
    after = layers[index + 1]
    exact = [after.kind in CODE_READERS and k in after.streams for k in range(count)]
    if after.passes:
        beyond = exact_streams(layers, index + 1)[len(after.requantizers) :]
        for k, wanted in zip(after.passes, beyond, strict=True):
            exact[k] |= wanted
    return tuple(exact)


def flip_sign(value: Value, format: CodeFormat) -> Value:
    """Between a code and its table address, which differ in the top bit of a signed format."""
    bits = Value.cast(value)
    return Cat(bits[:-1], ~bits[-1]) if format.signed else bits


def input_bits(program: Program, codes: Value) -> Value:
    """The network's input codes as a payload of table addresses; also for a part of them."""
    return _flipped(codes, program.input.format)


def output_bits(program: Program, payload: Value) -> Value:
    """The last payload of addresses (or sums, or an index) as the network's outputs."""
    format = None if program.argmax else program.layers[-1].requantizers[0].format
    return Value.cast(payload) if format is None else _flipped(payload, format)


def _flipped(values: Value, format: CodeFormat) -> Value:
    bits, width = Value.cast(values), format.width
    return Cat(flip_sign(bits[k : k + width], format) for k in range(0, len(bits), width))


@dataclass(frozen=True)
class PipelinedLayer:
    """A layer, and which of its own streams must leave as codes."""

    layer: ProgramLayer
    exact: tuple[bool, ...]


class PipelineCore(Component):
    """Consecutive layers that take a vector at every clock and answer ``latency`` cycles later.

    Equals the layers of :class:`kanhw.program.Program`, on addresses
    (:class:`~kanhw.gateware.address.Address`), and its argmax.

    Parameters
    ----------
    layers
        In order, each of a kind in ``LAYER_CORES``.
    inputs
        The addresses in front of them.
    schedule
        Registers.
    argmax
        The last requantizer of the network if an index is wanted in place of its codes.

    Members
    -------
    i : In(inputs.layout)
    o : Out(outputs.layout)
    """

    def __init__(
        self,
        layers: Sequence[PipelinedLayer],
        inputs: Payload,
        schedule: Schedule,
        *,
        argmax: Requantizer | None = None,
    ) -> None:
        self._inputs = inputs
        self._cores: list[LayerCore] = []
        self._ranked = argmax
        self._argmax = None
        outputs = inputs
        for entry in layers:
            kind = LAYER_CORES[entry.layer.kind]
            core = kind(entry.layer, outputs.streams, schedule, exact=entry.exact)
            self._cores.append(core)
            outputs = core.payload
        if argmax is not None:
            if argmax.n_out > 1:
                self._argmax = Argmax(argmax.n_out, shape_of(argmax.output_format))
            width = max((argmax.n_out - 1).bit_length(), 1)
            outputs = Payload(((Address(width, 0, argmax.n_out - 1, width),),))
        self._outputs = outputs
        super().__init__({"i": In(inputs.layout), "o": Out(outputs.layout)})

    @property
    def inputs(self) -> Payload:
        """What it takes."""
        return self._inputs

    @property
    def outputs(self) -> Payload:
        """What it gives."""
        return self._outputs

    @property
    def latency(self) -> int:
        """Cycles from addresses in to addresses out."""
        argmax = self._argmax.latency if self._argmax else 0
        return sum(core.latency for core in self._cores) + argmax

    def elaborate(self, platform: object) -> Module:
        """Layer behind layer."""
        m = Module()
        streams = [self.i[str(k)] for k in range(len(self.i.shape().members))]
        for index, core in enumerate(self._cores):
            m.submodules[f"layer{index}"] = core
            for k, stream in enumerate(streams):
                m.d.comb += getattr(core, f"i{k}").eq(stream)
            streams = [getattr(core, f"o{k}") for k in range(len(core.layer.requantizers))]
        if self._ranked is not None:
            m.d.comb += self.o["0"]["0"].eq(self._index(m, self._ranked, streams[0]))
            return m
        for k, stream in enumerate(streams):
            m.d.comb += self.o[str(k)].eq(stream)
        return m

    def _index(self, m: Module, requantizer: Requantizer, values: data.View) -> Value:
        """Which of the network's outputs is the largest."""
        if self._argmax is None:
            return Const(0, 1)
        m.submodules.argmax = self._argmax
        for j in range(requantizer.n_out):
            value = values[str(j)]
            if requantizer.format is not None:
                value = flip_sign(value, requantizer.format)
            m.d.comb += self._argmax.i[j].eq(value)
        return self._argmax.o


class ProgramCore(Component):
    """A Program of pipelined layers: codes at every clock, outputs ``latency`` cycles later.

    Equals ``program(codes)``.

    Parameters
    ----------
    program
        The network.
    schedule
        Registers.

    Members
    -------
    i : In(array of n_in codes), feature 0 in the least significant bits
    o : Out(array of n_out outputs)

    Raises
    ------
    InputError
        If a layer is not of a kind that takes a vector at every clock.
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self._program = program
        for layer in program.layers:
            if layer.kind not in LAYER_CORES:
                raise InputError(
                    f"Layer {layer.name!r}: a {layer.kind} does not take a vector at every clock, "
                    "so the design needs a handshake: use Schedule(handshake=True)"
                )
        layers = [
            PipelinedLayer(layer, exact_streams(program.layers, index))
            for index, layer in enumerate(program.layers)
        ]
        inputs = Payload((input_addresses(program.input.format, program.n_in),))
        ranked = program.layers[-1].requantizers[0] if program.argmax else None
        self._pipeline = PipelineCore(layers, inputs, schedule, argmax=ranked)
        super().__init__(
            {
                "i": In(data.ArrayLayout(shape_of(program.input.format), program.n_in)),
                "o": Out(data.ArrayLayout(shape_of(program.output_format), program.n_out)),
            }
        )

    @property
    def program(self) -> Program:
        """The network."""
        return self._program

    @property
    def latency(self) -> int:
        """Cycles from codes in to outputs out."""
        return self._pipeline.latency

    def elaborate(self, platform: object) -> Module:
        """Codes turned to table addresses in front, and back behind."""
        m = Module()
        m.submodules.pipeline = pipeline = self._pipeline
        m.d.comb += [
            Value.cast(pipeline.i).eq(input_bits(self._program, self.i)),
            Value.cast(self.o).eq(output_bits(self._program, pipeline.o)),
        ]
        return m
