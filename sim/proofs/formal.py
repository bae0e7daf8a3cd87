"""Proofs of the stream rules: a component between any sender and any consumer, for all stalls.

The harness is a component of its own. Its inputs are free: when the sender begins to offer, what it
offers, when the consumer is ready, when there is a reset. The sender keeps the rules by
construction (what it offered stays), so nothing is assumed. Whether the component keeps them is
watched by signals that must never rise; others must rise, or the proof would be empty.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Protocol

from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

__all__ = ["COVERS", "RULES", "Harness", "StreamHarness", "free_members", "watched"]


class Harness(Protocol):
    """A component in its free environment, and what must and must not happen.

    A :class:`~amaranth.lib.wiring.Component` whose inputs are all free, with an output ``bad``, a
    bit for every rule in order, and an output ``seen``, a bit for every cover.
    """

    @property
    def rules(self) -> dict[str, str]:
        """What must never happen, by name."""

    @property
    def covers(self) -> dict[str, str]:
        """What must be possible, by name."""


RULES = {
    "dropped_valid": "o.valid fell before the output was taken",
    "changed_payload": "o.payload changed while it waited",
    "surplus": "an output came for which there was no input",
    "lost": "an output did not come though both ends waited long enough",
    "overflow": "more inputs were accepted than the component can hold",
}
"""What must never happen."""

COVERS = {
    "output": "a second vector's last output is taken",
    "stall": "an output waits and is taken later",
    "pressure": "an input waits",
    "restart": "an output is taken after a reset that found the component busy",
    "patience": "outputs were owed, and then nothing kept them from coming for all of patience",
}
"""What must be possible."""


class StreamHarness(Component):  # type: ignore[misc]  # Amaranth has no types
    """A component with stream ports, its free environment and what must and must not happen.

    Parameters
    ----------
    unit
        A component with streams ``i`` and ``o``. A vector (or image) goes in as ``beats_in``
        beats and comes out as ``beats_out``.
    beats_in, beats_out
        See there.
    patience
        Clocks after which every output of what was accepted must have come, when the consumer was
        ready all the time and no vector was left unfinished.
    capacity
        Vectors that the component can hold at most, those begun included.
    free
        Other inputs of the component for whose every behaviour the rules must hold, by name
        (``write.valid`` is one within a stream).
    helpful
        Those of them, a bit each, that an output may wait for: ``patience`` counts only clocks in
        which they are high.

    Members
    -------
    begin, ready, payload : In
        The free environment; ``rst`` is free as well.
    free0, free1 ... : In
        The other inputs, in order.
    bad : Out(len(RULES))
        A bit for every rule, high where it is broken.
    seen : Out(len(COVERS))
        A bit for everything that must be possible.
    """

    rules = RULES
    covers = COVERS

    def __init__(
        self,
        unit: Any,
        *,
        beats_in: int,
        beats_out: int,
        patience: int,
        capacity: int,
        free: tuple[str, ...] = (),
        helpful: tuple[str, ...] = (),
    ) -> None:
        self.unit = unit
        self._free = free
        self._helpful = helpful
        self._beats = beats_in, beats_out
        self._patience = patience
        self._capacity = capacity
        super().__init__(
            {
                "begin": In(1),
                "ready": In(1),
                "payload": In(unsigned(len(Value.cast(unit.i.payload)))),
                **free_members(unit, free),
                "bad": Out(len(RULES)),
                "seen": Out(len(COVERS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The environment, and one watcher for each rule."""
        m = Module()
        m.submodules.unit = unit = self.unit
        offering, held = Signal(), Signal.like(self.payload)
        offered = Value.cast(unit.i.payload)
        m.d.comb += [
            unit.i.valid.eq(offering | self.begin),
            offered.eq(Mux(offering, held, self.payload)),
            unit.o.ready.eq(self.ready),
        ]
        for k, name in enumerate(self._free):
            m.d.comb += Value.cast(attrgetter(name)(unit)).eq(getattr(self, f"free{k}"))
        m.d.sync += [offering.eq(unit.i.valid & ~unit.i.ready), held.eq(offered)]
        accepts, gives = Signal(), Signal()
        m.d.comb += [
            # What happens at an edge that resets has not happened.
            accepts.eq(unit.i.valid & unit.i.ready & ~ResetSignal()),
            gives.eq(unit.o.valid & unit.o.ready & ~ResetSignal()),
        ]
        stable = self._watch_stability(m)
        *counted, waited = self._watch_counts(m, accepts, gives)
        m.d.comb += self.bad.eq(watched(m, *stable, *counted))
        self._watch_covers(m, gives, waited)
        return m

    def _watch_stability(self, m: Module) -> tuple[Value, Value]:
        """Whether an output that waits falls, or changes."""
        unit, waiting = self.unit, Signal()
        payload = Value.cast(unit.o.payload)
        before = Signal.like(payload, name="payload_before")
        m.d.sync += [waiting.eq(unit.o.valid & ~unit.o.ready), before.eq(payload)]
        return waiting & ~unit.o.valid, waiting & unit.o.valid & (payload != before)

    def _watch_counts(self, m: Module, accepts: Value, gives: Value) -> tuple[Value, ...]:
        """Outputs that are owed, and for how long nothing kept them from coming.

        Gives the rules, and whether patience ended that began when something was owed.
        """
        beats_in, beats_out = self._beats
        place = Signal(range(max(beats_in, 2)))
        most = (self._capacity + 1) * beats_out
        owed, quiet = Signal(range(most + 1)), Signal(range(self._patience + 1))
        starts = accepts & (place == 0)
        with m.If(accepts):
            m.d.sync += place.eq(Mux(place == beats_in - 1, 0, place + 1))
        # An output counts from the arrival of its vector's first beat, at the same edge at best.
        with m.If(owed <= most - beats_out):
            m.d.sync += owed.eq(owed + Mux(starts, beats_out, 0) - (gives & (owed != 0)))
        whole = (place == 0) & ~self.unit.i.valid
        helps = [attrgetter(name)(self.unit) for name in self._helpful]
        patient = whole & Cat(self.ready, *helps).all()
        m.d.sync += quiet.eq(Mux(patient, Mux(quiet == self._patience, quiet, quiet + 1), 0))
        # Only then has the rule been asked; with a bound that is shorter it holds for want of time.
        asked = Signal()
        with m.If(quiet == 0):
            m.d.sync += asked.eq(patient & (owed != 0))
        surplus = self.unit.o.valid & (owed == 0)
        ended = quiet == self._patience
        lost, overflow = ended & (owed != 0), owed > self._capacity * beats_out
        return surplus, lost, overflow, ended & asked

    def _watch_covers(self, m: Module, gives: Value, waited: Value) -> None:
        """What an environment must be able to bring about."""
        unit, beats_out = self.unit, self._beats[1]
        count, stalled = Signal(range(2 * beats_out + 1)), Signal()
        pressed, interrupted = Signal(), Signal(reset_less=True)
        with m.If(gives & (count != 2 * beats_out)):
            m.d.sync += count.eq(count + 1)
        m.d.sync += stalled.eq((unit.o.valid & ~unit.o.ready) | stalled)
        m.d.sync += pressed.eq((unit.i.valid & ~unit.i.ready) | pressed)
        with m.If(ResetSignal() & unit.o.valid):
            m.d.sync += interrupted.eq(1)
        m.d.comb += self.seen.eq(
            Cat(count == 2 * beats_out, stalled & gives, pressed, interrupted & gives, waited)
        )


def free_members(unit: Any, names: tuple[str, ...]) -> dict[str, In]:
    """Inputs ``free0``, ``free1`` ... of a harness, as wide as the named ones of a component."""
    widths = [len(Value.cast(attrgetter(name)(unit))) for name in names]
    return {f"free{k}": In(unsigned(width)) for k, width in enumerate(widths)}


def watched(m: Module, *broken: Value) -> Value:
    """A bit for every rule, high where it is broken; not in the first clock, nor under reset.

    Nothing can wait yet in the first clock; and without a register ABC would have no circuit.
    """
    started = Signal(name="started", reset_less=True)
    m.d.sync += started.eq(1)
    watches = started & ~ResetSignal()
    return Cat(*(Value.cast(bit) for bit in broken)) & watches.replicate(len(broken))
