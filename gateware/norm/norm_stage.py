"""Layer normalisation of whole vectors, one element a clock inside."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from kanhw.gateware.norm.serial_layer_norm import SerialLayerNorm
from kanhw.gateware.parts.costs import HardwareCosts, choice_luts, wide_choices
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import Payload, Stage
from kanhw.gateware.unrolled.output_addresses import output_payload
from kanhw.program import NormLayer
from kanhw.schedule.formula import Formula

__all__ = ["NormStage"]


class NormStage(Stage):
    """A :class:`kanhw.program.NormLayer` between vectors.

    A vector waits in a register from which its elements go through
    :class:`~kanhw.gateware.norm.serial_layer_norm.SerialLayerNorm`, those of the passed streams
    beside them; a shift register collects what comes out.

    Parameters
    ----------
    layer
        The normalisation; the stream that it reads holds codes, not raw sums.
    inputs
        What the layer before gives.
    """

    def __init__(self, layer: NormLayer, inputs: Payload) -> None:
        self._layer = layer
        # Passed streams besides the one that is normalised, which comes back anyway.
        self._beside = tuple(sorted(set(layer.passes) - {layer.stream}))
        self._widths = {
            stream: max(address.width for address in inputs.streams[stream])
            for stream in (layer.stream, *self._beside)
        }
        side_width = sum(self._widths[stream] for stream in self._beside)
        self._norm = SerialLayerNorm(layer, inputs.streams[layer.stream], side_width)
        own = output_payload(layer, self._norm.outputs)
        passed = tuple(inputs.streams[stream] for stream in layer.passes)
        super().__init__(inputs, Payload(own.streams + passed, sums=own.sums))

    @property
    def latency(self) -> int:
        """Clock edges from an accepted vector to its normalised one."""
        return 2 * self._layer.n_in + self._norm.latency

    @property
    def initiation_interval(self) -> int:
        """Clocks between two vectors."""
        return self._norm.initiation_interval

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock per feature, or as long as a root takes; features go in and out one by one."""
        count = Formula.of(self.inputs.count)
        interval = Formula.most(count, Formula.of(self.initiation_interval))
        twice = Formula.of(2) * count
        return interval, twice + (self.latency - twice.value)

    @property
    def costs(self) -> HardwareCosts:
        """A vector at each end, a choice among its elements, and the arithmetic of one."""
        layer, both = self._layer, self.inputs.layout.size + self.outputs.layout.size
        place = max((layer.n_in - 1).bit_length(), 1)
        chosen = layer.n_in, sum(self._widths.values())
        return self._norm.costs + HardwareCosts(
            serializer_luts=choice_luts(*chosen),
            wide_choices=wide_choices(*chosen),
            table_luts=8,
            register_bits=both + 2 * place + 2,
            counters=2 * place,
        )

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return self.beat_pace()

    def elaborate(self, platform: object) -> Module:
        """The register, the serial norm, the shift register."""
        m = Module()
        m.submodules.norm = self._norm
        self._feed(m)
        self._collect(m)
        return m

    def _feed(self, m: Module) -> None:
        count, norm = self._layer.n_in, self._norm
        # One vector is held while its elements go in, one a clock; the next may replace it in the
        # clock of its last element.
        waiting, held = Signal(), Signal(self.inputs.layout, reset_less=True)
        index = Signal(range(count))
        last = index == count - 1
        with m.If(norm.i.valid & norm.i.ready):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
            with m.If(last):
                m.d.sync += waiting.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(self.i.payload), waiting.eq(1)]
        m.d.comb += [
            self.i.ready.eq(~waiting | (last & norm.i.ready)),
            norm.i.valid.eq(waiting),
            norm.i.payload.code.eq(self._element(held, self._layer.stream, index)),
            norm.i.payload.side.eq(
                Cat(self._element(held, stream, index) for stream in self._beside)
            ),
        ]

    def _element(self, held: Signal, stream: int, index: Signal) -> Value:
        """One address of a stream, as wide as its widest: a tree of two-way choices."""
        values = [Value.cast(held[str(stream)][str(i)]) for i in range(self._layer.n_in)]
        for bit in index:
            values = [
                Mux(bit, values[k + 1], values[k]) if k + 1 < len(values) else values[k]
                for k in range(0, len(values), 2)
            ]
        return values[0]

    def _collect(self, m: Module) -> None:
        count, results = self._layer.n_in, self._norm.o
        # A shift register is full with the last element, and may be shifted on in the clock in
        # which the vector is taken.
        taken, full, accepts = Signal(range(count)), Signal(), Signal()
        m.d.comb += [
            results.ready.eq(~full | self.o.ready),
            accepts.eq(results.valid & results.ready),
            self.o.valid.eq(full),
        ]
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(accepts):
            m.d.sync += taken.eq(taken + 1)
            with m.If(taken == count - 1):
                m.d.sync += [taken.eq(0), full.eq(1)]
        for k, value in enumerate(self._results(results.payload)):
            width = len(value)
            shifted = Signal(count * width, name=f"collected{k}", reset_less=True)
            with m.If(accepts):
                m.d.sync += shifted.eq(Cat(shifted[width:], value))
            for i in range(count):
                target = Value.cast(self.o.payload[str(k)][str(i)])
                # A passed raw sum may be narrower than the widest of its stream.
                m.d.comb += target.eq(shifted[i * width : (i + 1) * width])

    def _results(self, payload: data.View) -> list[Value]:
        """One element of every stream that goes on."""
        own = [Value.cast(payload[str(k)]) for k in range(len(self._layer.requantizers))]
        place, passed = 0, {self._layer.stream: Value.cast(payload.code)}
        for stream in self._beside:
            width = self._widths[stream]
            passed[stream] = payload.side[place : place + width]
            place += width
        return own + [passed[stream] for stream in self._layer.passes]
