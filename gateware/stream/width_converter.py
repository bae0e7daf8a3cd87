"""Vectors and pixels from beats of some codes to beats of more, or of fewer."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from amaranth.hdl import Module, Mux, Signal, Value

from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.costs import HardwareCosts
from kanhw.gateware.stream.cycle_model import Pace
from kanhw.gateware.stream.stage import BeatStage, Payload, Stage
from kanhw.schedule.formula import Formula

__all__ = ["CollectStage", "SplitStage"]


class SplitStage(Stage):
    """Takes a whole vector, or an image pixel by pixel, and hands it on some codes a beat.

    What fills up the last beat of a vector, or of every pixel, is not said. A vector (pixel) is
    taken at the earliest together with the last beat of the one before.

    Parameters
    ----------
    inputs
        A vector (pixel) in one beat, all of them codes' own addresses.
    count
        Codes a beat, fewer than there are.
    """

    def __init__(self, inputs: Payload, count: int) -> None:
        after = inputs.transfer.split(count)
        streams = tuple((_common(stream),) * count for stream in inputs.streams)
        outputs = Payload(streams, after.beats, inputs.sums, after.length, after.channels)
        super().__init__(inputs, outputs)

    @property
    def latency(self) -> int:
        """Clock edges from a vector (the last pixel) to its last beat."""
        return self.outputs.pixel_beats

    @property
    def initiation_interval(self) -> int:
        """A clock per beat."""
        return self.outputs.beats

    def clocks(self) -> tuple[Formula, Formula]:
        """A clock for every part of a pixel."""
        beats = Formula.ceil(self.inputs.count, self.outputs.count)
        pixels = self.inputs.beats
        return (beats if pixels == 1 else Formula.of(pixels) * beats), beats

    @property
    def costs(self) -> HardwareCosts:
        """A register for every code, a choice in front of those that are shifted, a counter."""
        lanes, bits = self.outputs.layout.size, self.outputs.layout.size // self.outputs.count
        held = bits * self.inputs.count
        place = (self.outputs.pixel_beats - 1).bit_length()
        return HardwareCosts(
            table_luts=max(held - lanes, 0) + 3,
            register_bits=held + place + 1,
            counters=place,
        )

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return _SplitPace(self.outputs.pixel_beats)

    def elaborate(self, platform: object) -> Module:
        """A register that is shifted by a beat."""
        m = Module()
        beats, count = self.outputs.pixel_beats, self.outputs.count
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


class CollectStage(BeatStage):
    """Takes a vector or pixel some codes a beat and hands it on in larger beats, or whole.

    Or takes whole pixels, and hands on several of an image together, the last beat filled up with
    anything. A larger beat is handed on at the earliest together with the arrival of what follows.

    Parameters
    ----------
    inputs
        A vector or an image in several beats.
    count
        Codes a beat: a multiple of those that come, or the whole vector or pixel.
    """

    def __init__(self, inputs: Payload, count: int) -> None:
        before = inputs.transfer
        after, pixels = before.collected(count), before.pixel_beats == 1
        self.collected_beats = -(-count // inputs.count)
        self.unit = before.collected_unit
        streams = tuple(
            stream * (count // inputs.count) if pixels else stream[:1] * count
            for stream in inputs.streams
        )
        sums = inputs.sums[:1] * count
        outputs = Payload(streams, after.beats, sums, after.length, after.channels)
        super().__init__(inputs, outputs)

    @property
    def latency(self) -> int:
        """Clock edges from the last beat to the last larger one."""
        return 1

    @property
    def costs(self) -> HardwareCosts:
        """A register for every code, who is loaded, and counters."""
        place = (self.collected_beats - 1).bit_length() + (self.unit - 1).bit_length()
        return HardwareCosts(
            table_luts=self.collected_beats + 3,
            register_bits=self.outputs.layout.size + place + 1,
            counters=place,
        )

    def pace(self) -> Pace:
        """A model of its handshake, which timing is simulated with."""
        return _CollectPace(self.unit, self.collected_beats)

    def elaborate(self, platform: object) -> Module:
        """A register for every code, loaded in turn."""
        m = Module()
        together, beats = self.collected_beats, self.unit
        place, beat = Signal(range(together)), Signal(range(beats))
        valid, takes, last, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~valid | self.o.ready),
            self.o.valid.eq(valid),
            takes.eq(self.i.valid & self.i.ready),
            ends.eq(beat == beats - 1),
            last.eq((place == together - 1) | ends),
        ]
        # The registers are the output: they are full with the last beat that they collect, and are
        # loaded again in the clock in which they are taken.
        with m.If(self.i.ready):
            m.d.sync += valid.eq(takes & last)
        with m.If(takes):
            m.d.sync += [place.eq(Mux(last, 0, place + 1)), beat.eq(Mux(ends, 0, beat + 1))]
        for k in self.outputs.layout.members:
            # Register i is lane i mod n of the beat i div n, for n values that arrive at a time.
            arriving = _values(self.i.payload[k])
            for i, target in enumerate(_values(self.o.payload[k])):
                arrival, lane = divmod(i, len(arriving))
                held = Signal(target.shape(), name=f"held{k}_{i}", reset_less=True)
                with m.If(takes & (place == arrival)):
                    m.d.sync += held.eq(arriving[lane])
                m.d.comb += target.eq(held)
        return m


def _common(stream: tuple[Address, ...]) -> Address:
    """The range that every code of a stream is within."""
    return replace(stream[0], lo=min(a.lo for a in stream), hi=max(a.hi for a in stream), offset=0)


def _values(vector: Value) -> list[Value]:
    return [vector[name] for name in vector.shape().members]


class _SplitPace:
    """The handshake of a :class:`SplitStage`."""

    def __init__(self, pixel_beats: int) -> None:
        self._pixel_beats = pixel_beats
        self._place = 0
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        """Go through one clock, and say whether the stage was ready for an input."""
        last = self._place == self._pixel_beats - 1
        accepts = not self.valid or (last and ready)
        if self.valid and ready:
            self._place = 0 if last else self._place + 1
        if accepts:
            self.valid = offered
        return accepts

    def state(self) -> Hashable:
        """All that decides what it will do."""
        return self._place, self.valid


class _CollectPace:
    """The handshake of a :class:`CollectStage`."""

    def __init__(self, unit: int, together: int) -> None:
        self._unit, self._together = unit, together
        self._place = self._beat = 0
        self.valid = False

    def step(self, offered: bool, ready: bool) -> bool:
        """Go through one clock, and say whether the stage was ready for an input."""
        accepts = ready or not self.valid
        if accepts:
            ends = self._beat == self._unit - 1
            last = ends or self._place == self._together - 1
            self.valid = offered and last
            if offered:
                self._place = 0 if last else self._place + 1
                self._beat = 0 if ends else self._beat + 1
        return accepts

    def state(self) -> Hashable:
        """All that decides what it will do."""
        return self._place, self._beat, self.valid
