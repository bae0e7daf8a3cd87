"""The words that fields of a quantization are chosen from."""

from __future__ import annotations

from typing import Literal

__all__ = [
    "ActivationGranularity",
    "BranchInputs",
    "Calibration",
    "CodebookBranches",
    "CodebookClustering",
    "CodebookGain",
    "CodebookScope",
    "CodebookWeighting",
    "EvaluatorPieces",
    "FabricCostKind",
    "Granularity",
    "InputGranularity",
    "Method",
    "Norms",
    "OutputGranularity",
    "Quantizer",
    "Realisation",
    "Widths",
]

Calibration = Literal["max_abs", "percentile", "mse"]
Granularity = Literal["tensor", "channel"]
ActivationGranularity = Literal["auto", "tensor", "channel"]
InputGranularity = Literal["auto", "tensor", "group", "channel"]
OutputGranularity = Literal["auto", "tensor", "channel"]
Realisation = Literal["auto", "edge_table", "basis_table", "codebook", "spline_evaluator"]
EvaluatorPieces = Literal["auto", "arithmetic", "shared_table"]
CodebookClustering = Literal["coefficients", "functions"]
CodebookWeighting = Literal["data", "uniform"]
CodebookScope = Literal["layer", "network"]
CodebookGain = Literal["any", "power_of_two", "none"]
CodebookBranches = Literal["separate", "joint"]
Norms = Literal["exact", "frozen"]
BranchInputs = Literal["auto", "shared", "separate"]
Method = Literal[
    "auto", "uniform", "gptq", "gptq_joint", "adaround", "awq", "brecq", "smoothquant", "zeroq"
]
Quantizer = Literal["lsq", "lsq+", "pact", "qil", "dorefa", "dsq"]
Widths = Literal["chosen", "learned"]
FabricCostKind = Literal["lut", "bram", "bit-operations"]
