"""What a user chooses about evaluated splines."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.quant.config.checks import check_choice, check_switch
from kanhw.quant.config.choices import EvaluatorPieces

__all__ = ["EvaluatorConfig"]


@dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """Functions and scales of evaluated splines (realisation ``spline_evaluator`` only).

    Parameters
    ----------
    pieces
        Where an evaluator has its functions from: ``arithmetic`` (powers of the place in a cell),
        ``shared_table`` (one half table for all cells), or ``auto``: fewer LUTs.
    alignment
        Whether the scale in front of an evaluator grows, by less than a factor of 2, until a cell
        is a power of two of codes, where the grid allows.
    """

    pieces: EvaluatorPieces = "auto"
    alignment: bool = True

    def __post_init__(self) -> None:
        check_choice("evaluator.pieces", self.pieces, EvaluatorPieces)
        check_switch("evaluator.alignment", self.alignment)
