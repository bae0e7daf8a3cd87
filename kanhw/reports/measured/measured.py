"""What a report's data say of a Program beside its float model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanhw.measures import Quality, quality
from kanhw.model.network import KanModel
from kanhw.program import Program
from kanhw.reports.measured.charts import histogram_svg, parity_svg
from kanhw.reports.measured.layer_errors import LayerError, layer_errors
from kanhw.reports.scores import checked_labels

__all__ = ["Chart", "Measured", "measured"]

# As many drawings and rows of a kind.
MOST_CHARTS, MOST_ROWS = 8, 12


@dataclass(frozen=True)
class Chart:
    """A drawing with its caption; its only free text is escaped where it is made."""

    drawing: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Figures and drawings.

    Parameters
    ----------
    quality
        Errors of every output, and codes in use.
    layers
        Errors behind every layer.
    parity
        Of every output of a regression, the worst first; empty for a classifier.
    target
        What the answers of ``parity`` are compared with.
    histograms
        Of the codes of features, those with the fewest in use first.
    """

    quality: Quality
    layers: tuple[LayerError, ...]
    parity: tuple[Chart, ...]
    target: str
    histograms: tuple[Chart, ...]


def measured(
    program: Program,
    model: KanModel | None,
    data: tuple[npt.ArrayLike, npt.ArrayLike | None] | None,
) -> Measured | None:
    """Measure a Program beside its model; None without one of model, data and real scales."""
    last = program.layers[-1].requantizers[0]
    if model is None or data is None or program.input.scale is None or last.scale is None:
        return None
    if program.heads > 1:
        return None
    x = model.flat(np.asarray(data[0], np.float64))
    found = quality(model, program, x)
    labels = None if data[1] is None else checked_labels(data[1], program, len(x))
    classes = labels is not None and labels.dtype.kind == "i"
    plain = program.with_argmax(False)
    codes = plain.input.encode(x)
    parity: tuple[Chart, ...] = ()
    if not classes and not program.argmax:
        wanted = model(x) if labels is None else labels
        given = plain.decode_output(plain(codes))
        worst = sorted(found.errors, key=lambda error: -(error.rms_of_deviation or 0.0))
        parity = tuple(
            Chart(
                parity_svg(wanted[:, j], given[:, j], f"Output {j}, integers over what is right"),
                f"output {program.labels.output(j)}",
            )
            for j in (error.output for error in worst[:MOST_CHARTS])
        )
    return Measured(
        quality=found,
        layers=layer_errors(plain, model, x),
        parity=parity,
        target="the float model" if labels is None else "the targets",
        histograms=_histograms(program, found, program.grid.encode(x)),
    )


def _histograms(
    program: Program, found: Quality, codes: npt.NDArray[np.int64]
) -> tuple[Chart, ...]:
    lo, hi = program.grid.code_ends
    uses = [use for use in found.features if use.read and not use.constant]
    uses.sort(key=lambda use: use.codes)
    return tuple(
        Chart(
            histogram_svg(
                codes[:, use.feature],
                int(lo[use.feature]),
                int(hi[use.feature]),
                f"Codes of input {use.feature}",
            ),
            f"input {program.labels.input(use.feature)}: {use.codes} of {use.available} codes "
            "in use",
        )
        for use in uses[:MOST_CHARTS]
    )
