"""A range of codes per value: what is computed, refused and written."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    PoolingLayer,
    Program,
    Requantizer,
    load_program,
    program_bytes,
    save_program,
    with_code_ranges,
)
from kanhw.program.functions.tables import requantize
from kanhw.sim.vectors import stimulus
from kanhw.windows import Window

CODE = CodeFormat(4, True)
LO, HI = [-8, -3, 0], [7, 2, 0]


def _join(n_out=3, format=CODE, **fields):
    ones = np.ones((1, n_out), np.int64)
    return Requantizer(ones, np.zeros(n_out, np.int64), 1 if format else 0, format, **fields)


def _edges(n_in, n_out, seed=0, **fields):
    tables = np.random.default_rng(seed).integers(-20, 20, (n_out, n_in, 16))
    return EdgeTableLayer(tables, (_join(n_out, **fields),), f"edges{seed}")


@pytest.fixture
def program():
    layers = (_edges(2, 3, lo=LO, hi=HI), _edges(3, 2, 1, format=None))
    return Program(layers, InputEncoder(CODE, 2, 0.25, [1, 0], lo=[-8, -2], hi=[7, 3]))


def test_requantize_clamps_every_column():
    sums = np.arange(-40, 41)[:, None].repeat(3, axis=1)
    expected = np.stack([requantize(sums[:, j], 1, LO[j], HI[j]) for j in range(3)], axis=1)
    join = _join(lo=LO, hi=HI)
    np.testing.assert_array_equal(join.codes(sums), expected)
    np.testing.assert_array_equal(join.codes(torch.from_numpy(sums)).numpy(), expected)
    np.testing.assert_array_equal(expected.min(axis=0), LO)
    np.testing.assert_array_equal(expected.max(axis=0), HI)


def test_one_number_is_spread_and_all_codes_are_none():
    join = _join(lo=-8, hi=3)
    assert join.lo is None
    assert join.hi.tolist() == [3, 3, 3]
    assert join.ranged
    assert not _join(lo=[-8] * 3, hi=7).ranged
    assert [end.tolist() for end in _join().code_ends] == [[-8] * 3, [7] * 3]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lo": [-8, 2, 0], "hi": [7, 1, 0]}, r"^The codes of output 1 cannot be 2 to 1: lo <="),
        ({"hi": [7, 7, 8]}, r"output 2 cannot be -8 to 8: .* signed 4 bit codes, -8 to 7$"),
        ({"lo": [-9, 0, 0]}, r"output 0 cannot be -9 to 7"),
        ({"lo": [0, 0]}, r"^lo must be one integer or 3, one for every output, not int64 of shape"),
        ({"hi": 2.0}, r"^hi must be one integer or 3, .* not float64 of shape \(\)$"),
        ({"format": None, "lo": 0}, r"^A requantizer that hands out its sums has no lo and hi"),
    ],
)
def test_wrong_ranges_of_outputs(fields, message):
    with pytest.raises(InputError, match=message):
        _join(**fields)


def test_wrong_ranges_of_features():
    with pytest.raises(InputError, match=r"^The codes of feature 1 cannot be 0 to 9: lo <= hi"):
        InputEncoder(CODE, 2, lo=0, hi=[7, 9])


def test_features_are_encoded_within_their_ranges(program):
    x = np.array([[-9.0, -9.0], [np.inf, np.inf], [0.3, 0.3], [-np.inf, 0.6]])
    expected = [[-8, -2], [7, 3], [2, 1], [-8, 2]]
    np.testing.assert_array_equal(program.input.encode(x), expected)


def test_codes_outside_are_the_nearest_end(program):
    codes = np.array([[5, -8], [5, 7], [5, 1]])
    inside = np.array([[5, -2], [5, 3], [5, 1]])
    np.testing.assert_array_equal(program(codes), program(inside))
    np.testing.assert_array_equal(program(torch.from_numpy(codes)).numpy(), program(inside))


def test_hosts_refuse_codes_outside(program):
    integers = replace(program, input=replace(program.input, scale=None))
    with pytest.raises(InputError, match=r"^x must hold codes -2 to 3 of feature 1, not -8 \("):
        stimulus(integers, np.array([[0, 0], [5, -8]]))
    np.testing.assert_array_equal(stimulus(integers, np.array([[5, -2]])), [[5, -2]])


def test_what_is_behind_gets_narrower(program):
    wide = with_code_ranges(program, inputs=(-8, 7), layers={0: [(-8, 7)]})
    assert not wide.ranged
    rng = np.random.default_rng(0)
    codes = rng.integers(-8, 8, (4000, 2))
    for layer, whole in zip(program.layers, wide.layers, strict=True):
        own, other = layer.accumulator_formats[0], whole.accumulator_formats[0]
        assert own.width <= other.width
    streams = program.activations(codes)[0][0]
    assert (streams >= LO).all()
    assert (streams <= HI).all()
    tables = np.full((2, 3, 16), 100)
    tables[:, 2, np.arange(16) != 8] = 1 << 20  # only the code 0 of the last value is reached
    layer = EdgeTableLayer(tables, (_join(2, None),))
    narrow = replace(program, layers=(program.layers[0], layer))
    assert narrow.layers[1].accumulator_formats[0].width == 10


def test_round_trip(program, tmp_path):
    path = save_program(program, tmp_path / "ranged.safetensors")
    found = load_program(path)
    assert program_bytes(found) == path.read_bytes()
    assert found.layers[0].requantizers[0].hi.tolist() == HI
    assert found.input.lo.tolist() == [-8, -2]
    codes = np.random.default_rng(0).integers(-8, 8, (50, 2))
    np.testing.assert_array_equal(found(codes), program(codes))
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["kanhw_program"])["format"] == 3
        assert file.get_tensor("layers.0.requantizers.0.lo").tolist() == LO
        assert file.get_tensor("input.hi").tolist() == [7, 3]


def test_files_without_ranges_keep_their_version(program, tmp_path):
    path = save_program(
        with_code_ranges(program, inputs=(-8, 7), layers={0: [(-8, 7)]}), tmp_path / "whole.st"
    )
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["kanhw_program"])["format"] == 1
        names = list(file.keys())
    assert not [name for name in names if name.endswith((".lo", ".hi"))]


def test_a_damaged_range_names_its_layer(program, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = save_program(program, tmp_path / "ranged.safetensors")
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["layers.0.requantizers.0.hi"] = np.array([7, 99, 0], np.int8)
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(InputError, match=r"^Layer 'edges0': The codes of output 1 cannot be -3 to"):
        load_program(path)


def test_images_have_a_range_per_channel():
    window = Window((2, 3, 3), (2, 2))
    layer = ConvolutionLayer(_edges(8, 3, lo=LO, hi=HI), window)
    ends = [np.repeat([-4, 0], 9), np.repeat([3, 7], 9)]
    program = Program((layer,), InputEncoder(CODE, 18, lo=ends[0], hi=ends[1]))
    codes = np.random.default_rng(0).integers(-8, 8, (40, 18))
    np.testing.assert_array_equal(program(codes), program(codes.clip(*ends)))
    images = program(codes).reshape(40, 3, 4)
    assert (images >= np.array(LO)[:, None]).all()
    assert (images <= np.array(HI)[:, None]).all()
    ends[1] = np.append(ends[1][:-1], 5)
    with pytest.raises(
        InputError,
        match=r"^Layer 'edges0' reads an image: hi of channel 1 of the input must be the same at "
        r"all positions, not 5 to 7$",
    ):
        Program((layer,), InputEncoder(CODE, 18, lo=ends[0], hi=ends[1]))
    pool = PoolingLayer(np.arange(16), "max", Window((2, 3, 3), (3, 3)), (_join(2),))
    with pytest.raises(InputError, match=r"^Layer 'pool' reads an image: hi of channel 1"):
        Program((pool,), InputEncoder(CODE, 18, lo=ends[0], hi=ends[1]))


def test_ranges_of_layers_that_are_not_there(program):
    with pytest.raises(InputError, match=r"^There is no layer 2: numbers are 0 to 1$"):
        with_code_ranges(program, layers={2: [None]})
    with pytest.raises(InputError, match=r"^Layer 'edges0' has 1 requantizers, not 2$"):
        with_code_ranges(program, layers={0: [None, None]})
    with pytest.raises(InputError, match=r"^Layer 'edges0': The codes of output 0 cannot be 0"):
        with_code_ranges(program, layers={0: [(0, 9)]})
