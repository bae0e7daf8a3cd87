"""Boards: from a design to a bitstream, and from data to the board and back."""

from kanhw.boards.built import Built, load_built
from kanhw.boards.host.connect import connect
from kanhw.boards.host.device import Device, SelfTestResult
from kanhw.boards.host.simulated import SimulatedBoard

__all__ = ["Built", "Device", "SelfTestResult", "SimulatedBoard", "connect", "load_built"]
