"""nextpnr, of which there is a program for every architecture."""

from __future__ import annotations

import re

from kanhw.tools.tool import Package, Tool

__all__ = ["nextpnr"]


def nextpnr(program: str) -> Tool:
    """The nextpnr of an architecture, such as ``nextpnr-ecp5``.

    ``$NEXTPNR_ECP5`` names its command; else it is YoWASP's package or on PATH.
    """
    word = program.replace("-", "_")
    run = f"import sys, yowasp_{word} as n; sys.exit(n.run_{word}(sys.argv[1:]))"
    return Tool(
        title=program,
        program=program,
        version_option="--version",
        read_version=_version,
        install=f"install it with 'pip install yowasp-{program}', put '{program}' on PATH, or set "
        f"${word.upper()} to its command",
        variable=word.upper(),
        packages=(Package(f"yowasp-{program}", f"yowasp_{word}", run),),
        # YoWASP compiles its WebAssembly on first use: a minute of a core that others use as well.
        patience=900.0,
    )


def _version(answer: str) -> str | None:
    """As ``nextpnr-0.11.1``."""
    found = re.search(r"\(Version ([^)]+)\)", answer)
    return found[1] if found else None
