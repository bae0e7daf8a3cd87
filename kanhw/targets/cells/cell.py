"""One cell of a netlist: its type, parameters and nets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["HIGH", "LOW", "Cell"]

LOW, HIGH = 0, 1
"""The nets that are constant."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Parameters
    ----------
    name
        In the netlist.
    kind
        Its type, such as ``LUT6``.
    parameters
        Bits as text, the highest first, or words, as Yosys writes them.
    ports
        The nets of every port, lowest bit first.
    """

    name: str
    kind: str
    parameters: Mapping[str, str]
    ports: Mapping[str, tuple[int, ...]]

    def net(self, port: str, bit: int = 0) -> int:
        """The net at one bit of a port; a port that is left open is low."""
        nets = self.ports.get(port, ())
        return nets[bit] if bit < len(nets) else LOW

    def bits(self, parameter: str, count: int) -> tuple[int, ...]:
        """A parameter as that many bits, lowest first; what is not written is 0."""
        text = self.parameters.get(parameter, "")
        values = [1 if letter == "1" else 0 for letter in reversed(text)]
        return tuple((values + [0] * count)[:count])

    def word(self, parameter: str, default: str) -> str:
        """A parameter that is a word."""
        return self.parameters.get(parameter, default).rstrip()
