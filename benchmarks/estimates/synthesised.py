"""Many small designs through Yosys in few processes, and what was found kept in a file."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.estimates.random_programs import Drawn
from kanhw.errors import ToolFailed
from kanhw.estimation import estimate_verilog, target_named
from kanhw.gateware import generate_verilog
from kanhw.tools.yosys import run_script

__all__ = ["Found"]

# What is compared, and what tells where a difference comes from.
COUNTS = ("lut", "ff", "carry", "dsp", "bram", "mux", "lut_memory", "lut_carry", "lut_by_size")


class Found:
    """The counts of drawn designs, by number and target, kept in a file as they are found.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        if path is not None and path.exists():
            self._known = json.loads(path.read_text(encoding="utf-8"))

    def counts(self, drawn: Drawn, target: str) -> dict[str, Any] | None:
        """What is known; None: nothing yet."""
        found: dict[str, Any] | None = self._known.get(f"{drawn.number} {target}")
        return found

    def add(self, batch: Sequence[Drawn], target: str) -> None:
        """Synthesise those that are not known."""
        missing = [drawn for drawn in batch if self.counts(drawn, target) is None]
        if not missing:
            return
        for drawn, counts in zip(missing, _synthesised(missing, target), strict=True):
            self._known[f"{drawn.number} {target}"] = counts
        if self._path is not None:
            written = self._path.with_suffix(".new")
            written.write_text(json.dumps(self._known, indent=0, sort_keys=True) + "\n")
            written.replace(self._path)


def cpu_seconds() -> float:
    """Of this process and of all that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _synthesised(batch: Sequence[Drawn], target: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="kanhw-benchmark-") as folder:
        for k, drawn in enumerate(batch):
            verilog = generate_verilog(drawn.program, drawn.schedule, name=f"d{k}")
            (Path(folder) / f"d{k}.v").write_text(verilog.text, encoding="utf-8")
        try:
            return _together(len(batch), target, Path(folder))
        except ToolFailed:  # one of them, by one recipe: each by itself then
            return [_alone(Path(folder) / f"d{k}.v", target) for k in range(len(batch))]


def _alone(path: Path, target: str) -> dict[str, Any]:
    found = estimate_verilog(path, path.stem, target, jobs=1)
    return {"recipe": found.recipe, **{name: getattr(found, name) for name in COUNTS}}


def _together(count: int, target: str, folder: Path) -> list[dict[str, Any]]:
    """By every recipe, all side by side in one module; of each design the fewest LUTs.

    The designs keep their hierarchy, so that nothing is shared among them and each is counted.
    """
    own = target_named(target)
    tops = [f"d{k}" for k in range(count)]
    texts = [(folder / f"{top}.v").read_text(encoding="utf-8") for top in tops]
    wrapped = "".join(map(_instance, tops, texts))
    ports = re.findall(r"(?:input|output)[^;]*?(\w+);", wrapped)
    (folder / "all.v").write_text(f"module all({', '.join(ports)});\n{wrapped}endmodule\n")
    read = "".join(f"read_verilog {top}.v\n" for top in (*tops, "all"))
    kept = f"hierarchy -top all\nsetattr -mod -set keep_hierarchy 1 {' '.join(tops)}\n"
    script = "".join(
        f"{read}{kept}{own.script(recipe, 'all')}tee -q -o {recipe}.json stat -json\n"
        "design -reset\n"
        for recipe in own.recipes
    )
    run_script(script, folder)
    modules = {
        recipe: json.loads((folder / f"{recipe}.json").read_text(encoding="utf-8"))["modules"]
        for recipe in own.recipes
    }
    found = []
    for top in tops:
        each = []
        for recipe in own.recipes:
            counted = own.count(modules[recipe][f"\\{top}"]["num_cells_by_type"])
            each.append({"recipe": recipe, **{name: getattr(counted, name) for name in COUNTS}})
        found.append(min(each, key=lambda counts: counts["lut"]))
    return found


def _instance(top: str, text: str) -> str:
    """Ports of its own for a module, and the module between them."""
    module = re.search(rf"^module {top}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    if module is None:
        raise ValueError(f"there is no module {top}")
    ports = re.findall(r"^ *(input|output) (\[\d+:0\] )?(\w+);", module[0], re.MULTILINE)
    lines = "".join(f"{way} {width}{top}_{name};\n" for way, width, name in ports)
    wired = ", ".join(f".{name}({top}_{name})" for _, _, name in ports)
    return f"{lines}{top} of_{top}({wired});\n"
