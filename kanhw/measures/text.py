"""A quality as lines for people: small tables, the worst first."""

from __future__ import annotations

from collections.abc import Sequence

from kanhw.measures.quality import Quality

__all__ = ["quality_lines"]

# Rows of a table; what is left out is counted.
MOST_ROWS = 8


def quality_lines(quality: Quality, data: str = "") -> list[str]:
    """Errors of the worst outputs, features with the fewest codes, and warnings.

    Parameters
    ----------
    quality
        What was measured.
    data
        What it was measured on, such as ``calibration data``.
    """
    samples = "1 sample" if quality.samples == 1 else f"{quality.samples} samples"
    what = f" ({data})" if data else ""
    lines = [f"error against the float model on {samples}{what}:", *_outputs(quality)]
    if quality.accuracy is not None and quality.float_accuracy is not None:
        lines.append(
            f"  accuracy {100 * quality.accuracy:.2f} %, of the float model "
            f"{100 * quality.float_accuracy:.2f} %"
        )
    lines += [_inputs(quality), *_features(quality)]
    return lines + [f"warning: {line}" for line in quality.warnings]


def _outputs(quality: Quality) -> list[str]:
    head = ["output", "RMS error", "largest", "RMS % of range", "largest %", "RMS % of deviation"]
    head += ["RMS against y", "float against y"] if quality.target_errors else []
    order = sorted(quality.errors, key=lambda error: -(error.rms_of_deviation or 0.0))
    rows = []
    for error in order[:MOST_ROWS]:
        name = quality.labels.output(error.output)
        row = [name, f"{error.rms:.3g}", f"{error.largest:.3g}"]
        row += [
            _percent(share)
            for share in (error.rms_of_range, error.largest_of_range, error.rms_of_deviation)
        ]
        if quality.target_errors:
            target = quality.target_errors[error.output]
            row += [f"{target.rms:.3g}", f"{target.float_rms:.3g}"]
        rows.append(row)
    return _table(head, rows, len(order))


def _inputs(quality: Quality) -> str:
    outside = quality.outside
    grid = "" if outside is None else f", {100 * outside:.2f} % outside of the first layer's grid"
    return f"inputs: {100 * quality.clipped:.2f} % clipped{grid}; codes in use, fewest first:"


def _features(quality: Quality) -> list[str]:
    with_grid = quality.outside is not None
    order = sorted(quality.features, key=lambda use: (not use.read, use.codes))
    head = ["feature", "codes", "of", "lowest", "highest", "clipped %"]
    head += ["outside %"] if with_grid else []
    rows = []
    for use in order[:MOST_ROWS]:
        name = quality.labels.input(use.feature)
        row = [name, str(use.codes), str(use.available)]
        row += [f"{use.lowest:.4g}", f"{use.highest:.4g}", f"{100 * use.clipped:.2f}"]
        rows.append(row + ([_percent(use.outside)] if with_grid else []))
    return _table(head, rows, len(order))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"


def _table(head: list[str], rows: Sequence[list[str]], count: int) -> list[str]:
    """Right-aligned columns, and how many rows are left out."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    lines = [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    ]
    if count > len(rows):
        lines.append(f"  \N{HORIZONTAL ELLIPSIS} and {count - len(rows)} more")
    return lines
