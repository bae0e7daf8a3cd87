"""Families of FPGAs behind one interface: the rest of the gateware does not know them."""

from kanhw.gateware.fabric.fabrics import fabric_named
from kanhw.gateware.fabric.interface import Fabric, Place, Summands, TableBank, Window

__all__ = ["Fabric", "Place", "Summands", "TableBank", "Window", "fabric_named"]
