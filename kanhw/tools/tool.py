"""Finding a program: named by the user, in a Python package, or on PATH; and its version."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kanhw.errors import ToolNotFound
from kanhw.interruption import temporary_folder
from kanhw.tools.processes import named_command

__all__ = ["FoundTool", "Package", "Tool", "answer_of", "on_path", "package_folder"]


@dataclass(frozen=True)
class Package:
    """A Python package that holds a program.

    Parameters
    ----------
    name
        What results call it.
    module
        What is imported.
    run
        Python that runs the program with the arguments in ``sys.argv``.
    options
        Those that always come first, of which its version needs none.
    version
        Python that prints its version; None: the program is run with the option for that.
    """

    name: str
    module: str
    run: str
    options: tuple[str, ...] = ()
    version: str | None = None


@dataclass(frozen=True)
class FoundTool:
    """A program that was found.

    Parameters
    ----------
    name
        What results call it: the name of its package or program, or the text that a user named.
    command
        The words that run it; its own arguments follow.
    version
        What it calls itself.
    """

    name: str
    command: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return f"{self.name}: {self.version}"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A program that may be installed in several ways.

    Parameters
    ----------
    title
        What messages call it.
    program
        Its name on PATH.
    version_option
        The option with which it prints its version.
    read_version
        The version in what it printed; None if that was another program, or too old.
    install
        How to install it, for a message: ``install it with ...``.
    options
        Those that always come first, of which its version needs none.
    variable
        The environment variable that names its command; empty: none does.
    packages
        Looked for in this order, before PATH.
    patience
        Seconds in which it must have printed its version.
    """

    title: str
    program: str
    version_option: str
    read_version: Callable[[str], str | None]
    install: str
    options: tuple[str, ...] = ()
    variable: str = ""
    packages: tuple[Package, ...] = ()
    patience: float = 30.0

    def find(self) -> FoundTool:
        """The one to use: the variable's if it is set, else a package's or the one on PATH.

        A candidate counts as found once it has printed its version.

        Raises
        ------
        ToolNotFound
            If there is none, if the variable does not name one, or if a candidate does not print
            its version in time.
        """
        named = os.environ.get(self.variable, "").strip() if self.variable else ""
        if named:
            command = named_command(named)
            tool = self.checked(named, command) if command else None
            if tool is None:
                raise ToolNotFound(
                    f"${self.variable} is {named!r}, which does not run {self.title}: set it to "
                    "the command or path of one, or unset it to have one looked for"
                )
            return tool
        found = next(self._installed(), None)
        if found is None:
            raise ToolNotFound(f"{self.title} was not found: {self.install}")
        return found

    def checked(self, name: str, command: tuple[str, ...]) -> FoundTool | None:
        """A command as this tool, if it prints a version that suits; None otherwise.

        Parameters
        ----------
        name
            What results call it.
        command
            The words that run it, without options.
        """
        version = self._version((*command, self.version_option))
        return FoundTool(name, (*command, *self.options), version) if version else None

    def _installed(self) -> Iterator[FoundTool]:
        for package in self.packages:
            if importlib.util.find_spec(package.module) is not None:
                # -P keeps files of the work folder from shadowing modules.
                python = (sys.executable, "-P", "-c")
                command = (*python, package.run)
                asked = (*python, package.version) if package.version else None
                version = self._version(asked or (*command, self.version_option))
                if version is not None:
                    yield FoundTool(package.name, (*command, *package.options), version)
        program = on_path(self.program)
        tool = self.checked(self.program, (str(program),)) if program else None
        if tool is not None:
            yield tool

    def _version(self, command: tuple[str, ...]) -> str | None:
        try:
            answer = answer_of(command, self.patience)
        except subprocess.TimeoutExpired:
            # Going on to another candidate would hide one that is only busy.
            instead = f", or set ${self.variable} to another" if self.variable else ""
            raise ToolNotFound(
                f"{self.title}: '{shlex.join(command)}' did not print its version within "
                f"{self.patience:g} s: run it once by hand (WebAssembly is compiled on first "
                f"use){instead}"
            ) from None
        return self.read_version(answer)


def on_path(program: str) -> Path | None:
    """The absolute path of a program on PATH; a link is not resolved, its name may mean something.

    None if there is none.
    """
    found = shutil.which(program)
    return Path(found).absolute() if found else None


def package_folder(module: str) -> Path | None:
    """The folder of an installed Python package; None if there is none."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


@lru_cache(maxsize=64)
def answer_of(command: tuple[str, ...], timeout: float) -> str:
    """What a command prints on standard output and error; empty if it does not run.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes longer than ``timeout``, in seconds.
    """
    # What a tool leaves behind when it is ended goes with the folder.
    with temporary_folder("kanhw-tool-") as folder:
        try:
            answer = subprocess.run(
                command,
                env={**os.environ, "TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except OSError:
            return ""
    return answer.stdout + answer.stderr
