"""The page: data, style and script in one file that needs nothing beside it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kanhw import __version__
from kanhw.exploration.answers.tables import Column, columns_of, figures_known
from kanhw.places import write_whole

if TYPE_CHECKING:
    from kanhw.exploration.answers.exploration import Exploration

__all__ = ["write_page"]

_SCRIPTS = ("common.js", "scatter.js", "parallel.js", "tables.js", "start.js")
# More would be a list that nobody reads.
_MOST_ERRORS = 20


def write_page(found: Exploration, path: Path) -> Path:
    """Write the page of an exploration; the same points always give the same bytes.

    Parameters
    ----------
    found
        All points.
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("kanhw.exploration.answers.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    errors = sorted({point.error for point in found.failed})
    text = environment.get_template("page.html.j2").render(
        title=f"Exploration of {found.title}",
        summary=_summary(found),
        compared=", ".join(own.title for own in found.objectives),
        failed=len(found.failed),
        errors=errors[:_MOST_ERRORS],
        version=__version__,
        style=_part("page.css"),
        script="\n".join(_part(name) for name in _SCRIPTS),
        data=_embedded(_data(found)),
    )
    return write_whole(path, text)


def _summary(found: Exploration) -> str:
    limits = [str(limit) for limit in found.setting.limits]
    if found.setting.board is not None:
        limits.append(f"fits {found.setting.board.title}")
    kept = sum(each.kept for each in found.points)
    text = f"{len(found.points)} points, {len(found.front)} of them on the front"
    if limits:
        text += f"; {kept} keep to {', '.join(limits)}"
    return f"{text}. Errors are those of the integer program on {found.samples} held-out samples."


def _data(found: Exploration) -> dict[str, Any]:
    columns = columns_of(found.points)
    known = figures_known(found.points)
    front = {each.point.name for each in found.front}
    rows = [
        {
            "name": each.point.short,
            "figures": [_rounded(each.figures.get(own.name)) for own in known],
            "choices": [column.value(each) for column in columns],
            "kept": each.kept,
            "front": each.point.name in front,
            "error": bool(each.point.error),
        }
        for each in found.points
    ]
    folder = shlex.quote(str(found.folder))
    return {
        "figures": [{"name": own.name, "title": own.title, "more": own.more} for own in known],
        "choices": _titles(columns),
        "objectives": [own.name for own in found.objectives],
        "points": rows,
        "command": f"kanhw explore {folder} --write POINT --out design-POINT",
    }


def _titles(columns: Sequence[Column]) -> list[str]:
    return [column.title for column in columns]


def _rounded(value: float | None) -> float | int | None:
    """Six digits: a page shows four."""
    if value is None:
        return None
    if value == int(value) and abs(value) < 1e15:
        return int(value)
    return float(f"{value:.6g}")


def _embedded(data: dict[str, Any]) -> str:
    """JSON inside HTML: no text in it can end the script, or begin a comment."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(name: str) -> str:
    return files("kanhw.exploration.answers.page").joinpath(name).read_text(encoding="utf-8")
