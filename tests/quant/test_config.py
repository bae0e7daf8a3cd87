"""What a configuration refuses, and how it says so."""

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.quant import QuantConfig

RANGES = {
    "base_bits": (1, 12),
    "spline_bits": (1, 12),
    "activation_bits": (1, 12),
    "input_bits": (1, 12),
    "basis_bits": (1, 14),
    "base_table_bits": (2, 14),
    "table_bits": (2, 16),
    "multiplier_bits": (4, 24),
    "norm_bits": (4, 14),
    "product_bits": (4, 16),
}
CHOICES = {
    "weight_calibration": "max_abs, percentile, mse",
    "activation_calibration": "max_abs, percentile, mse",
    "weight_granularity": "tensor, channel",
    "activation_granularity": "tensor, channel",
    "branch_inputs": "auto, shared, separate",
    "norms": "exact, frozen",
    "realisation": "auto, edge_table, basis_table",
}


def test_every_field_is_tested_here():
    others = {"percentile", "symmetric_activations"}
    assert {field.name for field in fields(QuantConfig)} == {*RANGES, *CHOICES, *others}


@pytest.mark.parametrize("field", RANGES)
def test_integers(field):
    lowest, highest = RANGES[field]
    for value in (lowest, highest):
        assert getattr(QuantConfig(**{field: value}), field) == value
    for value in (lowest - 1, highest + 1, -3):
        with pytest.raises(InputError, match=rf"^{field} must be {lowest} to {highest}, not "):
            QuantConfig(**{field: value})
    for value in (True, 4.0, "4", np.float64(4)):
        with pytest.raises(TypeError, match=f"^{field} must be an integer, not "):
            QuantConfig(**{field: value})


@pytest.mark.parametrize("field", RANGES)
def test_only_derived_widths_may_be_left_out(field):
    if field in ("input_bits", "table_bits"):
        assert getattr(QuantConfig(**{field: None}), field) is None
    else:
        with pytest.raises(TypeError, match=f"^{field} must be an integer, not None"):
            QuantConfig(**{field: None})


@pytest.mark.parametrize("bits", [0, 13])
def test_one_to_twelve_bits(bits):
    with pytest.raises(InputError, match=f"activation_bits must be 1 to 12, not {bits}"):
        QuantConfig(activation_bits=bits)


@pytest.mark.parametrize("field", CHOICES)
def test_choices(field):
    for value in CHOICES[field].split(", "):
        assert getattr(QuantConfig(**{field: value}), field) == value
    for value in ("best", "", None, 3, True):
        with pytest.raises(InputError, match=f"^{field} must be one of {CHOICES[field]}, not "):
            QuantConfig(**{field: value})


def test_percentile():
    for value in (50, 99.9, 100, np.float64(75)):
        assert QuantConfig(percentile=value).percentile == value
    for value in (49.9, 100.1, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"^percentile must be 50 to 100, not "):
            QuantConfig(percentile=value)
    for value in (True, "99", None):
        with pytest.raises(TypeError, match=r"^percentile must be a number, not "):
            QuantConfig(percentile=value)


def test_symmetric_activations():
    for value in (1, 0, "no", None):
        with pytest.raises(TypeError, match=r"^symmetric_activations must be True or False, not "):
            QuantConfig(symmetric_activations=value)


def test_keywords_only_and_frozen():
    with pytest.raises(TypeError):
        QuantConfig(8)
    with pytest.raises(TypeError):
        QuantConfig(bits=8)
    with pytest.raises(FrozenInstanceError):
        QuantConfig().base_bits = 4
