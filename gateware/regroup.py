"""Vectors that come some codes a beat, in other portions."""

from __future__ import annotations

from dataclasses import replace

from amaranth.hdl import Module, Mux, Signal, Value

from kanhw.errors import InputError
from kanhw.gateware.address import Address
from kanhw.gateware.stage import Payload, Stage

__all__ = ["CollectStage", "SplitStage"]


class SplitStage(Stage):
    """Takes a whole vector and hands it on in order, some codes a beat.

    What fills up the last beat is not said. A vector is taken at the earliest together with the
    last beat of the one before.

    Parameters
    ----------
    inputs
        A vector in one beat, all of them codes' own addresses.
    count
        Codes a beat, fewer than there are.
    """

    def __init__(self, inputs: Payload, count: int) -> None:
        if inputs.beats != 1 or not 1 <= count < inputs.count:
            raise InputError(
                f"To split a vector of {inputs.count} in {inputs.beats} beats, it must come in one "
                f"and go in several, not {count} codes a beat"
            )
        streams = tuple((_common(stream),) * count for stream in inputs.streams)
        beats = -(-inputs.count // count)
        super().__init__(inputs, replace(inputs, streams=streams, beats=beats, length=inputs.count))

    @property
    def latency(self) -> int:
        """Clock edges from a vector to its last beat."""
        return self.outputs.beats

    @property
    def initiation_interval(self) -> int:
        """A clock per beat."""
        return self.outputs.beats

    def elaborate(self, platform: object) -> Module:
        """A register that is shifted by a beat."""
        m = Module()
        beats, count = self.outputs.beats, self.outputs.count
        place, busy, last, takes = Signal(range(beats)), Signal(), Signal(), Signal()
        m.d.comb += [
            last.eq(place == beats - 1),
            self.o.valid.eq(busy),
            self.i.ready.eq(~busy | (last & self.o.ready)),
            takes.eq(self.i.valid & self.i.ready),
        ]
        with m.If(busy & self.o.ready):
            m.d.sync += place.eq(Mux(last, 0, place + 1))
        with m.If(self.i.ready):
            m.d.sync += busy.eq(self.i.valid)
        for k in self.outputs.layout.members:
            values = [Value.cast(value) for value in _values(self.i.payload[k])]
            held = [
                Signal(values[0].shape(), name=f"held{k}_{i}", reset_less=True)
                for i in range(len(values))
            ]
            for i, value in enumerate(values):
                after = held[i + count] if i + count < len(held) else held[i]
                with m.If(takes):
                    m.d.sync += held[i].eq(value)
                with m.Elif(self.o.ready):
                    m.d.sync += held[i].eq(after)
            for lane in range(count):
                m.d.comb += self.o.payload[k][str(lane)].eq(held[lane])
        return m


class CollectStage(Stage):
    """Takes a vector some codes a beat and hands it on in larger beats, or whole.

    A larger beat is handed on at the earliest together with the arrival of what follows.

    Parameters
    ----------
    inputs
        A vector in several beats.
    count
        Codes a beat: a multiple of those that come, or the whole vector.
    """

    def __init__(self, inputs: Payload, count: int) -> None:
        length = inputs.length or 0
        if not inputs.count < count <= length or (count % inputs.count and count != length):
            raise InputError(
                f"{inputs.count} of {length} codes a beat cannot be collected to {count}: it must "
                "be a multiple, or the whole vector"
            )
        self._portions = -(-count // inputs.count)
        streams = tuple(stream[:1] * count for stream in inputs.streams)
        whole = count == length
        super().__init__(
            inputs,
            Payload(
                streams,
                1 if whole else -(-length // count),
                inputs.sums[:1] * count,
                None if whole else length,
            ),
        )

    @property
    def latency(self) -> int:
        """Clock edges from a vector's last beat to its last larger one."""
        return 1

    @property
    def initiation_interval(self) -> int:
        """A clock per beat that comes."""
        return self.inputs.beats

    def elaborate(self, platform: object) -> Module:
        """A register for every code, loaded in turn."""
        m = Module()
        portions, beats = self._portions, self.inputs.beats
        place, beat = Signal(range(portions)), Signal(range(beats))
        valid, takes, last, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
            takes.eq(self.i.valid & self.i.ready),
            ends.eq(beat == beats - 1),
            last.eq((place == portions - 1) | ends),
        ]
        with m.If(self.i.ready):
            m.d.sync += valid.eq(takes & last)
        with m.If(takes):
            m.d.sync += [place.eq(Mux(last, 0, place + 1)), beat.eq(Mux(ends, 0, beat + 1))]
        for k in self.outputs.layout.members:
            arriving = _values(self.i.payload[k])
            for i, target in enumerate(_values(self.o.payload[k])):
                portion, lane = divmod(i, len(arriving))
                held = Signal(target.shape(), name=f"held{k}_{i}", reset_less=True)
                with m.If(takes & (place == portion)):
                    m.d.sync += held.eq(arriving[lane])
                m.d.comb += target.eq(held)
        return m


def _common(stream: tuple[Address, ...]) -> Address:
    """What is known of every code of a stream."""
    return replace(stream[0], lo=min(a.lo for a in stream), hi=max(a.hi for a in stream), offset=0)


def _values(vector: Value) -> list[Value]:
    return [vector[name] for name in vector.shape().members]
