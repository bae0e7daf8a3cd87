"""Families of FPGAs behind one interface: the rest of the gateware does not know them."""

from kanhw.gateware.fabric.fabrics import fabric_named
from kanhw.gateware.fabric.interface import Fabric, Place, Reading, Summands, TableBank, Window

__all__ = [
    "Fabric",
    "Place",
    "Reading",
    "Summands",
    "TableBank",
    "Window",
    "fabric_named",
]
