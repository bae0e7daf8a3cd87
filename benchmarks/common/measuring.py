"""What the benchmarks share: where the reference networks are, tables, and the tools that ran."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["Table", "argument_parser", "environment_line", "reference_folder", "write_results"]

SHARED = Path(os.environ.get("KANHW_SHARED") or Path(__file__).parents[3] / "shared")


def reference_folder(part: str) -> Path:
    """A part of the folder of reference networks, beside the repository or in $KANHW_SHARED."""
    folder = SHARED / part
    if not folder.is_dir():
        sys.exit(f"{folder} does not exist: set KANHW_SHARED to the folder of reference networks")
    return folder


def argument_parser(doc: str | None, *, json_file: bool = False) -> argparse.ArgumentParser:
    """A parser of a benchmark's arguments, described by the first line of its docstring.

    Parameters
    ----------
    doc
        The module's docstring.
    json_file
        Whether it takes ``--json FILE`` for :func:`write_results`.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if json_file:
        parser.add_argument("--json", type=Path, metavar="FILE", help="also keep every figure here")
    return parser


class Table:
    """A Markdown table that is printed row by row, so that long runs show what they have.

    Parameters
    ----------
    head
        The headings; a column is as wide as its heading, or as ``widths`` says.
    widths
        Least width of each column, 0 for the heading's.
    """

    def __init__(self, head: Sequence[str], widths: Sequence[int] = ()) -> None:
        given = list(widths) + [0] * (len(head) - len(widths))
        self._widths = [max(len(text), width) for text, width in zip(head, given, strict=True)]
        self.add(*head)
        print("|" + "|".join("-" * (width + 2) for width in self._widths) + "|", flush=True)

    def add(self, *cells: object) -> None:
        """Print a row; numbers are set to the right."""
        texts = [
            f"{cell!s:>{width}}" if isinstance(cell, int | float) else f"{cell!s:<{width}}"
            for cell, width in zip(cells, self._widths, strict=True)
        ]
        print("| " + " | ".join(texts) + " |", flush=True)


def environment_line(*tools: str) -> str:
    """The versions that figures depend on, in one line."""
    import numpy as np

    from kanhw import __version__

    parts = [f"kanhw {__version__}", *tools]
    return ", ".join([*parts, f"Python {platform.python_version()}", f"numpy {np.__version__}"])


def write_results(path: Path | None, results: Any) -> None:
    """Keep the figures as JSON if a file was named."""
    if path is not None:
        path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
