"""A design's synthesised netlist as a design of its own, which every simulation then takes."""

from __future__ import annotations

import re
from pathlib import Path

from kanhw.design.design import Design, load_design
from kanhw.design.manifest import MANIFEST, manifest_bytes
from kanhw.entries import read_json_object
from kanhw.errors import InputError
from kanhw.folders import write_folder
from kanhw.interruption import temporary_folder
from kanhw.targets.table import library_of, target_named
from kanhw.targets.target import CellLibrary
from kanhw.tools.verilog_memories import copy_for_yosys
from kanhw.tools.yosys import DEFAULT_TIMEOUT, run_script, share_folder

__all__ = ["cell_library", "netlist_design", "with_verilog"]

_MODULE = re.compile(
    r"(?:^\(\*[^\n]*\*\)\s*)*^\s*module\s+(\\\S+|\w+)\b.*?\bendmodule\b[^\n]*\n", re.M | re.S
)
_WORD = re.compile(r"[A-Za-z_]\w*")


def netlist_design(
    design_dir: str | Path,
    target: str,
    out: str | Path,
    *,
    recipe: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Design:
    """Synthesise a design and make a folder whose Verilog is the netlist, with models of its cells.

    Ports, timing and Program are those of the design, so that it is simulated like any other.

    Parameters
    ----------
    design_dir
        A generated design.
    target
        The name of one that has models of its cells.
    out
        The folder to make.
    recipe
        Of the target; None is the first.
    timeout
        Seconds for the synthesis.

    Raises
    ------
    InputError
        If there is no such design, target or recipe, the target has no models of its cells, or
        the folder cannot be made.
    ToolNotFound, ToolFailed
        If there is no Yosys, or it fails.
    """
    design = load_design(design_dir)
    family = target_named(target)
    recipe = recipe or next(iter(family.recipes))
    if recipe not in family.recipes:
        raise InputError(
            f"Unknown recipe {recipe!r}: {target} has {', '.join(map(repr, family.recipes))}"
        )
    library = library_of(target)
    with temporary_folder("kanhw-netlist-") as folder:
        copy_for_yosys(design.verilog_path, folder, "design.v")
        commands = family.script(recipe, design.top)
        run_script(
            f"read_verilog design.v\n{commands}write_verilog -noattr netlist.v\n",
            folder,
            timeout=timeout,
        )
        netlist = (folder / "netlist.v").read_text(encoding="utf-8")
    # The netlist first: a time scale in the library is for the library.
    verilog = f"{netlist}\n{cell_library(netlist, library)}"
    return with_verilog(design, verilog.encode(), out)


def cell_library(netlist: str, library: CellLibrary) -> str:
    """The models of the cells that a netlist holds.

    Parameters
    ----------
    netlist
        Verilog.
    library
        Models of the target's cells. What its file includes lies beside that.

    Raises
    ------
    ToolNotFound
        If there is no Yosys, or its libraries are not where they usually are.
    """
    text = _with_includes(share_folder() / library.file)
    modules = {match[1]: match[0] for match in _MODULE.finditer(text)}
    modules |= library.models
    used, waiting = set[str](), [netlist]
    while waiting:
        found = {word for word in _WORD.findall(waiting.pop()) if word in modules} - used
        used |= found
        waiting += [modules[name] for name in found]
    own = used & library.models.keys()
    kept = _MODULE.sub(lambda match: match[0] if match[1] in used - own else "", text)
    return library.definitions + kept + "".join(library.models[name] for name in sorted(own))


def _with_includes(path: Path) -> str:
    """A Verilog file with the files that it includes in their place."""

    def included(match: re.Match[str]) -> str:
        return _with_includes(path.parent / match[1])

    return re.sub(r'^\s*`include\s+"([^"]+)"', included, path.read_text("utf-8"), flags=re.M)


def with_verilog(design: Design, verilog: bytes, out: str | Path) -> Design:
    """A copy of a design, in a new folder, with other Verilog of the same ports and timing."""
    manifest = read_json_object(design.path / MANIFEST)
    files = {name: (design.path / name).read_bytes() for name in manifest["files"]}
    files[design.verilog] = verilog
    files[MANIFEST] = manifest_bytes(manifest, files)
    write_folder(out, files)
    return load_design(out)
