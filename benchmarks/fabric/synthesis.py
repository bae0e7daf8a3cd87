"""Many small designs through one run of Yosys for each recipe of a target."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kanhw.interruption import temporary_folder
from kanhw.targets.table import target_named
from kanhw.targets.target import CellCounts
from kanhw.tools.yosys import run_script

__all__ = ["synthesise"]

_TOP = "every_design"


def synthesise(
    designs: Mapping[str, str], target: str, recipe: str | None = None
) -> dict[str, CellCounts]:
    """The cells of each design, of the recipe with the fewest LUTs unless one is named.

    All are kept apart in one module that holds one of each, so that reading cells and starting
    Yosys, which small designs take most of their time for, happens once.

    Parameters
    ----------
    designs
        Verilog by the name of its top module; no two have a module of the same name.
    target
        The name of a target.
    recipe
        One of its recipes; None tries all.
    """
    found = target_named(target)
    best: dict[str, CellCounts] = {}
    for each in [recipe] if recipe else found.recipes:
        script = found.script(each, _TOP)
        for name, cells in _cells(designs, script).items():
            counts = found.count(cells)
            if name not in best or counts.lut < best[name].lut:
                best[name] = counts
    return best


def _cells(designs: Mapping[str, str], script: str) -> dict[str, dict[str, int]]:
    with temporary_folder("kanhw-fit-") as folder:
        text = "".join(designs.values()) + _holder(designs)
        (folder / "all.v").write_text(text, encoding="utf-8")
        apart = f"setattr -mod -set keep_hierarchy 1 {' '.join(designs)}\n"
        run_script(f"read_verilog all.v\n{apart}{script}tee -q -o stat.json stat -json\n", folder)
        return _counted(folder / "stat.json", list(designs))


def _counted(path: Path, names: Sequence[str]) -> dict[str, dict[str, int]]:
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    return {name: modules[f"\\{name}"]["num_cells_by_type"] for name in names}


def _holder(designs: Mapping[str, str]) -> str:
    """A module with an instance of each design, whose ports are all its own."""
    ports, cells = [], []
    for name, text in designs.items():
        wires = _ports(text, name)
        ports += [f"{kind} {width} {name}_{port}" for kind, width, port in wires]
        bound = ", ".join(f".{port}({name}_{port})" for _, _, port in wires)
        cells.append(f"  {name} {name}_cell ({bound});\n")
    return f"module {_TOP}({', '.join(ports)});\n{''.join(cells)}endmodule\n"


def _ports(text: str, name: str) -> list[tuple[str, str, str]]:
    """Direction, range and name of every port of a module that Amaranth wrote."""
    body = re.search(rf"^module {name}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    if body is None:
        raise ValueError(f"there is no module {name}")
    return re.findall(r"^  (input|output) (\[\d+:\d+\])? ?(\w+);", body[0], re.MULTILINE)
