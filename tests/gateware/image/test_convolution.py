"""Convolutions equal the Program to the bit, take pixels as declared, and padding costs little."""

import re
from dataclasses import replace

import numpy as np
import pytest

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware import generate_verilog
from kanhw.gateware.parts.address import Address
from kanhw.gateware.parts.minimise import minimise_table
from kanhw.gateware.parts.table import Table
from kanhw.gateware.top.chain import stages_of
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import ConvolutionLayer, EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.layer_layouts import LAYER_LAYOUTS, PIPELINE, LayerLayout
from kanhw.schedule.schedule import Schedule
from kanhw.windows import Window

CODE = CodeFormat(3, False)


# The others have the largest networks, of the same kinds.
QUICK = {*range(4), 5, 7, 8, 10, 11, 12, 100, 101, *range(104, 108)}


def _seeds(*ends):
    return [
        pytest.param(seed, marks=[] if seed in QUICK else [pytest.mark.slow])
        for seed in range(*ends)
    ]


@pytest.mark.some(4)
@pytest.mark.parametrize("seed", _seeds(16))
def test_one_convolution(seed, image_program, check_images):
    rng = np.random.default_rng(seed)
    program = image_program(rng, ["convolution"], dense=seed % 3 == 0)
    schedule = Schedule(adder_levels=seed % 3, table_registers=seed % 2 == 0)
    check_images(program, schedule, rng)


@pytest.mark.some(2)
@pytest.mark.parametrize("seed", _seeds(100, 110))
def test_chains(seed, image_program, check_images):
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["convolution", "convolution", "pooling"], int(rng.integers(2, 4))).tolist()
    check_images(image_program(rng, kinds, dense=seed % 2 == 0), Schedule(), rng)


def _one_layer(rng, window, n_out=2):
    tables = rng.integers(-7, 8, (n_out, window.taps, CODE.count))
    tables[0, window.taps // 2 :] = 0  # groups are tables of zeros
    tables[1, : window.taps // 2] = 0
    tables[0, 0] = 5  # constant, except where it is padding
    requantizer = Requantizer(np.ones((1, n_out), int), np.array([1, 3]), 1, CODE)
    layer = ConvolutionLayer(EdgeTableLayer(tables, (requantizer,)), window)
    return Program((layer,), InputEncoder(CODE, window.n_in))


def test_groups_and_constant_tables(check_images):
    rng = np.random.default_rng(3)
    window = Window((2, 4, 5), (3, 3), (1, 1), (1, 1))
    outputs = check_images(_one_layer(rng, window), Schedule(), rng)
    assert len(np.unique(outputs)) > 4


def test_rhythm_of_pixels_between_stages(check_images):
    """Rows of nothing but padding make pauses, during which windows of the image before wait."""
    rng = np.random.default_rng(3)
    windows = [
        Window((1, 5, 5), (1, 2), (1, 2), (1, 1), (1, 2)),
        Window((2, 7, 3), (2, 1), (2, 2), (1, 0), (2, 2)),
        Window((2, 4, 2), (2, 2), (2, 2)),
    ]
    layers = tuple(_one_layer(rng, window).layers[0] for window in windows)
    program = Program(layers, InputEncoder(CODE, 25))
    stages = stages_of(program, Schedule())
    assert StreamTop(program, Schedule()).latency != sum(stage.latency for stage in stages)
    check_images(program, Schedule(), rng)


def test_padding_forgotten_is_seen(check_images, monkeypatch):
    """The planted fault: a padded tap that reads the pixel beside it."""
    rng = np.random.default_rng(3)
    program = _one_layer(rng, Window((2, 4, 5), (3, 3), (1, 1), (1, 1)))
    build = Table.__init__

    def forgetful(self, values, *, registered=True, padding=None):
        build(self, values, registered=registered, padding=padding)
        if padding is not None:
            self._padding = max(values)

    monkeypatch.setattr(Table, "__init__", forgetful)
    with pytest.raises(AssertionError):
        check_images(program, Schedule(), rng)


def test_taps_that_are_never_padding_pay_nothing():
    rng = np.random.default_rng(3)
    padded, bare = (
        generate_verilog(_one_layer(rng, Window((1, 6, 6), (3, 3), (2, 2), (p, p))), Schedule())
        for p in (1, 0)
    )
    pattern = re.compile(r"^  (?:input|wire) pad;$", re.M)
    assert not pattern.findall(bare.text)
    assert len(pattern.findall(padded.text)) > 0


@pytest.mark.parametrize("seed", range(40))
def test_minimised_table_with_padding(seed):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 8))
    table = rng.integers(-9, 10, 1 << width) * int(rng.choice([1, 4, 12]))
    table += int(rng.choice([0, 100, -8]))
    if seed % 5 == 0:
        table[:] = table[0]
    low, high = sorted(rng.integers(0, 1 << width, 2).tolist())
    found = minimise_table(table, low, high, padded=True)
    values = (np.array(found.values) << found.shift) - found.offset
    np.testing.assert_array_equal(values[low : high + 1], table[low : high + 1])
    assert found.padding is not None
    assert (found.padding << found.shift) - found.offset == 0
    assert min(found.outputs) >= 0
    assert found.constant == (not table[low : high + 1].any())


@pytest.mark.parametrize("registered", [True, False])
def test_table_with_padding(registered, simulate):
    values, padding = (3, 1, 7, 2), 5
    table = Table(values, registered=registered, padding=padding)
    words = [(a, p) for a in range(4) for p in (0, 1)]
    expected = [padding if p else values[a] for a, p in words]
    assert simulate(table, [table.i, table.pad], words) == expected


def test_vectors_are_no_images():
    rng = np.random.default_rng(3)
    convolution = _one_layer(rng, Window((1, 3, 3), (2, 2))).layers[0]
    requantizer = Requantizer(np.ones((1, 9), int), np.zeros(9, int), 1, CODE)
    dense = EdgeTableLayer(rng.integers(0, 3, (9, 2, CODE.count)), (requantizer,), "dense")
    program = Program((dense, convolution), InputEncoder(CODE, 2))
    with pytest.raises(InputError, match=r"\(1, 3, 3\) cannot come from a layer that hands out"):
        stages_of(program, Schedule())


def test_taps_of_a_kind_without_padding_are_refused(monkeypatch):
    class Own(EdgeTableLayer):
        kind = "own"

    monkeypatch.setitem(LAYER_LAYOUTS, "own", LayerLayout(PIPELINE))
    program = _one_layer(np.random.default_rng(3), Window((1, 3, 3), (2, 2)))
    taps = program.layers[0].taps
    own = replace(program.layers[0], taps=Own(taps.tables, taps.requantizers, "taps"))
    message = r"\ALayer 'taps': no hardware of layers of kind 'own' knows of the absent inputs of"
    with pytest.raises(InputError, match=message):
        stages_of(replace(program, layers=(own,)), Schedule())


def test_addresses_of_taps():
    address = Address(3, 0, 7, 3)
    assert not address.padded
    assert replace(address, padded=True).entries.tolist() == list(range(8))
