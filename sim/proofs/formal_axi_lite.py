"""Proofs of an AXI4-Lite slave: whatever a master does, every request has one answer.

The master is free altogether, and need not even keep the rules: what it offers may change or be
withdrawn before it is taken. Answers are watched by signals that must never rise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib.wiring import Component, Out

from kanhw.sim.proofs.formal import free_members, watched

__all__ = ["RESPONSE_COVERS", "RESPONSE_RULES", "AxiLiteHarness"]

RESPONSE_RULES = {
    "dropped": "an answer fell before it was taken",
    "changed": "an answer changed while it waited",
    "surplus": "an answer came before its request was accepted whole, or without one",
    "lost": "an answer did not come, whether or not its consumer was ready",
    "overflow": "more requests were accepted than the slave can hold",
    "stuck": "a request was not accepted though all of it was there and answers were taken",
}
"""What must never happen, of writes and of reads."""

RESPONSE_COVERS = {
    "answers": "a second answer is taken",
    "stall": "an answer waits and is taken later",
    "restart": "an answer is taken after a reset that found another waiting",
}
"""What must be possible, of writes and of reads."""

_SIDES = ("write", "read")


def _by_side(meanings: dict[str, str]) -> dict[str, str]:
    return {f"{side} {name}": f"{side}: {m}" for side in _SIDES for name, m in meanings.items()}


class AxiLiteHarness(Component):  # type: ignore[misc]  # Amaranth has no types
    """An AXI4-Lite slave, any master, and what must and must not happen.

    Parameters
    ----------
    unit
        A component with the signals ``s_axi_*`` of a slave.
    patience
        Clocks after which an answer must be there, and a request accepted.
    capacity
        Requests of each kind that the slave may hold at most, those that are answered included.
    free
        Its other inputs, as for :class:`~kanhw.sim.proofs.formal.StreamHarness`.

    Members
    -------
    free0, free1 ... : In
        All inputs of the slave.
    bad : Out(len(rules)), seen : Out(len(covers))
        See :class:`~kanhw.sim.proofs.formal.Harness`.
    """

    rules = _by_side(RESPONSE_RULES)
    covers = _by_side(RESPONSE_COVERS)

    def __init__(
        self, unit: Any, *, patience: int, capacity: int, free: Sequence[str] = ()
    ) -> None:
        self.unit = unit
        self._patience = patience
        self._capacity = capacity
        self._free = (*_inputs_of(unit), *free)
        super().__init__(
            {
                **free_members(unit, self._free),
                "bad": Out(len(self.rules)),
                "seen": Out(len(self.covers)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The slave, and the watchers of both kinds of requests."""
        m = Module()
        m.submodules.unit = unit = self.unit
        for k, name in enumerate(self._free):
            m.d.comb += Value.cast(getattr(unit, name)).eq(getattr(self, f"free{k}"))
        broken: list[Value] = []
        reached: list[Value] = []
        for requests, answer, payload in (
            (("aw", "w"), "b", unit.s_axi_bresp),
            (("ar",), "r", Cat(unit.s_axi_rdata, unit.s_axi_rresp)),
        ):
            bad, seen = self._watch(m, requests, answer, payload)
            broken += bad
            reached += seen
        m.d.comb += [self.bad.eq(watched(m, *broken)), self.seen.eq(Cat(*reached))]
        return m

    def _watch(
        self, m: Module, requests: Sequence[str], answer: str, payload: Value
    ) -> tuple[list[Value], list[Value]]:
        """What must not happen to one kind of request, and what must be possible."""
        unit = self.unit
        valid, ready = (getattr(unit, f"s_axi_{answer}{end}") for end in ("valid", "ready"))
        offered = [getattr(unit, f"s_axi_{name}valid") for name in requests]
        taken = [getattr(unit, f"s_axi_{name}ready") for name in requests]
        gives = valid & ready & ~ResetSignal()
        owed = [
            self._owed(m, name, valid & ready & ~ResetSignal(), gives)
            for name, valid, ready in zip(requests, offered, taken, strict=True)
        ]
        stalled, before = Signal(name=f"{answer}_stalled"), Signal.like(payload)
        m.d.sync += [stalled.eq(valid & ~ready), before.eq(payload)]
        due = Cat(count != 0 for count in owed).all()
        late = self._lasting(m, f"{answer}_late", due & ~valid)
        stuck = [
            self._lasting(m, f"{name}_waits", Cat(*offered, ready).all() & ~takes)
            for name, takes in zip(requests, taken, strict=True)
        ]
        broken = [
            stalled & ~valid,
            stalled & valid & (before != payload),
            valid & ~due,
            late,
            Cat(count > self._capacity for count in owed).any(),
            Cat(*stuck).any(),
        ]
        return broken, self._covers(m, answer, valid, gives, stalled)

    def _owed(self, m: Module, name: str, accepts: Value, gives: Value) -> Signal:
        """Requests that were accepted and have no answer yet; one too many stays so."""
        most = self._capacity + 1
        count = Signal(range(most + 1), name=f"{name}_owed")
        with m.If(count != most):
            m.d.sync += count.eq(count + accepts - (gives & (count != 0)))
        return count

    def _lasting(self, m: Module, name: str, level: Value) -> Value:
        """Whether a level has been high for more clocks than patience lasts."""
        count = Signal(range(self._patience + 1), name=name)
        following = Mux(count == self._patience, count, count + 1)
        m.d.sync += count.eq(Mux(level, following, 0))
        return level & (count == self._patience)

    def _covers(
        self, m: Module, answer: str, valid: Value, gives: Value, stalled: Value
    ) -> list[Value]:
        once, found = (
            Signal(name=f"{answer}_once"),
            Signal(name=f"{answer}_found", reset_less=True),
        )
        with m.If(gives):
            m.d.sync += once.eq(1)
        with m.If(ResetSignal() & valid):
            m.d.sync += found.eq(1)
        return [once & gives, stalled & gives, found & gives]


def _inputs_of(unit: Any) -> tuple[str, ...]:
    members = unit.signature.members
    return tuple(
        name
        for name, member in members.items()
        if name.startswith("s_axi_") and member.flow is not Out
    )
