"""What a user chooses about a quantization, checked when it is written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from kanhw.errors import InputError

__all__ = ["BranchInputs", "Calibration", "Granularity", "Norms", "QuantConfig", "Realisation"]

Calibration = Literal["max_abs", "percentile", "mse"]
Granularity = Literal["tensor", "channel"]
Realisation = Literal["auto", "edge_table", "basis_table"]
Norms = Literal["exact", "frozen"]
BranchInputs = Literal["auto", "shared", "separate"]

_BITS = {
    "base_bits": 12,
    "spline_bits": 12,
    "activation_bits": 12,
    "input_bits": 12,
    "basis_bits": 14,
    "base_table_bits": 14,
    "table_bits": 16,
}


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """Bits, ranges and realisation of a post-training quantization.

    The base branch, the spline branch and the activations have formats of their own (QuantKAN's
    branch-aware rule).

    Parameters
    ----------
    base_bits
        Of base weights, 1 to 12.
    spline_bits
        Of spline coefficients, 1 to 12.
    activation_bits
        Of the codes between layers, 1 to 12.
    input_bits
        Of the network's input codes, 1 to 12; None is ``activation_bits``.
    basis_bits
        Of basis table values, 1 to 14 (``basis_table`` only).
    base_table_bits
        Of the tabulated base activation, sign included, 2 to 14 (``basis_table`` only).
    table_bits
        Of edge table entries, 2 to 16: the widest edge of a layer spans that many bits
        (``edge_table`` only). None is the next codes' bits + 3.
    norm_bits
        Of the codes in front of a run-time normalisation, 4 to 14.
    product_bits
        Of the codes that are multiplied with each other, 4 to 16.
    multiplier_bits
        Of the integer that joins a branch, sign included, 4 to 24.
    weight_calibration, activation_calibration
        How a range is chosen: ``max_abs`` keeps everything, ``percentile`` cuts tails,
        ``mse`` minimises the squared rounding error.
    percentile
        Share of values that ``percentile`` keeps inside, 50 to 100 (percent).
    weight_granularity
        One scale per ``tensor``, or per ``channel`` (output).
    activation_granularity
        One scale per ``tensor``, or per ``channel`` (feature).
    symmetric_activations
        True centres every activation range on zero and leaves zero points at 0.
    branch_inputs
        Whether the two branches of a layer read one code or one each, the spline's saturated to
        its support: ``shared``, ``separate``, or ``auto``, which separates where the data leave the
        support so far that a shared code would waste a quarter of its steps. A network's input,
        edge tables, and layers without a base branch always have one code.
    norms
        ``exact`` normalises in integers at run time; ``frozen`` replaces every layer norm by the
        mean and variance of the calibration data, which costs no hardware but changes the function
        (how much is in the model's source text).
    realisation
        ``edge_table``, ``basis_table``, or ``auto``: the one with the smaller LUT estimate, layer
        by layer.
    """

    base_bits: int = 8
    spline_bits: int = 8
    activation_bits: int = 8
    input_bits: int | None = None
    basis_bits: int = 8
    base_table_bits: int = 8
    table_bits: int | None = None
    norm_bits: int = 12
    product_bits: int = 12
    multiplier_bits: int = 16
    weight_calibration: Calibration = "mse"
    activation_calibration: Calibration = "mse"
    percentile: float = 99.9
    weight_granularity: Granularity = "channel"
    activation_granularity: Granularity = "tensor"
    symmetric_activations: bool = False
    branch_inputs: BranchInputs = "auto"
    norms: Norms = "exact"
    realisation: Realisation = "auto"

    def __post_init__(self) -> None:
        for field, highest in _BITS.items():
            value = getattr(self, field)
            if value is None and field in ("input_bits", "table_bits"):
                continue
            lowest = 2 if field in ("base_table_bits", "table_bits") else 1
            _check_integer(field, value, lowest, highest)
        _check_integer("norm_bits", self.norm_bits, 4, 14)
        _check_integer("product_bits", self.product_bits, 4, 16)
        _check_integer("multiplier_bits", self.multiplier_bits, 4, 24)
        _check_choice("weight_calibration", self.weight_calibration, Calibration)
        _check_choice("activation_calibration", self.activation_calibration, Calibration)
        _check_choice("weight_granularity", self.weight_granularity, Granularity)
        _check_choice("activation_granularity", self.activation_granularity, Granularity)
        _check_choice("norms", self.norms, Norms)
        _check_choice("branch_inputs", self.branch_inputs, BranchInputs)
        _check_choice("realisation", self.realisation, Realisation)
        if not isinstance(self.symmetric_activations, bool):
            raise TypeError(
                f"symmetric_activations must be True or False, not {self.symmetric_activations!r}"
            )
        if not isinstance(self.percentile, int | float) or isinstance(self.percentile, bool):
            raise TypeError(f"percentile must be a number, not {self.percentile!r}")
        if not 50 <= self.percentile <= 100:
            raise InputError(f"percentile must be 50 to 100, not {self.percentile}")


def _check_integer(field: str, value: object, lowest: int, highest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{field} must be an integer, not {value!r}")
    if not lowest <= value <= highest:
        raise InputError(f"{field} must be {lowest} to {highest}, not {value}")


def _check_choice(field: str, value: object, choices: object) -> None:
    allowed = get_args(choices)
    if value not in allowed:
        raise InputError(f"{field} must be one of {', '.join(allowed)}, not {value!r}")
