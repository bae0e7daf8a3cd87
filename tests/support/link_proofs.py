"""What the proofs of the link share: harnesses, and classes with a fault planted."""

import inspect
import sys
from typing import ClassVar

import pytest
from amaranth.hdl import Mux, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Out

from kanhw.errors import ToolNotFound
from kanhw.sim.proofs.stream_proofs import find_abc, prove


def needs_abc():
    """Skip where there is no ABC."""
    try:
        find_abc()
    except ToolNotFound as error:
        pytest.skip(str(error))


def planted(kind, *changes):
    """A class with changes in its text."""
    text = inspect.getsource(kind)
    for right, other in changes:
        assert text.count(right) == 1, f"{kind.__name__} has not once: {right}"
        text = text.replace(right, other)
    names = dict(vars(sys.modules[kind.__module__]))
    exec("from __future__ import annotations\n" + text, names)
    return names[kind.__name__]


# A solver cannot look through 16 XORs of many bytes, and no rule hangs on which function the
# checksum is; that it is the right one, simulation shows.
CHECKSUM = "linear(_next_crc, Cat(crc, {byte}), CRC_BITS)"


class LinkHarness(Component):
    """What every harness here has: bits of rules and of covers, and free inputs."""

    rules: ClassVar[dict[str, str]]
    covers: ClassVar[dict[str, str]]

    def __init__(self, free):
        super().__init__(
            {
                **{name: In(unsigned(bits)) for name, bits in free.items()},
                "bad": Out(len(self.rules)),
                "seen": Out(len(self.covers)),
            }
        )

    def offers(self, m, target):
        """A sender that keeps the rules: what it offered stays until it is taken."""
        offering, held = Signal(), Signal.like(self.payload)
        m.d.comb += [
            target.valid.eq(offering | self.begin),
            Value.cast(target.payload).eq(Mux(offering, held, self.payload)),
        ]
        m.d.sync += offering.eq(target.valid & ~target.ready)
        with m.If(~offering):
            m.d.sync += held.eq(self.payload)

    @staticmethod
    def unsteady(m, source, name):
        """Whether what a stream offered fell, or changed, before it was taken."""
        payload = Value.cast(source.payload)
        stalled, before = Signal(name=f"{name}_stalled"), Signal(len(payload), name=f"{name}_was")
        m.d.sync += [stalled.eq(source.valid & ~source.ready), before.eq(payload)]
        return stalled & ~source.valid, stalled & source.valid & (before != payload), stalled


def assert_proved(harness, clocks, seconds=20.0, inductive=False):
    proof = prove(harness, clocks=clocks, seconds=seconds, inductive=inductive)
    assert proof.passed, proof
    return proof


def assert_bounded(harness, rule, clocks, least=None, seconds=60.0):
    """For so many clocks after power-up, within which everything is reached that must be."""
    proof = prove(harness, clocks=clocks, seconds=seconds, only=rule)
    assert proof.broken == {} and proof.unreached == (), proof
    assert proof.clocks is not None and proof.clocks > (least or proof.covered), proof


def breaks(harness, rule, clocks):
    return rule in prove(harness, clocks=clocks, seconds=20.0, only=rule).broken
