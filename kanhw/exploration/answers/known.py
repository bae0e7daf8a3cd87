"""Which figures can be known at all, before anything is computed for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kanhw.errors import InputError
from kanhw.exploration.answers.rated import Setting
from kanhw.exploration.study.objectives import Objective
from kanhw.exploration.study.study import Study

__all__ = ["check_known"]

_NO_CLOCK = "give a clock (--clock-mhz) or a board (--fit)"


def check_known(objectives: Iterable[Objective], study: Study, setting: Setting) -> None:
    """Refuse objectives, of comparisons or limits, that no point will have a figure of.

    Raises
    ------
    InputError
        Naming the first of them, and what is missing.
    """
    for objective in objectives:
        missing = _MISSING.get(objective.name)
        cure = missing(study, setting) if missing else ""
        if cure:
            raise InputError(f"{objective.name} would be known of no point: {cure}")


def _labels(study: Study, setting: Setting) -> str:
    return "" if "labels" in study.held_out else "give labels in the data"


def _clock(study: Study, setting: Setting) -> str:
    return _NO_CLOCK if setting.clock_mhz is None else ""


def _board(study: Study, setting: Setting) -> str:
    return "give a board (--fit)" if setting.board is None else ""


# What is missing for a figure, in words; empty where nothing is. Others are always known.
_MISSING: Mapping[str, Callable[[Study, Setting], str]] = {
    "accuracy": _labels,
    "latency_ns": _clock,
    "inferences_per_second": _clock,
    "utilisation": _board,
}
