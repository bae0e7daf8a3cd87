"""Words that the reports of several kinds share."""

from __future__ import annotations

from kanhw.windows import Window

__all__ = ["lsb", "times", "window_text"]


def lsb(value: float) -> str:
    """An error in LSBs."""
    return f"{value:.2g} LSB" if value < 99.5 else f"{value:,.0f} LSB"


def times(numbers: tuple[int, ...]) -> str:
    """Sizes one by the other, such as ``3×3``."""
    return "×".join(map(str, numbers))


def window_text(window: Window | None) -> str:
    """The windows of an image: how many, and what is not plain of them."""
    if window is None:
        return "no windows"
    words = f"{window.positions} window{'' if window.positions == 1 else 's'} of "
    words += times(window.size)
    for name, plain in (("stride", (1, 1)), ("padding", (0, 0)), ("dilation", (1, 1))):
        rows, columns = getattr(window, name)
        if (rows, columns) != plain:
            words += f", {name} {rows if rows == columns else times((rows, columns))}"
    return words
