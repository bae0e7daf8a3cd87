"""The table of fabrics."""

from __future__ import annotations

from functools import cache

from kanhw.gateware.fabric.interface import Fabric
from kanhw.gateware.fabric.portable import Portable
from kanhw.gateware.fabric.ultrascale import UltraScalePlus

__all__ = ["fabric_named"]

_FABRICS: dict[str, type[Fabric]] = {"portable": Portable, "ultrascale+": UltraScalePlus}


@cache
def fabric_named(name: str) -> Fabric:
    """The fabric of a :class:`~kanhw.schedule.schedule.Schedule`."""
    return _FABRICS[name]()
