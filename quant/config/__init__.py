"""What a user chooses about a quantization, checked when it is written down."""

from kanhw.quant.config.choices import (
    BranchInputs,
    Calibration,
    CodebookBranches,
    CodebookClustering,
    CodebookGain,
    CodebookScope,
    CodebookWeighting,
    EvaluatorPieces,
    Granularity,
    Method,
    Norms,
    Quantizer,
    Realisation,
)
from kanhw.quant.config.codebook import CodebookConfig
from kanhw.quant.config.config import QuantConfig, widest
from kanhw.quant.config.evaluator import EvaluatorConfig
from kanhw.quant.config.options import QuantOptions

__all__ = [
    "BranchInputs",
    "Calibration",
    "CodebookBranches",
    "CodebookClustering",
    "CodebookConfig",
    "CodebookGain",
    "CodebookScope",
    "CodebookWeighting",
    "EvaluatorConfig",
    "EvaluatorPieces",
    "Granularity",
    "Method",
    "Norms",
    "QuantConfig",
    "QuantOptions",
    "Quantizer",
    "Realisation",
    "widest",
]
