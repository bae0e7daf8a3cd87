"""What a configuration refuses, and how it says so."""

import re
from dataclasses import FrozenInstanceError
from operator import attrgetter
from typing import get_type_hints

import numpy as np
import pytest
from reported_kinds import NETWORKS

import kanhw
from kanhw.errors import InputError
from kanhw.quant import CodebookConfig, EvaluatorConfig, QuantConfig
from kanhw.quant.config import QuantOptions

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
    "codebook.size": (2, 4096),
    "codebook.shape_bits": (2, 14),
    "codebook.gain_bits": (2, 8),
    "codebook.bias_bits": (2, 12),
}
CHOICES = {
    "weight_calibration": "max_abs, percentile, mse",
    "activation_calibration": "max_abs, percentile, mse",
    "weight_granularity": "tensor, channel",
    "activation_granularity": "auto, tensor, channel",
    "input_granularity": "auto, tensor, group, channel",
    "output_granularity": "auto, tensor, channel",
    "branch_inputs": "auto, shared, separate",
    "norms": "exact, frozen",
    "realisation": "auto, edge_table, basis_table, codebook, spline_evaluator",
    "evaluator.pieces": "auto, arithmetic, shared_table",
    "codebook.clustering": "coefficients, functions",
    "codebook.weighting": "data, uniform",
    "codebook.scope": "layer, network",
    "codebook.gain": "any, power_of_two, none",
    "codebook.branches": "separate, joint",
    "method": "auto, uniform, gptq, gptq_joint, adaround, awq, brecq, smoothquant, zeroq",
    "quantizer": "lsq, lsq+, pact, qil, dorefa, dsq",
    "widths": "chosen, learned",
    "fabric_cost": "lut, bram, bit-operations",
}


def test_every_field_is_tested_here():
    others = {"percentile", "symmetric_activations", "shared_quantizers", "damping"}
    others |= {"seed", "layers", "codebook.bias", "evaluator.alignment", "target"}
    assert set(QuantConfig.field_names()) - {"codebook", "evaluator"} == {
        *RANGES,
        *CHOICES,
        *others,
    }


@pytest.mark.parametrize("field", RANGES)
def test_integers(field):
    lowest, highest = RANGES[field]
    for value in (lowest, highest):
        assert attrgetter(field)(QuantConfig().changed({field: value})) == value
    for value in (lowest - 1, highest + 1, -3):
        with pytest.raises(InputError, match=rf"^{field} must be {lowest} to {highest}, not "):
            QuantConfig().changed({field: value})
    for value in (True, 4.0, "4", np.float64(4)):
        with pytest.raises(TypeError, match=f"^{field} must be an integer, not "):
            QuantConfig().changed({field: value})


@pytest.mark.parametrize("field", RANGES)
def test_only_derived_widths_may_be_left_out(field):
    if field in ("base_bits", "spline_bits", "input_bits", "table_bits"):
        assert attrgetter(field)(QuantConfig().changed({field: None})) is None
    else:
        with pytest.raises(TypeError, match=f"^{field} must be an integer, not None"):
            QuantConfig().changed({field: None})


@pytest.mark.parametrize("bits", [0, 17])
def test_one_to_sixteen_bits(bits):
    with pytest.raises(InputError, match=f"activation_bits must be 1 to 16, not {bits}"):
        QuantConfig(activation_bits=bits)


@pytest.mark.parametrize("field", CHOICES)
def test_choices(field):
    for value in CHOICES[field].split(", "):
        assert attrgetter(field)(QuantConfig().changed({field: value})) == value
    for value in ("best", "", None, 3, True):
        allowed = re.escape(CHOICES[field])
        with pytest.raises(InputError, match=rf"^{field} must be one of {allowed}, not "):
            QuantConfig().changed({field: value})


def test_percentile():
    for value in (50, 99.9, 100, np.float64(75)):
        assert QuantConfig(percentile=value).percentile == value
    for value in (49.9, 100.1, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"^percentile must be 50 to 100, not "):
            QuantConfig(percentile=value)
    for value in (True, "99", None):
        with pytest.raises(TypeError, match=r"^percentile must be a number, not "):
            QuantConfig(percentile=value)


@pytest.mark.parametrize("field", ["symmetric_activations", "shared_quantizers", "codebook.bias"])
def test_switches(field):
    for value in (1, 0, "no", None):
        with pytest.raises(TypeError, match=rf"^{field} must be True or False, not "):
            QuantConfig().changed({field: value})


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


def test_fields_of_groups_in_single_layers():
    config = QuantConfig(
        codebook=CodebookConfig(size=9, gain="none"),
        layers={"a": {"codebook.size": 3, "evaluator.pieces": "arithmetic"}},
    )
    assert config.for_layer("a").codebook == CodebookConfig(size=3, gain="none")
    assert config.for_layer("a").evaluator == EvaluatorConfig(pieces="arithmetic")
    assert config.for_layer("b").codebook.size == 9
    whole = QuantConfig(layers={"a": {"codebook": CodebookConfig(size=3)}})
    assert whole.for_layer("a").codebook.size == 3
    for wrong, words in {
        "codebook.scope": r"'codebook.scope' is no field of a layer",
        "codebook.sizes": r"'codebook.sizes' is no field of a layer",
    }.items():
        with pytest.raises(InputError, match=rf"^layers\['a'\]: {words}; .*there are "):
            QuantConfig(layers={"a": {wrong: "network"}})
    with pytest.raises(InputError, match=r"^layers\['a'\]: codebook.size must be 2 to 4096, not 1"):
        QuantConfig(layers={"a": {"codebook.size": 1}})
    with pytest.raises(InputError, match=r"codebook is given as a whole, and codebook.size too"):
        QuantConfig(layers={"a": {"codebook": CodebookConfig(), "codebook.size": 4}})
    with pytest.raises(InputError, match=r"codebook.scope is one for the whole network"):
        QuantConfig(layers={"a": {"codebook": CodebookConfig(scope="network")}})


FLAT = {
    "codebook_size": ("codebook", "codebook.size", "CodebookConfig(size=...)"),
    "codebook_bias": ("codebook", "codebook.bias", "CodebookConfig(bias=...)"),
    "gain_bits": ("codebook", "codebook.gain_bits", "CodebookConfig(gain_bits=...)"),
    "evaluator_pieces": ("evaluator", "evaluator.pieces", "EvaluatorConfig(pieces=...)"),
}


@pytest.mark.parametrize("flat", FLAT)
def test_a_field_without_its_group_is_refused_with_the_new_spelling(flat):
    group, dotted, spelled = FLAT[flat]
    words = re.escape(f"{flat} is {dotted} now: give {group}={spelled}")
    with pytest.raises(TypeError, match=f"^{words}$"):
        QuantConfig(**{flat: 3})
    model, x = NETWORKS["py_kan"]()
    with pytest.raises(TypeError, match=f"^{words}$"):
        kanhw.quantize(model, x, **{flat: 3})
    with pytest.raises(
        TypeError, match=rf"^layers\['a'\]: {flat} is {dotted} now: give '{dotted}'$"
    ):
        QuantConfig(layers={"a": {flat: 3}})


@pytest.mark.parametrize("group", ["codebook", "evaluator"])
def test_groups_are_of_their_kind(group):
    with pytest.raises(TypeError, match=rf"^{group} must be \w+Config\(\.\.\.\), not 5"):
        QuantConfig(**{group: 5})


def test_the_keywords_of_quantize_are_the_fields():
    assert get_type_hints(QuantOptions) == get_type_hints(QuantConfig)


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


def test_integers_of_numpy_are_integers():
    config = QuantConfig(
        activation_bits=np.int64(6),
        input_bits=np.array([6, 4]),
        percentile=np.float32(99),
        codebook=CodebookConfig(size=np.int32(8)),
        layers={"0": {"spline_bits": np.int64(3)}},
    )
    assert (config.activation_bits, config.input_bits, config.codebook.size) == (6, (6, 4), 8)
    assert type(config.activation_bits) is type(config.codebook.size) is int
    assert type(config.for_layer("0").spline_bits) is int
    plain = QuantConfig(
        activation_bits=6, input_bits=(6, 4), percentile=99.0, codebook=CodebookConfig(size=8)
    )
    assert hash(config) == hash(plain)
    with pytest.raises(InputError, match="spline_bits must be 1 to 12, not 13"):
        QuantConfig(spline_bits=np.int64(13))


def test_messages_hold_no_arrays():
    for wrong in (np.zeros((2, 2)), np.full(3, 0.5)):
        with pytest.raises(TypeError, match=r"not a numpy\.ndarray of shape \[[\d, ]+\]$"):
            QuantConfig(spline_bits=wrong)


def test_a_target_is_a_family_that_is_known():
    with pytest.raises(InputError, match=r"Unknown target 'xcups'.*did you mean 'xcup'"):
        QuantConfig(target="xcups")
