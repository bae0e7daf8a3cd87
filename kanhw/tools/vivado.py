"""Vivado, which only AMD gives out."""

from __future__ import annotations

import re

from kanhw.tools.tool import Tool

__all__ = ["BATCH", "VIVADO"]

BATCH = ("-mode", "batch", "-nolog", "-nojournal", "-source")
"""Options that run a script, whose name follows."""


def _version(answer: str) -> str | None:
    found = re.search(r"^vivado v(\S+)", answer, re.MULTILINE | re.IGNORECASE)
    return f"v{found[1]}" if found else None


VIVADO = Tool(
    title="Vivado",
    program="vivado",
    version_option="-version",
    read_version=_version,
    install="install it from amd.com, put 'vivado' on PATH, or set $VIVADO to its command",
    variable="VIVADO",
    # It starts slowly from a network drive.
    patience=120.0,
)
"""The program, on PATH or named by ``$VIVADO``."""
