"""Rows of a long benchmark that are kept as they come, a line of JSON each: a run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["keep_rows", "kept_rows"]


def kept_rows(path: Path | None) -> list[dict[str, Any]]:
    """The rows of a file; none where there is no file."""
    if path is None or not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def keep_rows(path: Path | None, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows behind those of a file; nowhere without one."""
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
