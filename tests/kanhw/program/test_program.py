"""Programs: exact widths, what is refused, boundaries, immutability."""

import itertools
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Interval,
    ProductLayer,
    Program,
    ProgramLayer,
    Requantizer,
)

SIGNED4 = CodeFormat(4, signed=True)


def ones(n_out, branches=1):
    return np.ones((branches, n_out), np.int64)


def edge_layer(n_in=2, n_out=2, width=2, seed=0, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "tables": rng.integers(-9, 10, (n_out, n_in, 1 << width)),
        "requantizers": (Requantizer(ones(n_out), np.arange(n_out), 1, SIGNED4),),
        "name": "edges",
    }
    return EdgeTableLayer(**{**fields, **changes})


def basis_layer(n_in=2, n_out=2, width=4, seed=0, **changes):
    rng = np.random.default_rng(seed)
    fields = {
        "basis": rng.integers(0, 9, (2, 1 << width, 3)),
        "basis_index": rng.integers(0, 2, n_in),
        "coefficients": rng.integers(-9, 10, (n_out, n_in, 3)),
        "base": rng.integers(-5, 6, (1, 1 << width, 1)),
        "base_index": np.zeros(n_in, int),
        "base_weights": rng.integers(-9, 10, (n_out, n_in, 1)),
        "requantizers": (Requantizer(rng.integers(-5, 6, (2, n_out)), np.zeros(n_out, int)),),
        "name": "basis",
    }
    return BasisTableLayer(**{**fields, **changes})


def two_layers(**changes):
    encoder = InputEncoder(CodeFormat(2, signed=False), 2, np.array([0.5, 0.25]), np.array([1, 2]))
    return Program(**{"layers": (edge_layer(), basis_layer()), "input": encoder, **changes})


def all_codes(program):
    return np.array(list(itertools.product(program.input.format.codes(), repeat=program.n_in)))


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(["edge", "basis"]))
def test_intervals_are_exact(seed, signed, kind):
    make = edge_layer if kind == "edge" else basis_layer
    layer = make(3, 2, 2, seed)
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, 4, (2, 3)), axis=0)
    addresses = Interval(ends[0], ends[1])
    grid = np.array(list(itertools.product(*(range(a, b + 1) for a, b in zip(*ends, strict=True)))))
    branches = len(layer.branches)
    intervals = layer.accumulator_intervals((addresses,) * branches)
    for interval, values in zip(intervals, layer.accumulate((grid,) * branches), strict=True):
        np.testing.assert_array_equal(interval.lo, values.min(axis=0))
        np.testing.assert_array_equal(interval.hi, values.max(axis=0))
        assert interval.format.signed
        width = interval.format.width
        assert width == 1 or not interval.fits(CodeFormat(width - 1, signed=True))
        factor = rng.integers(-9, 10, 2)
        offset = np.array([3, -3])
        scaled = interval.scaled(factor) + offset
        np.testing.assert_array_equal(scaled.lo, (values * factor).min(axis=0) + offset)
        np.testing.assert_array_equal(scaled.hi, (values * factor).max(axis=0) + offset)
        format = CodeFormat(3, signed)
        lo, hi = np.sort(rng.integers(format.lo, format.hi + 1, (2, 2)), axis=0)
        for ends in ({}, {"lo": lo, "hi": hi}):
            join = Requantizer(ones(2), np.zeros(2, int), 2, format, **ends)
            codes = join.codes(values)
            np.testing.assert_array_equal(join.code_interval(interval).lo, codes.min(axis=0))
            np.testing.assert_array_equal(join.code_interval(interval).hi, codes.max(axis=0))


def test_declared_widths_hold_every_value_and_are_filled_in():
    program = two_layers()
    activations = program.activations(all_codes(program))
    for layer, streams in zip(program.layers, activations, strict=True):
        assert isinstance(layer, ProgramLayer)
        assert len(layer.accumulator_formats) == len(layer.branches)
        for requantizer, codes in zip(layer.requantizers, streams, strict=True):
            assert requantizer.output_format.holds(int(codes.min()), int(codes.max()))
    assert program.output_format == program.layers[-1].requantizers[0].sum_format


def test_wider_declarations_are_kept():
    wide = (CodeFormat(30, signed=True),)
    program = Program((edge_layer(accumulator_formats=wide),), two_layers().input)
    assert program.layers[0].accumulator_formats == wide


def test_narrow_declarations_are_refused():
    narrow = (CodeFormat(3, signed=True),)
    with pytest.raises(
        InputError, match=r"\ALayer 'edges', edge accumulator: a signed 3 bit code is"
    ):
        two_layers(layers=(edge_layer(accumulator_formats=narrow), basis_layer()))
    requantizer = Requantizer(ones(2), np.zeros(2, int), sum_format=narrow[0])
    with pytest.raises(
        InputError, match=r"\ALayer 'edges', joined sum: a signed 3 bit code is decl"
    ):
        two_layers(layers=(edge_layer(requantizers=(requantizer,)),))
    with pytest.raises(InputError, match=r"\ALayer 'basis' declares 1 accumulator formats for its"):
        two_layers(layers=(edge_layer(), basis_layer(accumulator_formats=narrow)))


def test_sums_beyond_an_int64_are_refused():
    big = 1 << 61
    message = r"\ALayer '\w+': Sums reach .*, beyond 62 bits: use smaller tables, weights or mu"
    encoder = two_layers().input
    with pytest.raises(InputError, match=message):
        Program((edge_layer(tables=np.full((2, 2, 4), big)),), encoder)
    for factor, bias in ((big, 0), (1, 2**62)):
        requantizer = Requantizer(ones(2) * factor, np.full(2, bias))
        with pytest.raises(InputError, match=message):
            Program((edge_layer(requantizers=(requantizer,)),), encoder)
    with pytest.raises(InputError, match=message):
        layer = basis_layer(width=2, coefficients=np.full((2, 2, 3), big))
        Program((layer,), encoder)
    with pytest.raises(InputError, match=r"\Aedges\.tables must fit 64 signed bits, not hold "):
        edge_layer(tables=np.full((2, 2, 4), 2**63, np.uint64))


_LAYER_REFUSALS = [
    ({"tables": np.zeros((2, 2))}, r"edges\.tables must hold integers, not float64"),
    (
        {"tables": np.zeros((2, 2), int)},
        r"edges\.tables must be a non-empty array of 3 dim.*\(2, 2\)",
    ),
    ({"tables": np.zeros((2, 0, 4), int)}, r"edges\.tables must be a non-empty array"),
    ({"requantizers": ()}, r"Layer 'edges' has no requantizer"),
    (
        {"requantizers": (Requantizer(ones(3), np.zeros(3, int)),)},
        r"A requantizer of layer 'edges' has multipliers of shape \(1, 3\), not \(1, 2\)",
    ),
    ({"stream": -1}, r"Layer 'edges' needs (a|one) stream number"),
]


@pytest.mark.parametrize(("changes", "message"), _LAYER_REFUSALS)
def test_edge_layers_that_are_refused(changes, message):
    with pytest.raises(InputError, match=rf"\A{message}"):
        edge_layer(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"coefficients": np.ones((2, 2, 4), int)},
            r"the basis branch's weights have shape \(2, 2, 4\), not \(2, 2, 3\)",
        ),
        (
            {"base_weights": np.ones((2, 3, 1), int)},
            r"the base branch's weights have shape \(2, 3, 1\), not \(2, 2, 1\)",
        ),
        ({"basis_index": np.array([0, 2])}, r"basis_index must name one of 2 tables for each of 2"),
        ({"basis_index": np.array([0, -1])}, r"basis_index must name one of 2 tables"),
        ({"base_index": np.zeros(3, int)}, r"base_index must name one of 1 tables for each of 2"),
    ],
)
def test_basis_layers_that_are_refused(changes, message):
    with pytest.raises(InputError, match=rf"\ALayer 'basis': {message}"):
        basis_layer(**changes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bias": np.zeros(3, int)}, r"multipliers of shape \(1, 2\) do not match 3 biases"),
        ({"shift": 49}, r"A requantizer's shift must be 0 to 48, not 49"),
        ({"shift": -1}, r"A requantizer's shift must be 0 to 48, not -1"),
        ({"shift": 1, "format": None}, r"A requantizer that hands out its sums cannot shift them"),
        ({"scale": 0.0}, r"scale must be finite and positive"),
        ({"scale": np.inf}, r"scale must be finite and positive"),
        ({"scale": [1.0, 2.0, 3.0]}, r"scale must be one number or 2, not of shape \(3,\)"),
        ({"zero_point": np.zeros(3, int)}, r"zero_point must have 2 values, not 3"),
    ],
)
def test_requantizers_that_are_refused(fields, message):
    with pytest.raises(InputError, match=rf"\A{message}"):
        Requantizer(
            **{"multipliers": ones(2), "bias": np.zeros(2, int), "format": SIGNED4, **fields}
        )


def test_networks_that_do_not_fit_together():
    encoder = two_layers().input
    with pytest.raises(InputError, match=r"\AA Program needs at least one layer\Z"):
        Program((), encoder)
    with pytest.raises(InputError, match=r"\ALayer 'basis' takes 3 inputs but is given 2\Z"):
        Program((edge_layer(), basis_layer(n_in=3)), encoder)
    with pytest.raises(
        InputError, match=r"\ALayer 'basis': its base branch asks for stream 1 of 1\Z"
    ):
        Program((edge_layer(), basis_layer(base_stream=1)), encoder)
    with pytest.raises(
        InputError,
        match=r"\ALayer 'basis': tables of 8 entries in its spline branch cannot be addressed by "
        r"signed 4 bit\Z",
    ):
        Program((edge_layer(), basis_layer(width=3)), encoder)
    with pytest.raises(InputError, match=r"cannot be addressed by sums that are not requantized\Z"):
        Program((basis_layer(width=2), edge_layer(width=4)), encoder)
    requantizer = Requantizer(ones(2), np.zeros(2, int))
    with pytest.raises(InputError, match=r"\AThe last layer must have one requantizer, not 2\Z"):
        Program((edge_layer(requantizers=(requantizer,) * 2),), encoder)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((1, 2)), r"Codes must be integers, not float64: encode real features with"),
        (np.zeros((1, 2), bool), r"Codes must be integers, not bool"),
        (np.zeros((1, 3), int), r"Codes must have shape \[N, 2\] with N >= 1, not \(1, 3\)"),
        (np.zeros(2, int), r"Codes must have shape \[N, 2\]"),
        (np.zeros((0, 2), int), r"Codes must have shape \[N, 2\] with N >= 1, not \(0, 2\)"),
        (np.array([[0, 4]]), r"Codes must be unsigned 2 bit integers in \[0, 3\], not 0 to 4"),
        (np.array([[-1, 0]]), r"Codes must be unsigned 2 bit integers in \[0, 3\], not -1 to 0"),
    ],
)
def test_codes_that_are_refused(codes, message):
    with pytest.raises(InputError, match=rf"\A{message}"):
        two_layers()(codes)


def test_program_is_the_formula():
    program = two_layers()
    edges, basis = program.layers
    for codes in all_codes(program):
        first = [
            int(np.clip((sum(edges.tables[j, i, codes[i]] for i in range(2)) + j + 1) >> 1, -8, 7))
            for j in range(2)
        ]
        a = [code + 8 for code in first]
        spline, base = (
            [sum(int(weights[j, i] @ tables[index[i], a[i]]) for i in range(2)) for j in range(2)]
            for tables, index, weights in (
                (basis.basis, basis.basis_index, basis.coefficients),
                (basis.base, basis.base_index, basis.base_weights),
            )
        )
        factors = basis.requantizers[0].multipliers
        expected = [factors[0, j] * spline[j] + factors[1, j] * base[j] for j in range(2)]
        assert program(codes[None])[0].tolist() == expected


def test_chunks_do_not_show():
    program = two_layers()
    codes = np.random.default_rng(0).integers(0, 4, (4100, 2))
    parts = np.concatenate([program(codes[:2000]), program(codes[2000:])])
    np.testing.assert_array_equal(program(codes), parts)


def test_argmax_takes_the_lowest_of_ties():
    layer = edge_layer(
        n_out=3,
        tables=np.array([[[0, 1]], [[0, 5]], [[0, 5]]]),
        requantizers=(Requantizer(ones(3), np.zeros(3, int)),),
    )
    program = Program((layer,), InputEncoder(CodeFormat(1, signed=False), 1), argmax=True)
    assert program(np.array([[0], [1]])).tolist() == [[0], [1]]
    assert (program.n_out, program.output_format) == (1, CodeFormat(2, signed=False))
    assert program.output_scale is None
    with pytest.raises(InputError, match=r"\AClass indices have no real scale\Z"):
        program.decode_output([[0]])
    assert program.with_argmax(False)(np.array([[1]])).tolist() == [[1, 5, 5]]


def test_encode_rounds_half_up_and_saturates():
    encoder = InputEncoder(SIGNED4, 1, 0.5, np.array([1]))
    x = [-0.26, -0.25, 0.24, 0.25, 0.5, 1e300, -1e300, np.inf, -np.inf, -4.25, -4.26, 3.0, 3.5]
    codes = encoder.encode(np.array(x)[:, None])[:, 0].tolist()
    assert codes == [0, 1, 1, 2, 2, 7, -8, 7, -8, -7, -8, 7, 7]
    assert InputEncoder(SIGNED4, 1, 1e-300).encode([[1e300], [-1e300]]).tolist() == [[7], [-8]]
    np.testing.assert_array_equal(encoder.decode([[-8], [1], [7]]), [[-4.5], [0.0], [3.0]])


@given(st.integers(1, 8), st.booleans(), st.floats(1e-3, 1e3), st.integers(-5, 5))
def test_every_code_survives_decode_and_encode(width, signed, scale, zero_point):
    format = CodeFormat(width, signed)
    encoder = InputEncoder(format, 2, scale, zero_point)
    codes = np.stack([format.codes()] * 2, axis=1)
    np.testing.assert_array_equal(encoder.encode(encoder.decode(codes)), codes)


def test_encode_refusals():
    encoder = two_layers().input
    with pytest.raises(InputError, match=r"\AFeatures hold NaN: remove or fill those rows\Z"):
        encoder.encode([[0.0, np.nan]])
    with pytest.raises(InputError, match=r"\AFeatures must have shape \[N, 2\], not \(1, 3\)\Z"):
        encoder.encode([[0.0, 0.0, 0.0]])
    bare = InputEncoder(SIGNED4, 2)
    for method in (bare.encode, bare.decode):
        with pytest.raises(InputError, match=r"\AThis network takes integer codes: its file holds"):
            method([[0, 0]])
    with pytest.raises(InputError, match=r"\AA network needs at least one input, not 0\Z"):
        InputEncoder(SIGNED4, 0)
    with pytest.raises(
        InputError, match=r"\Ainput scale must be one number or 2, not of shape \(3,\)"
    ):
        InputEncoder(SIGNED4, 2, np.ones(3))
    with pytest.raises(
        InputError, match=r"\Azero_point must be one integer or 2, not of shape \(3,\)"
    ):
        InputEncoder(SIGNED4, 2, 1.0, np.zeros(3, int))
    with pytest.raises(InputError, match=r"\Azero_point must hold integers, not float64\Z"):
        InputEncoder(SIGNED4, 2, 1.0, np.zeros(2))


def test_decode_output():
    requantizer = Requantizer(ones(2), np.zeros(2, int), 0, SIGNED4, [0.5, 0.25], np.array([1, 0]))
    program = Program((edge_layer(requantizers=(requantizer,)),), two_layers().input)
    np.testing.assert_array_equal(program.decode_output([[3, 4]]), [[1.0, 1.0]])
    np.testing.assert_array_equal(program.output_scale, [0.5, 0.25])
    with pytest.raises(InputError, match=r"\AThese codes have no real scale"):
        two_layers().decode_output([[0, 0]])


def test_everything_is_read_only():
    source = np.ones((2, 2, 4), int)
    layer = edge_layer(tables=source)
    source[0, 0, 0] = 99
    assert layer.tables[0, 0, 0] == 1
    program = two_layers()
    arrays = [
        *program.layers[0].tensors().values(),
        *program.layers[1].tensors().values(),
        program.input.scale,
        program.input.zero_point,
        *(getattr(program.layers[0].requantizers[0], f) for f in ("multipliers", "bias")),
    ]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    for record in (program, program.input, program.layers[0], program.layers[0].requantizers[0]):
        with pytest.raises(FrozenInstanceError):
            record.name = "other"


def test_active_edges():
    tables = np.zeros((2, 2, 4), int)
    tables[1, 0, 3] = 1
    coefficients, weights = np.zeros((2, 2, 3), int), np.zeros((2, 2, 1), int)
    coefficients[0, 0, 2] = weights[0, 0] = weights[1, 1] = 1
    basis = basis_layer(coefficients=coefficients, base_weights=weights)
    assert two_layers(layers=(edge_layer(tables=tables), basis)).active_edges == 3


def test_a_value_outside_its_width_is_caught():
    """Only a mistake in the interval analysis could cause it, so plant one."""
    program = two_layers()
    layer = replace(program.layers[0], accumulator_formats=(CodeFormat(2, signed=True),))
    object.__setattr__(program, "layers", (layer, program.layers[1]))
    with pytest.raises(OverflowError, match=r"\AAn accumulator of layer 'edges' left its declared"):
        program(all_codes(program))


def test_a_product_beyond_62_bits_names_layer_and_cure():
    join = Requantizer(ones(1), np.zeros(1, np.int64), 48, SIGNED4)
    layer = ProductLayer(((0, 0, 0),), 1, 30, -(1 << 29), (join,), name="cube")
    message = (
        r"\ALayer 'cube': a product of 3 codes of 30 bits is beyond 62 bits: use fewer bits in "
        r"front of it \(product_bits\)\Z"
    )
    with pytest.raises(InputError, match=message):
        Program((layer,), InputEncoder(CodeFormat(30, signed=True), 1))
