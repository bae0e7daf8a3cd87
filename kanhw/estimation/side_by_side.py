"""Estimates beside one another: a column each, a row a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kanhw.estimation.estimate import Estimate, Figure

__all__ = ["side_by_side"]

_ABSENT = "-"
# Figures whose names say less than these.
_TITLES = {
    "lut": "LUT",
    "ff": "FF",
    "carry": "carry cells",
    "dsp": "DSP",
    "clock_mhz": "clock, MHz",
    "cycles": "latency, clocks",
    "interval": "interval, clocks",
    "latency_ns": "latency, ns",
    "inferences_per_second": "inferences/s",
}


def side_by_side(estimates: Sequence[Estimate], heads: Sequence[str]) -> list[str]:
    """The lines of a table; what nobody of them knows has no row.

    Parameters
    ----------
    estimates
        At least one.
    heads
        What stands above each.
    """
    rows: list[tuple[str, list[str]]] = []
    for name, title in _TITLES.items():
        rows.append((title, [_shown(each.figures.get(name)) for each in estimates]))
        if name == "dsp":
            units = dict.fromkeys(each.bram_unit for each in estimates)
            rows.append(
                ("/".join(units), [_shown(each.figures.get("bram")) for each in estimates])
            )
    for part in ("dynamic", "static"):
        rows.append((f"{part}, mW", [_of_power(each, part) for each in estimates]))
    for kind in ("dynamic", "total"):
        rows.append((f"{kind}, nJ an inference", [_of_energy(each, kind) for each in estimates]))
    known = [(title, cells) for title, cells in rows if set(cells) != {_ABSENT}]
    return _lines([("", list(heads)), *known])


def _lines(rows: Sequence[tuple[str, list[str]]]) -> list[str]:
    first = max(len(title) for title, _ in rows)
    widths = [max(len(cells[k]) for _, cells in rows) for k in range(len(rows[0][1]))]
    return [
        "  ".join(
            [f"{title:<{first}}", *(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))]
        ).rstrip()
        for title, cells in rows
    ]


def _shown(figure: Figure | None) -> str:
    if figure is None:
        return _ABSENT
    value = figure.value
    text = f"{value:,.0f}" if float(value).is_integer() or value >= 1e4 else f"{value:,.4g}"
    if figure.low is None or figure.high is None or figure.high <= figure.low:
        return text
    return f"{text} ({_ended(figure.low)}..{_ended(figure.high)})"


def _ended(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _of_power(estimate: Estimate, part: str) -> str:
    return _scaled(estimate.power_w, part, 1e3)


def _of_energy(estimate: Estimate, kind: str) -> str:
    return _scaled(estimate.energy_per_inference_j, kind, 1e9)


def _scaled(values: dict[str, float | None] | None, name: str, factor: float) -> str:
    found = None if values is None else values.get(name)
    return _ABSENT if found is None else _two_digits(found * factor)


_two_digits: Callable[[float], str] = "{:.2g}".format
