"""What a network with learned widths is told to cost, from its Program."""

from __future__ import annotations

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.estimation.told import parts_of, told_luts, told_schedule
from kanhw.formats import CodeFormat
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
)
from kanhw.targets.table import TARGETS, network_model_of
from kanhw.targets.table_costs import TABLE_COSTS
from kanhw.windows import Window

PAIRS = pytest.mark.parametrize("target, fabric", TABLE_COSTS)
TARGETS_OF_NETWORKS = sorted({target for target, _ in TABLE_COSTS})
CODES = CodeFormat(5, signed=False)
RNG = np.random.default_rng(7)
HIDDEN = RNG.integers(0, 8, (2, 3, 32))
LAST = RNG.integers(0, 64, (2, 2, 32))


def network(hidden=HIDDEN, last=LAST, bias=0):
    """Three inputs, two hidden codes of five bits, two sums."""
    ones = np.ones((1, 2), int)
    layers = (
        EdgeTableLayer(hidden, (Requantizer(ones, [bias] * 2, format=CODES),), "layers.0"),
        EdgeTableLayer(last, (Requantizer(ones, [0, 0]),), "layers.1"),
    )
    return Program(layers, InputEncoder(CODES, 3))


@PAIRS
def test_entries_that_are_never_read_cost_nothing(target, fabric):
    # Sums of three entries of 0 to 7 are at most 21: codes above do not occur.
    wild = LAST.copy()
    wild[:, :, 22:] = RNG.integers(-(10**6), 10**6, wild[:, :, 22:].shape)
    assert told_luts(network(last=wild), target, fabric) == told_luts(network(), target, fabric)


@PAIRS
def test_a_network_whose_codes_hardly_occur_is_told_little(target, fabric):
    whole = told_luts(network(), target, fabric)
    # All hidden codes but the last two are cut off: what is left of the tables is a bit.
    two = told_luts(network(hidden=HIDDEN % 2, bias=29), target, fabric)
    assert 0 < two < 0.5 * whole
    # One code alone is a constant: nothing is read.
    assert told_luts(network(hidden=HIDDEN % 2, bias=31), target, fabric) == 0


@pytest.mark.parametrize("target", TARGETS_OF_NETWORKS)
def test_a_table_that_two_sums_need_is_made_once(target):
    shared = LAST.copy()
    shared[1, 0] = shared[0, 0]
    whole = told_luts(network(), target, "portable")
    assert told_luts(network(last=shared), target, "portable") < 0.95 * whole


def test_a_merged_table_is_a_table_of_more_address_bits():
    # Two tables of three address bits each are one of six, without an adder.
    codes = CodeFormat(3, signed=False)
    join = Requantizer(np.ones((1, 1), int), [0])
    layer = EdgeTableLayer(RNG.integers(0, 8, (1, 2, 8)), (join,), "layers.0")
    program = Program((layer,), InputEncoder(codes, 2))
    assert told_luts(program, "xcup", "portable", merged=True) < told_luts(
        program, "xcup", "portable"
    )


def test_registers_that_can_be_held_are_reset_where_a_family_can():
    # An image comes with valid and ready: a reset that comes before the enable would change a
    # register that waits.
    join = Requantizer(np.ones((1, 1), int), [0])
    gated = np.where(np.arange(32) >> 4 & 1, 0, RNG.integers(0, 64, (1, 4, 32)))
    taps = EdgeTableLayer(gated, (join,), "layers.0")
    layer = ConvolutionLayer(taps, Window((1, 3, 3), (2, 2)))
    image = Program((layer,), InputEncoder(CODES, 9))
    assert told_schedule(image, "portable").handshake
    assert not told_schedule(network(), "portable").handshake
    found = {target: parts_of(image, target, "portable") for target in ("xcup", "ice40")}
    # The upper address bit sets or resets, and the tables are of the four others.
    assert found["xcup"]["table_bits 5"] > 0
    assert found["ice40"]["table_pieces"] == 0
    assert found["ice40"]["table_bits 4"] > 0


@pytest.mark.parametrize("target", TARGETS_OF_NETWORKS)
def test_every_target_that_is_trained_for_has_weights_of_networks(target):
    assert network_model_of(target).weights is TARGETS[target].network_weights


def test_where_there_is_no_model_it_is_said():
    with pytest.raises(InputError, match="There is no resource model of gowin"):
        told_luts(network(), "gowin", "portable")
