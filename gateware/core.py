"""A whole Program, unrolled: the layers one behind the other, without a handshake."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Value
from amaranth.lib import data
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.address import Address, input_addresses
from kanhw.gateware.argmax import Argmax
from kanhw.gateware.basis_table import BasisTableCore
from kanhw.gateware.edge_table import EdgeTableCore
from kanhw.gateware.layer import LayerCore
from kanhw.gateware.signals import shape_of
from kanhw.program import Program
from kanhw.schedule import Schedule

__all__ = ["LAYER_CORES", "ProgramCore"]

# The realisation of every kind of layer.
LAYER_CORES: dict[str, type[LayerCore]] = {
    "edge_table": EdgeTableCore,
    "basis_table": BasisTableCore,
}


class ProgramCore(Component):
    """A Program that takes a vector at every clock and answers it ``latency`` cycles later.

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
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self._program = program
        self._cores = _layer_cores(program, schedule)
        last = program.layers[-1]
        self._argmax = (
            Argmax(last.n_out, shape_of(last.requantizers[0].output_format))
            if program.argmax and last.n_out > 1
            else None
        )
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
        argmax = self._argmax.latency if self._argmax else 0
        return sum(core.latency for core in self._cores) + argmax

    def elaborate(self, platform: object) -> Module:
        """Layer behind layer, codes turned to table addresses in front and back behind."""
        m = Module()
        input_format = self._program.input.format
        streams: list[list[Value]] = [
            [_flip_sign(self.i[i], input_format) for i in range(self._program.n_in)]
        ]
        for index, core in enumerate(self._cores):
            m.submodules[f"layer{index}"] = core
            for k, stream in enumerate(streams):
                for i, value in enumerate(stream):
                    m.d.comb += getattr(core, f"i{k}")[str(i)].eq(value)
            streams = [
                [getattr(core, f"o{k}")[str(j)] for j in range(core.layer.n_out)]
                for k in range(len(core.layer.requantizers))
            ]
        requantizer = self._program.layers[-1].requantizers[0]
        outputs = streams[0]
        if requantizer.format is not None:
            outputs = [_flip_sign(value, requantizer.format) for value in outputs]
        if self._argmax is not None:
            m.submodules.argmax = self._argmax
            for j, value in enumerate(outputs):
                m.d.comb += self._argmax.i[j].eq(value)
            outputs = [self._argmax.o]
        elif self._program.argmax:
            outputs = []
        for j, value in enumerate(outputs):
            m.d.comb += self.o[j].eq(value)
        return m


def _flip_sign(value: Value, format: CodeFormat) -> Value:
    """Between a code and its table address, which differ in the top bit of a signed format."""
    bits = Value.cast(value)
    return Cat(bits[:-1], ~bits[-1]) if format.signed else bits


def _layer_cores(program: Program, schedule: Schedule) -> list[LayerCore]:
    cores: list[LayerCore] = []
    streams: tuple[tuple[Address, ...], ...] = (
        input_addresses(program.input.format, program.n_in),
    )
    for layer in program.layers:
        kind = LAYER_CORES.get(layer.kind)
        if kind is None:
            raise InputError(f"There is no hardware for layers of the kind {layer.kind!r}")
        core = kind(layer, streams, schedule, last=layer is program.layers[-1])
        cores.append(core)
        streams = core.outputs
    return cores
