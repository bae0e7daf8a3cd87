"""A synthesised netlist: the cells of a family and the nets between them, as Yosys wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kanhw.errors import ToolFailed
from kanhw.targets.cells.cell import HIGH, LOW, Cell

__all__ = ["MappedNetlist", "read_netlist"]

# Records of names in the source, which Yosys keeps as cells when it flattens a hierarchy.
_NO_HARDWARE = frozenset({"$scopeinfo"})


@dataclass(frozen=True)
class MappedNetlist:
    """The netlist of a module.

    Parameters
    ----------
    ports
        The nets of its ports, lowest bit first.
    inputs
        Names of those that are inputs.
    cells
        All but constants.
    nets
        How many nets there are; :data:`LOW` and :data:`HIGH` are the first two.
    """

    ports: Mapping[str, tuple[int, ...]]
    inputs: frozenset[str]
    cells: tuple[Cell, ...]
    nets: int


def read_netlist(path: Path, top: str) -> MappedNetlist:
    """The netlist that Yosys' ``write_json`` wrote.

    Parameters
    ----------
    path
        Its file.
    top
        The module; a hierarchy must have been flattened.

    Raises
    ------
    ToolFailed
        If there is no such module.
    """
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    if top not in modules:
        raise ToolFailed(f"{path} holds {', '.join(modules)}, but not the module {top}")
    module = modules[top]
    # What is undefined costs nothing, so it may as well be low.
    return _netlist(module, _Numbering({"0": LOW, "x": LOW, "z": LOW, "1": HIGH}))


class _Numbering:
    """Numbers for the nets of Yosys, in the order in which they are met."""

    def __init__(self, numbers: dict[int | str, int]) -> None:
        self._numbers = numbers
        self.count = 1 + max(numbers.values())

    def __call__(self, bits: list[int | str]) -> tuple[int, ...]:
        found = []
        for bit in bits:
            if bit not in self._numbers:
                self._numbers[bit] = self.count
                self.count += 1
            found.append(self._numbers[bit])
        return tuple(found)


def _netlist(module: dict[str, Any], number: _Numbering) -> MappedNetlist:
    ports = {name: number(port["bits"]) for name, port in module["ports"].items()}
    cells = tuple(
        Cell(
            name,
            cell["type"],
            {key: str(value) for key, value in cell["parameters"].items()},
            {port: number(bits) for port, bits in cell["connections"].items()},
        )
        for name, cell in module["cells"].items()
        if cell["type"] not in _NO_HARDWARE
    )
    inputs = {name for name, port in module["ports"].items() if port["direction"] == "input"}
    return MappedNetlist(ports, frozenset(inputs), cells, number.count)
