"""No component is forgotten: what has a handshake is proved, what has none is in what is proved."""

import importlib
import inspect
import pkgutil

import pytest
from amaranth.hdl import Fragment
from amaranth.lib import stream
from amaranth.lib.wiring import Component

import kanhw.gateware
from kanhw.gateware.folded.output_serializer import OutputSerializer
from kanhw.gateware.heads.head_loader import HeadBanks, HeadLoader
from kanhw.gateware.image.pooling import PoolingStage
from kanhw.gateware.top.axi_lite import AxiLiteHeads
from kanhw.gateware.top.stream_top import CoreTop
from kanhw.gateware.unrolled.unrolled_layers import ProgramCore

# Proved by the tests of these names, with rules of their own.
WITH_OWN_RULES = {
    AxiLiteHeads: "test_axi_lite.test_slave",
    HeadBanks: "test_heads.test_banks",
    HeadLoader: "test_heads.test_loader",
}
# A vector at every clock: there is nothing to wait for, and no state besides the layers'.
WITHOUT_HANDSHAKE = {CoreTop, ProgramCore}


def _components():
    """All classes of components that gateware defines, but for those that others refine."""
    found = set()
    for module in pkgutil.walk_packages(kanhw.gateware.__path__, "kanhw.gateware."):
        members = vars(importlib.import_module(module.name)).values()
        found |= {
            kind
            for kind in members
            if inspect.isclass(kind)
            and issubclass(kind, Component)
            and kind.__module__ == module.name
        }
    refined = {base for kind in found for base in kind.__mro__[1:]}
    return found, refined


def _parts(fragment):
    """All components of an elaborated design, itself included."""
    for origin in fragment.origins or ():
        if isinstance(origin, Component):
            yield origin
    for part, _, _ in fragment.subfragments:
        yield from _parts(part)


def _shakes_hands(unit):
    """Whether it has a stream, or signals named like one's."""
    members = unit.signature.members
    return any(
        (member.is_signature and isinstance(member.signature, stream.Signature))
        or (name.endswith("valid") and name.removesuffix("valid") + "ready" in members)
        for name, member in members.items()
    )


def _forgotten(units):
    """What has a handshake and no proof of its own; and what is in nothing that is proved."""
    there, refined = _components()
    inside, shaking = set(), set()
    for unit in units:
        for part in _parts(Fragment.get(unit, None)):
            inside.add(type(part))
            if _shakes_hands(part):
                shaking.add(type(part))
    assert len(there) > 50 and len(shaking) > 15
    proved = {type(unit) for unit in units} | set(WITH_OWN_RULES)
    unproved = (shaking & there) - proved
    outside = there - inside - refined - WITHOUT_HANDSHAKE
    return [sorted(kind.__name__ for kind in kinds) for kinds in (unproved, outside)]


def test_every_component_is_proved(proved_units):
    unproved, outside = _forgotten(proved_units)
    assert not unproved, f"these have a handshake, but no proof of their own: {unproved}"
    assert not outside, f"these are in no design that is proved: {outside}"


@pytest.mark.slow
def test_what_is_forgotten_is_named(proved_units):
    units = [unit for unit in proved_units if type(unit) not in (OutputSerializer, PoolingStage)]
    assert _forgotten(units) == [["OutputSerializer"], ["PoolingStage"]]
