"""Layers unrolled, one behind the other, without a handshake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.parts.address import Address, input_addresses
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.parts.range_clamp import RangeClamp
from kanhw.gateware.parts.signals import shape_of
from kanhw.gateware.stream.argmax import Argmax
from kanhw.gateware.stream.input_conversion import InputConverter
from kanhw.gateware.stream.input_ranges import (
    feature_clamp,
    is_clamped,
    ranged_payload,
)
from kanhw.gateware.stream.stage import Payload
from kanhw.gateware.unrolled.basis_table import BasisTableCore
from kanhw.gateware.unrolled.branch_edge_table import BranchEdgeTableCore
from kanhw.gateware.unrolled.codebook import CodebookCore
from kanhw.gateware.unrolled.core_costs import counted_core
from kanhw.gateware.unrolled.edge_table import EdgeTableCore
from kanhw.gateware.unrolled.layer_core import LayerCore
from kanhw.gateware.unrolled.product import ProductCore
from kanhw.gateware.unrolled.spline_evaluator import SplineEvaluatorCore
from kanhw.program import Program, ProgramLayer, Requantizer
from kanhw.schedule.code_streams import inputs_as_codes, streams_as_codes
from kanhw.schedule.schedule import Schedule

__all__ = [
    "LAYER_CORES",
    "PipelineCore",
    "PipelinedLayer",
    "ProgramCore",
    "UnrolledLayers",
    "flip_sign",
    "input_bits",
    "layer_costs",
    "output_bits",
    "output_format",
]

# The realisation of every kind of layer that takes a vector at every clock.
LAYER_CORES: dict[str, type[LayerCore]] = {
    "edge_table": EdgeTableCore,
    "branch_edge_table": BranchEdgeTableCore,
    "basis_table": BasisTableCore,
    "codebook": CodebookCore,
    "spline_evaluator": SplineEvaluatorCore,
    "product": ProductCore,
}


def layer_costs(layer: ProgramLayer, schedule: Schedule) -> HardwareCosts:
    """The costs of a layer of a kind in ``LAYER_CORES``, as its core declares them.

    Parameters
    ----------
    layer
        The layer.
    schedule
        Which says whether tables are merged.

    Raises
    ------
    InputError
        If the layer's kind has no core, or the core declares no costs.
    """
    core = LAYER_CORES.get(layer.kind)
    if core is None:
        raise InputError(
            f"There are no costs of unrolled layers of kind {layer.kind!r}, which have no core: "
            "register one (kanhw.gateware.top.registration.register_realisation), or fold the layer"
        )
    return core.costs(layer) + core.merging(layer, schedule)


def flip_sign(value: Value, format: CodeFormat) -> Value:
    """Between a code and its table address, which differ in the top bit of a signed format."""
    bits = Value.cast(value)
    return Cat(bits[:-1], ~bits[-1]) if format.signed else bits


def input_bits(program: Program, codes: Value) -> Value:
    """The network's input codes as a payload of table addresses; also for a part of them."""
    return _flipped(codes, program.input.format)


def output_format(program: Program) -> CodeFormat | None:
    """Of the codes that leave as addresses; None for an index and for sums, which leave as such."""
    return None if program.argmax else program.layers[-1].requantizers[0].format


def output_bits(program: Program, payload: Value) -> Value:
    """The last payload as the network's outputs."""
    format = output_format(program)
    return Value.cast(payload) if format is None else _flipped(payload, format)


def _flipped(values: Value, format: CodeFormat) -> Value:
    bits, width = Value.cast(values), format.width
    return Cat(flip_sign(bits[k : k + width], format) for k in range(0, len(bits), width))


@dataclass(frozen=True)
class PipelinedLayer:
    """A layer, and which of its own streams must leave as codes."""

    layer: ProgramLayer
    as_codes: tuple[bool, ...]


class UnrolledLayers:
    """Consecutive layers that take a vector at every clock, to be put into a component.

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
    """

    def __init__(
        self,
        layers: Sequence[PipelinedLayer],
        inputs: Payload,
        schedule: Schedule,
        argmax: Requantizer | None,
    ) -> None:
        self.inputs = self.outputs = inputs
        self._cores: list[LayerCore] = []
        for entry in layers:
            kind = LAYER_CORES[entry.layer.kind]
            core = kind(
                entry.layer,
                self.outputs.streams,
                schedule.of_layer(entry.layer.name),
                as_codes=entry.as_codes,
            )
            self._cores.append(core)
            self.outputs = core.payload
        self._ranked = argmax
        self._argmax = None
        if argmax is not None:
            if argmax.n_out > 1:
                self._argmax = Argmax(argmax.n_out, shape_of(argmax.output_format))
            width = max((argmax.n_out - 1).bit_length(), 1)
            self.outputs = Payload(((Address(width, 0, argmax.n_out - 1, width),),))

    @property
    def cores(self) -> tuple[LayerCore, ...]:
        """The layers, in order."""
        return tuple(self._cores)

    @property
    def latency(self) -> int:
        """Cycles from addresses in to addresses out."""
        argmax = self._argmax.latency if self._argmax else 0
        return sum(core.latency for core in self._cores) + argmax

    @property
    def costs(self) -> HardwareCosts:
        """Of all layers, and of the argmax; outputs that the next layer does not read are not."""
        total = self._argmax.costs if self._argmax else HardwareCosts()
        wanted = None
        for core in reversed(self._cores):
            total += counted_core(core, wanted).total
            wanted = core.read
        return total

    def connect(self, m: Module, streams: list[list[Value]]) -> list[list[Value]]:
        """Put the layers into a module, fed by streams of addresses; gives what they hand out."""
        for index, core in enumerate(self._cores):
            m.submodules[f"layer{index}"] = core
            for k, stream in enumerate(streams):
                for i, value in enumerate(stream):
                    m.d.comb += getattr(core, f"i{k}")[str(i)].eq(value)
            requantizers = range(len(core.layer.requantizers))
            streams = [_values(getattr(core, f"o{k}")) for k in requantizers]
        if self._ranked is None:
            return streams
        if self._argmax is None:
            return [[Const(0, 1)]]
        format = self._ranked.format
        codes = streams[0] if format is None else [flip_sign(v, format) for v in streams[0]]
        m.submodules.argmax = self._argmax
        for j, code in enumerate(codes):
            m.d.comb += self._argmax.i[j].eq(code)
        return [[self._argmax.o]]


class PipelineCore(Component):
    """Consecutive layers that take a vector at every clock and answer ``latency`` cycles later.

    Equals the layers of :class:`kanhw.program.Program`, on addresses
    (:class:`~kanhw.gateware.parts.address.Address`), and its argmax.

    Parameters
    ----------
    layers, inputs, schedule, argmax
        As for :class:`UnrolledLayers`.

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
        self._layers = UnrolledLayers(layers, inputs, schedule, argmax)
        super().__init__({"i": In(inputs.layout), "o": Out(self.outputs.layout)})

    @property
    def inputs(self) -> Payload:
        """The payload that it takes."""
        return self._layers.inputs

    @property
    def outputs(self) -> Payload:
        """The payload that it gives."""
        return self._layers.outputs

    @property
    def cores(self) -> tuple[LayerCore, ...]:
        """The layers, in order."""
        return self._layers.cores

    @property
    def costs(self) -> HardwareCosts:
        """Of all layers."""
        return self._layers.costs

    @property
    def latency(self) -> int:
        """Cycles from addresses in to addresses out."""
        return self._layers.latency

    def elaborate(self, platform: object) -> Module:
        """The layers between the two payloads."""
        m = Module()
        streams = [_values(self.i[str(k)]) for k in range(len(self.i.shape().members))]
        for k, values in enumerate(self._layers.connect(m, streams)):
            for j, value in enumerate(values):
                m.d.comb += self.o[str(k)][str(j)].eq(value)
        return m


def _values(vector: data.View) -> list[Value]:
    return [vector[str(i)] for i in range(len(vector.shape().members))]


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
            PipelinedLayer(layer, streams_as_codes(program.layers, index))
            for index, layer in enumerate(program.layers)
        ]
        addresses = input_addresses(program.input.format, program.n_in)
        self._clamps: list[RangeClamp] = []
        self._converter: InputConverter | None = None
        inputs = Payload((addresses,))
        if program.conversion is not None:
            self._converter = InputConverter(
                program.conversion, program.input, inputs, schedule.adder_levels
            )
            inputs = self._converter.outputs
        elif program.input.ranged:
            as_codes, each = inputs_as_codes(program.layers), range(program.n_in)
            inputs = ranged_payload(program.input, inputs, as_codes=as_codes)
            if is_clamped(program.input, as_codes=as_codes):
                self._clamps = [
                    feature_clamp(program.input, np.array([i]), as_codes=as_codes) for i in each
                ]
        ranked = program.layers[-1].requantizers[0] if program.argmax else None
        self._layers = UnrolledLayers(layers, inputs, schedule, ranked)
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
    def costs(self) -> HardwareCosts:
        """Of what makes codes of the input, and of all layers."""
        total = self._layers.costs
        if self._converter is not None:
            total += self._converter.costs
        return sum((clamp.costs for clamp in self._clamps), total)

    @property
    def latency(self) -> int:
        """Cycles from codes in to outputs out."""
        front = bool(self._clamps) if self._converter is None else self._converter.latency
        return self._layers.latency + front

    def elaborate(self, platform: object) -> Module:
        """Codes become table addresses in front, and codes again behind."""
        m = Module()
        format = self._program.input.format
        codes = [flip_sign(self.i[i], format) for i in range(self._program.n_in)]
        if self._converter is not None:
            m.submodules.converter = converter = self._converter
            m.d.comb += [converter.i["0"][str(i)].eq(code) for i, code in enumerate(codes)]
            codes = _values(converter.o["0"])
        for i, clamp in enumerate(self._clamps):
            m.submodules[f"clamp{i}"] = clamp
            m.d.comb += clamp.i.eq(codes[i])
            codes[i] = clamp.o
        outputs = self._layers.connect(m, [codes])[0]
        handed_out = output_format(self._program)
        for j, value in enumerate(outputs):
            code = value if handed_out is None else flip_sign(value, handed_out)
            m.d.comb += self.o[j].eq(code)
        return m
