"""Nets that stay within a slice: they have no wires of the fabric, and take next to nothing.

Vendors' reports count a signal's power for nets that are routed. A carry goes to the next carry
cell; what a look-up table gives to a carry chain or a multiplexer, and the bit of it that only its
own flip-flop takes, stay inside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from kanhw.power.mapped import MappedNetlist
from kanhw.targets.cells.batch import CellKind
from kanhw.targets.cells.cell import HIGH, LOW

__all__ = ["local_nets"]

_DRIVERS = frozenset({"lut", "mux", "carry"})


def local_nets(netlist: MappedNetlist, kinds: Mapping[str, CellKind]) -> npt.NDArray[np.bool_]:
    """Which nets are local, ``[nets]``.

    Parameters
    ----------
    netlist, kinds
        The design, and what its cells are.
    """
    driven = np.zeros(netlist.nets, bool)
    # Of every net: how many inputs of carry chains and multiplexers it feeds, flip-flops, others.
    inside, registers, others = (defaultdict[int, int](int) for _ in range(3))
    for cell in netlist.cells:
        kind = kinds[cell.kind]
        if kind.part in _DRIVERS:
            for port, bit in kind.outputs:
                driven[cell.net(port, bit)] = True
        for number, (port, bit) in enumerate(kind.inputs):
            net = cell.net(port, bit)
            if kind.part in ("carry", "mux"):
                inside[net] += 1
            elif kind.part == "ff" and number == 0:
                registers[net] += 1
            else:
                others[net] += 1
    for nets in netlist.ports.values():
        for net in nets:
            others[net] += 1
    driven[[LOW, HIGH]] = False  # what ports that are left open stand for
    found = np.zeros(netlist.nets, bool)
    for net in np.flatnonzero(driven).tolist():
        if others[net]:
            continue
        found[net] = (inside[net] > 0 and not registers[net]) or registers[net] == 1
    return found
