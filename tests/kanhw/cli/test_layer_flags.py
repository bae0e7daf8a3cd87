"""Fields of single layers on the command line, and the flags of fields in groups."""

import argparse

import pytest

from kanhw.cli.quantize import _layers, add_config
from kanhw.errors import InputError


def test_fields_of_a_layer():
    changes = ["layers.0.spline_bits=4", "layers.0.codebook.size=16", "a.evaluator.alignment=False"]
    assert _layers(changes) == {
        "layers.0": {"spline_bits": 4, "codebook.size": 16},
        "a": {"evaluator.alignment": False},
    }


def test_a_field_needs_a_layer():
    with pytest.raises(InputError, match=r"^--layer takes NAME.FIELD=VALUE, .* not 'codebook.si"):
        _layers(["codebook.size=3"])


def test_flags_of_groups_keep_their_names():
    parser = argparse.ArgumentParser()
    add_config(parser.add_argument_group("quantization"))
    flags = "--codebook-size 7 --no-codebook-bias --shape-bits 4"
    flags += " --evaluator-pieces arithmetic --no-evaluator-alignment"
    options = parser.parse_args(flags.split())
    assert (options.codebook_size, options.codebook_bias, options.shape_bits) == (7, False, 4)
    assert (options.evaluator_pieces, options.evaluator_alignment) == ("arithmetic", False)
    assert options.gain_bits == 5
