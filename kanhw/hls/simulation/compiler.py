"""A C++ compiler, and the headers of ap_int and hls::stream."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kanhw.errors import ToolNotFound
from kanhw.tools.tool import FoundTool, Tool, package_folder

__all__ = ["HEADERS_VARIABLE", "find_compiler", "find_headers"]

HEADERS_VARIABLE = "KANHW_HLS_INCLUDE"
"""The environment variable with the folder of ``ap_int.h`` and ``hls_stream.h``."""

_IN_HLS4ML = Path("templates", "vivado", "ap_types")


def _version(answer: str) -> str | None:
    """The version that a compiler prints; None if it is none."""
    line = answer.strip().splitlines()[0] if answer.strip() else ""
    found = re.search(r"(?:g\+\+|clang|c\+\+|GCC).*?(\d+\.\d+(?:\.\d+)?)", line)
    return found[1] if found else None


COMPILER = Tool(
    title="A C++ compiler (g++ or clang++)",
    program="g++",
    version_option="--version",
    read_version=_version,
    install="install one: 'apt-get install g++'",
    variable="CXX",
)


def find_compiler() -> FoundTool:
    """The C++ compiler to use: ``$CXX``, else g++.

    Raises
    ------
    ToolNotFound
        If there is none.
    """
    return COMPILER.find()


def find_headers() -> Path:
    """The folder with ``ap_int.h`` and ``hls_stream.h``.

    That of ``$KANHW_HLS_INCLUDE``, such as the include folder of an HLS tool, else of the Python
    package hls4ml.

    Raises
    ------
    ToolNotFound
        If there is none.
    """
    named = os.environ.get(HEADERS_VARIABLE, "")
    package = package_folder("hls4ml")
    folder = Path(named) if named else None if package is None else package / _IN_HLS4ML
    missing = [
        header
        for header in ("ap_int.h", "hls_stream.h")
        if folder is None or not (folder / header).is_file()
    ]
    if folder is not None and not missing:
        return folder.resolve()
    if named:
        raise ToolNotFound(
            f"${HEADERS_VARIABLE} is {named!r}, which has no {' and '.join(missing)}: set it to "
            "the include folder of an HLS tool, or unset it and pip install 'kanhw[hls]'"
        )
    raise ToolNotFound(
        "The headers ap_int.h and hls_stream.h were not found: pip install 'kanhw[hls]', or set "
        f"${HEADERS_VARIABLE} to the include folder of an HLS tool"
    )
