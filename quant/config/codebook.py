"""What a user chooses about codebooks."""

from __future__ import annotations

from dataclasses import dataclass

from kanhw.quant.config.checks import check_choice, check_integer, check_switch, make_plain
from kanhw.quant.config.choices import (
    CodebookBranches,
    CodebookClustering,
    CodebookGain,
    CodebookScope,
    CodebookWeighting,
)

__all__ = ["CodebookConfig"]

_RANGES = {"size": (2, 4096), "shape_bits": (2, 14), "gain_bits": (2, 8), "bias_bits": (2, 12)}
_CHOICES = {
    "clustering": CodebookClustering,
    "weighting": CodebookWeighting,
    "scope": CodebookScope,
    "gain": CodebookGain,
    "branches": CodebookBranches,
}


@dataclass(frozen=True, kw_only=True)
class CodebookConfig:
    """Size, shapes and edges of codebooks (realisation ``codebook`` only).

    Parameters
    ----------
    size
        The most shapes of a codebook, 2 to 4096.
    clustering
        Edges share a shape if their ``coefficients`` are alike, or their ``functions`` at the codes
        that the layer reads.
    weighting
        What an error at a code counts: as often as the calibration ``data`` hit it, or
        ``uniform``.
    scope
        A codebook for every ``layer``, or one for the ``network``.
    gain
        What an edge multiplies its shape by: ``any`` integer, a signed ``power_of_two``, or
        ``none``: nothing.
    bias
        Whether an edge adds something of its own to its shape.
    branches
        Base branches ``separate`` from the shapes, as weights times one table, or ``joint``: in
        the shapes.
    shape_bits, gain_bits, bias_bits
        Of a shape's entries, 2 to 14, of gains, 2 to 8, and of biases, 2 to 12, signs included.
    """

    size: int = 32
    clustering: CodebookClustering = "functions"
    weighting: CodebookWeighting = "data"
    scope: CodebookScope = "layer"
    gain: CodebookGain = "any"
    bias: bool = True
    branches: CodebookBranches = "separate"
    shape_bits: int = 8
    gain_bits: int = 5
    bias_bits: int = 8

    def __post_init__(self) -> None:
        make_plain(self)
        for name, (least, most) in _RANGES.items():
            check_integer(f"codebook.{name}", getattr(self, name), least, most)
        for name, choices in _CHOICES.items():
            check_choice(f"codebook.{name}", getattr(self, name), choices)
        check_switch("codebook.bias", self.bias)
