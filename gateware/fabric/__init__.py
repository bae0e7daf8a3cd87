"""Families of FPGAs behind one interface: the rest of the gateware does not know them."""

from __future__ import annotations

from functools import cache

from kanhw.gateware.fabric.interface import Fabric, Summands, TableBank, Window
from kanhw.gateware.fabric.portable import Portable
from kanhw.gateware.fabric.ultrascale import UltraScalePlus

__all__ = ["Fabric", "Summands", "TableBank", "Window", "fabric_named"]

_FABRICS: dict[str, type[Fabric]] = {"portable": Portable, "ultrascale+": UltraScalePlus}


@cache
def fabric_named(name: str) -> Fabric:
    """The fabric of a :class:`~kanhw.schedule.schedule.Schedule`."""
    return _FABRICS[name]()
