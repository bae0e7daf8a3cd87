"""What a configuration refuses, and how it says so."""

import re
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.quant import QuantConfig

RANGES = {
    "base_bits": (1, 12),
    "spline_bits": (1, 12),
    "activation_bits": (1, 16),
    "input_bits": (1, 16),
    "basis_bits": (1, 14),
    "base_table_bits": (2, 14),
    "table_bits": (2, 16),
    "multiplier_bits": (4, 24),
    "norm_bits": (4, 14),
    "product_bits": (4, 16),
    "iterations": (1, 100_000),
    "codebook_size": (2, 4096),
    "shape_bits": (2, 14),
    "gain_bits": (2, 8),
    "bias_bits": (2, 12),
}
CHOICES = {
    "weight_calibration": "max_abs, percentile, mse",
    "activation_calibration": "max_abs, percentile, mse",
    "weight_granularity": "tensor, channel",
    "activation_granularity": "tensor, channel",
    "branch_inputs": "auto, shared, separate",
    "norms": "exact, frozen",
    "realisation": "auto, edge_table, basis_table, codebook, spline_evaluator",
    "evaluator_pieces": "auto, arithmetic, shared_table",
    "codebook_clustering": "coefficients, functions",
    "codebook_weighting": "data, uniform",
    "codebook_scope": "layer, network",
    "codebook_gain": "any, power_of_two, none",
    "codebook_branches": "separate, joint",
    "method": "uniform, gptq, gptq_joint, adaround, awq, brecq, smoothquant, zeroq",
    "quantizer": "lsq, lsq+, pact, qil, dorefa, dsq",
}


def test_every_field_is_tested_here():
    others = {"percentile", "symmetric_activations", "shared_quantizers", "damping"}
    others |= {"seed", "layers", "codebook_bias", "evaluator_alignment"}
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


@pytest.mark.parametrize("bits", [0, 17])
def test_one_to_sixteen_bits(bits):
    with pytest.raises(InputError, match=f"activation_bits must be 1 to 16, not {bits}"):
        QuantConfig(activation_bits=bits)


@pytest.mark.parametrize("field", CHOICES)
def test_choices(field):
    for value in CHOICES[field].split(", "):
        assert getattr(QuantConfig(**{field: value}), field) == value
    for value in ("best", "", None, 3, True):
        allowed = re.escape(CHOICES[field])
        with pytest.raises(InputError, match=rf"^{field} must be one of {allowed}, not "):
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


@pytest.mark.parametrize("field", ["symmetric_activations", "shared_quantizers", "codebook_bias"])
def test_switches(field):
    for value in (1, 0, "no", None):
        with pytest.raises(TypeError, match=rf"^{field} must be True or False, not "):
            QuantConfig(**{field: value})


def test_damping():
    assert QuantConfig(damping=1).damping == 1
    for value in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(InputError, match=r"^damping must be above 0 and at most 1, not "):
            QuantConfig(damping=value)
    with pytest.raises(TypeError, match=r"^damping must be a number, not "):
        QuantConfig(damping="0.01")


def test_seed():
    assert QuantConfig(seed=2**63 - 1).seed == 2**63 - 1
    with pytest.raises(InputError, match=r"^seed must be 0 to "):
        QuantConfig(seed=-1)


def test_fields_of_single_layers():
    config = QuantConfig(spline_bits=8, layers={"layers.1": {"spline_bits": 3, "base_bits": 2}})
    assert config.for_layer("layers.0").spline_bits == 8
    assert config.for_layer("layers.1").spline_bits == 3
    assert config.for_layer("layers.1").base_bits == 2
    assert config.for_layer("layers.1").layers == {}
    hash(config)


def test_wrong_fields_of_single_layers():
    with pytest.raises(InputError, match=r"^layers\['a'\]: 'bits' is no field of a layer; there"):
        QuantConfig(layers={"a": {"bits": 3}})
    with pytest.raises(InputError, match=r"^layers\['a'\]: 'method' is no field of a layer"):
        QuantConfig(layers={"a": {"method": "gptq"}})
    with pytest.raises(InputError, match=r"^layers\['a'\]: spline_bits must be 1 to 12, not 99"):
        QuantConfig(layers={"a": {"spline_bits": 99}})
    with pytest.raises(TypeError, match=r"^layers\['a'\]: spline_bits must be an integer"):
        QuantConfig(layers={"a": {"spline_bits": 4.0}})
    for wrong in (3, [("a", {})]):
        with pytest.raises(TypeError, match=r"^layers must be a mapping"):
            QuantConfig(layers=wrong)
    with pytest.raises(TypeError, match=r"^layers must map names to fields, not 'a' to 3"):
        QuantConfig(layers={"a": 3})
    with pytest.raises(InputError, match=r"there is no layer 'x'; there are a, b"):
        QuantConfig(layers={"x": {}}).check_layers(["a", "b"])


def test_keywords_only_and_frozen():
    with pytest.raises(TypeError):
        QuantConfig(8)
    with pytest.raises(TypeError):
        QuantConfig(bits=8)
    with pytest.raises(FrozenInstanceError):
        QuantConfig().base_bits = 4
