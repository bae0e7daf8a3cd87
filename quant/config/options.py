"""The fields of a QuantConfig as keywords, for those who write them into a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from kanhw.quant.config.choices import (
    ActivationGranularity,
    BranchInputs,
    Calibration,
    FabricCostKind,
    Granularity,
    InputGranularity,
    Method,
    Norms,
    OutputGranularity,
    Quantizer,
    Realisation,
    Widths,
)
from kanhw.quant.config.codebook import CodebookConfig
from kanhw.quant.config.evaluator import EvaluatorConfig

__all__ = ["QuantOptions"]


class QuantOptions(TypedDict, total=False):
    """What :func:`kanhw.quantize` takes beside a config; see :class:`QuantConfig`."""

    base_bits: int | None
    spline_bits: int | None
    activation_bits: int | Sequence[int]
    input_bits: int | Sequence[int] | Literal["auto"] | None
    basis_bits: int
    base_table_bits: int
    table_bits: int | None
    norm_bits: int
    product_bits: int
    multiplier_bits: int
    weight_calibration: Calibration
    activation_calibration: Calibration
    percentile: float
    weight_granularity: Granularity
    activation_granularity: ActivationGranularity
    input_granularity: InputGranularity
    output_granularity: OutputGranularity
    symmetric_activations: bool
    branch_inputs: BranchInputs
    norms: Norms
    realisation: Realisation
    evaluator: EvaluatorConfig
    codebook: CodebookConfig
    method: Method
    quantizer: Quantizer
    shared_quantizers: bool
    damping: float
    iterations: int
    seed: int
    widths: Widths
    fabric_cost: FabricCostKind
    target: str
    layers: Mapping[str, Mapping[str, Any]]
