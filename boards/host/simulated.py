"""A board that is a simulation: the built top in Verilator, behind a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from kanhw.boards.built import TOP_VERILOG, load_built
from kanhw.errors import InputError, ToolFailed, ToolNotFound
from kanhw.sim.compiled import MAKEFLAGS, build_digest, compiled_simulators, shared_objects
from kanhw.sim.processes import run_tool
from kanhw.tools.simulators import Simulator, find_verilator

__all__ = ["SimulatedBoard"]

_HARNESS = Path(__file__).with_name("board_harness.cpp")
_TOP = "link_top"
_OPTIONS = (
    *("--cc", "--exe", "--build", "-j", "2", "-O3", "--no-timing", "--quiet"),
    *("--x-assign", "fast", "--x-initial", "fast", "--output-split", "20000"),
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "-MAKEFLAGS", MAKEFLAGS),
)


class SimulatedBoard:
    """A build on a board that there is not: everything but the silicon.

    A context manager; in it ``port`` names a pseudo-terminal behind which the top of the build is
    simulated, clock by clock, and :func:`kanhw.boards.connect` finds what it finds behind a
    board's port. It may be connected to several times, one after the other.

    Parameters
    ----------
    build
        A folder that ``kanhw build`` made.
    simulator
        A Verilator; by default the one that is found.
    timeout
        Seconds in which the simulation must be compiled.

    Raises
    ------
    InputError
        If the folder holds no build.
    ToolNotFound
        If there is no Verilator, or the system has no pseudo-terminals.
    ToolFailed
        If the simulation cannot be compiled or started.
    """

    def __init__(
        self,
        build: str | Path,
        *,
        simulator: Simulator | None = None,
        timeout: float = 3600.0,
    ) -> None:
        if not hasattr(os, "openpty"):
            raise ToolNotFound(
                "This system has no pseudo-terminals, behind which a board is simulated: use Linux "
                "or macOS"
            )
        self._built = load_built(build)
        self._verilator = simulator or find_verilator()
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: list[int] = []
        self._port: str | None = None
        self._work: tempfile.TemporaryDirectory[str] | None = None

    @property
    def port(self) -> str:
        """The name of the pseudo-terminal.

        Raises
        ------
        InputError
            Outside of the ``with`` statement.
        """
        if self._port is None:
            raise InputError(
                "The simulated board is off: use it in 'with SimulatedBoard(DIR) as board:'"
            )
        return self._port

    def __enter__(self) -> SimulatedBoard:
        program = self._program()
        master, slave = os.openpty()
        self._ends = [master, slave]
        try:
            # Bytes as they are, until a user of the port says so too.
            import tty

            tty.setraw(slave)
            self._port = os.ttyname(slave)
            self._process = subprocess.Popen(
                [str(program), str(master), str(self._built.divisor)],
                pass_fds=[master],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException as error:
            self.unplug()
            if isinstance(error, OSError):
                raise ToolFailed(f"The simulation could not be started: {error}") from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        """End the simulation and take the port away, as when a cable is pulled."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        for end in self._ends:
            os.close(end)
        self._ends = []
        self._port = None
        if self._work is not None:
            self._work.cleanup()
            self._work = None

    def _program(self) -> Path:
        """The compiled simulation: from the cache if it is there."""
        verilog = (self._built.path / TOP_VERILOG).read_bytes()
        key = f"board-{build_digest(verilog, _HARNESS.read_bytes(), self._verilator, _OPTIONS)}"
        builds = compiled_simulators(None)
        kept = builds.find(key) if builds else None
        if kept is not None:
            return kept
        # Where nothing can be kept, the program is used where it was made.
        self._work = tempfile.TemporaryDirectory(prefix="kanhw-board-")
        work = Path(self._work.name).resolve()
        program = self._compile(work, verilog)
        return builds.keep(key, program) if builds else program

    def _compile(self, work: Path, verilog: bytes) -> Path:
        if " " in str(work):
            raise InputError(f"make cannot build in {work}: set TMPDIR to a folder without spaces")
        # Copies, because make cannot work with spaces in the path of a source.
        (work / TOP_VERILOG).write_bytes(verilog)
        shutil.copyfile(_HARNESS, work / "harness.cpp")
        run_tool(
            [
                *(self._verilator.executable, *_OPTIONS),
                *("--prefix", "Vdut", "--top-module", _TOP, "--Mdir", work / "obj"),
                *(work / TOP_VERILOG, work / "harness.cpp"),
            ],
            f"Verilator on {self._built.path / TOP_VERILOG}",
            environment=self._verilator.process_environment(shared_objects()),
            folder=work,
            timeout=self._timeout,
        )
        return work / "obj" / "Vdut"
