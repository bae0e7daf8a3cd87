"""Everything that an exploration answers, as files beside its points."""

from __future__ import annotations

from pathlib import Path

from kanhw.exploration.answers.exploration import Exploration
from kanhw.exploration.answers.page.page import write_page
from kanhw.exploration.answers.plots import has_matplotlib, write_plots
from kanhw.exploration.answers.tables import columns_of, csv_text
from kanhw.files import write_json
from kanhw.places import write_whole

__all__ = ["write_answers"]


def write_answers(found: Exploration) -> list[Path]:
    """Write the front as JSON and CSV, all points as CSV, the page, and plots.

    Plots are left out where matplotlib is not installed, and where there is one objective only.

    Returns
    -------
    list of Path
        The files.
    """
    columns = columns_of(found.points)
    folder = found.folder
    plots = has_matplotlib() and len(found.objectives) > 1 and len(found.front) > 0
    return [
        write_json(folder / "front.json", found.to_json()),
        write_whole(folder / "front.csv", csv_text(found.front, columns)),
        write_whole(folder / "points.csv", csv_text(found.points, columns)),
        write_page(found, folder / "explore.html"),
        *(write_plots(found, folder / "front") if plots else ()),
    ]
