"""Conversions of inputs equal the encoder at every code, and outputs are nearest."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from physical_programs import encoder, physical_image, physical_program

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import InputEncoder, Program, golden, load_program, save_program, with_formats
from kanhw.program.conversion.input_conversion import InputConversion, conversion_between
from kanhw.program.conversion.quantity_format import QuantityFormat

FORMATS = [
    "q8.8",
    "uq4.4",
    "q1.11",
    "q6.0",
    "u12:0..4095=-10..50",
    "s16:-32768..32767=-3.3..3.3",
    "u8:55..255=0..0.02",
]


def _every_code(encoder):
    codes = encoder.format.codes()
    return np.repeat(codes[:, np.newaxis], encoder.n_in, axis=1)


def _assert_exact(program):
    codes = _every_code(program.input)
    expected = program.grid.encode(program.input.decode(codes))
    np.testing.assert_array_equal(program.conversion(codes), expected)


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_every_code_becomes_what_the_encoder_makes(text, seed):
    plain = physical_program(seed)
    program = with_formats(plain, inputs=text)
    _assert_exact(program)
    codes = _every_code(program.input)[::37]
    reals = program.input.decode(codes)
    np.testing.assert_array_equal(program(codes), plain(plain.input.encode(reals)))
    np.testing.assert_array_equal(golden.run(program, codes), program(codes))
    np.testing.assert_array_equal(program.input.encode(reals), codes)


def test_a_conversion_one_off_is_seen():
    program = with_formats(physical_program(1), inputs="q8.8")
    factors = program.conversion.multipliers * np.array([1, 1, 1, 1, 1])
    factors[np.argmax(factors)] += 1 << program.conversion.shift
    wrong = replace(program, conversion=replace(program.conversion, multipliers=factors))
    with pytest.raises(AssertionError):
        _assert_exact(wrong)


@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.booleans(),
    st.one_of(
        st.builds(
            "{}q{}.{}".format, st.sampled_from(["", "u"]), st.integers(1, 6), st.integers(0, 8)
        ),
        st.builds(
            "{}:{}..{}={}..{}".format,
            st.just("s11"),
            st.integers(-1024, -1),
            st.integers(0, 1023),
            st.integers(-300, 0),
            st.integers(1, 300),
        ),
    ),
)
def test_any_scale_zero_point_range_and_format(seed, width, signed, text):
    grid = encoder(np.random.default_rng(seed), CodeFormat(width, signed), 3)
    own = QuantityFormat.from_text(text)
    input = InputEncoder(own.code, 3, own.scale, np.full(3, own.zero_point), offset=own.offset)
    made = conversion_between(input, grid, ["a", "b", "c"])
    codes = _every_code(input)
    np.testing.assert_array_equal(made(codes), grid.encode(input.decode(codes)))


def test_every_feature_has_its_own_constants_and_format():
    program = with_formats(
        physical_program(2), inputs="q4.4,u8:0..255=0..1,s10:0..100=0..0.25,uq4.4,q2.2"
    )
    assert program.input.format == CodeFormat(10, True)
    assert len(set(program.conversion.multipliers.tolist())) > 1
    _assert_exact(program)


def test_the_smallest_shift_is_found():
    # Steps of 1/256 to steps of 1/4: a shift by 6 that rounds, and nothing else.
    grid = InputEncoder(CodeFormat(8, True), 1, 0.25)
    made = conversion_between(InputEncoder(CodeFormat(16, True), 1, 2.0**-8), grid, ["a"])
    assert (made.shift, made.multipliers.tolist(), made.bias.tolist()) == (6, [1], [32])


def test_too_many_bits_are_refused():
    with pytest.raises(InputError, match="from signed 28 bit codes: take a format of fewer bits"):
        with_formats(physical_program(2), inputs="q8.20")


def test_values_between_two_codes_are_refused_with_a_line_that_works():
    grid = InputEncoder(CodeFormat(10, True), 1, 0.2)
    plain = physical_program(0, (1, 2), CodeFormat(10, True))
    plain = Program(plain.layers, grid)
    with pytest.raises(InputError) as raised:
        with_formats(plain, inputs="u12:0..4095=0..409.5")
    said = str(raised.value)
    assert "input '0'" in said and "lie just between two codes" in said
    program = with_formats(plain, inputs=said.rpartition(", ")[2])
    _assert_exact(program)
    step, moved = 0.1, program.input.decode([[0]])[0, 0]
    assert 0 < abs(moved) <= step / 16


@pytest.mark.parametrize("text", ["q8.8", "q4.10", "uq6.2", "u12:0..4095=-4..4", "s12:-9..90=0..1"])
@pytest.mark.parametrize("seed", range(3))
def test_outputs_are_the_nearest_codes(text, seed):
    plain = physical_program(seed)
    program = with_formats(plain, outputs=text)
    rng = np.random.default_rng(seed)
    codes = rng.integers(plain.input.format.lo, plain.input.format.hi + 1, (500, plain.n_in))
    sums, found = plain(codes), program(codes)
    own = QuantityFormat.from_text(text)
    assert program.output_format == own.code
    for row in range(0, 500, 7):
        for j in range(plain.n_out):
            value = Fraction(float(plain.output_scale[j])) * int(sums[row, j])
            place = (value - Fraction(own.offset)) / Fraction(own.scale) + own.zero_point
            nearest = min(max(place, own.code.lo), own.code.hi)
            assert abs(int(found[row, j]) - nearest) <= Fraction(1, 2) + Fraction(1, 256)
    reals = program.decode_output(found)
    np.testing.assert_allclose(reals, own.scale * (found - own.zero_point) + own.offset)


def test_a_file_of_it_is_read_back(tmp_path):
    program = with_formats(physical_program(3), inputs="u12:0..4095=-1..5", outputs="s12:0..9=1..2")
    path = save_program(program, tmp_path / "program.safetensors")
    back = load_program(path)
    codes = _every_code(program.input)
    np.testing.assert_array_equal(back(codes), program(codes))
    np.testing.assert_array_equal(back.input.decode(codes), program.input.decode(codes))
    outputs = [each.decode_output(each(codes)) for each in (back, program)]
    np.testing.assert_array_equal(*outputs)
    assert back.grid.ranged == program.grid.ranged


def test_pixels_of_a_channel_are_alike():
    program = with_formats(physical_image(), inputs="u8:0..255=0..1", outputs="q8.8")
    _assert_exact(program)
    factors = program.conversion.multipliers.copy()
    factors[3] += 1
    with pytest.raises(InputError, match=r"multipliers of channel 0 .* same at all positions"):
        replace(program, conversion=replace(program.conversion, multipliers=factors))


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ("q8.8", None, "The inputs of this Program are converted already"),
        (None, "q8.8", "hands out codes that are rounded already"),
    ],
)
def test_only_once(inputs, outputs, said):
    once = with_formats(physical_program(0), inputs=inputs, outputs=outputs)
    with pytest.raises(InputError, match=said):
        with_formats(once, inputs=inputs, outputs=outputs)


def test_what_cannot_be():
    plain = physical_program(0)
    join = replace(plain.layers[-1].requantizers[0], scale=np.full(3, 0.01))
    last = replace(plain.layers[-1], requantizers=(join,))
    alike = replace(plain, layers=(*plain.layers[:-1], last), argmax=True)
    for program, formats, said in (
        (replace(plain, input=InputEncoder(plain.input.format, 5)), {"inputs": "q8.8"},
         "integer codes without units"),
        (alike, {"outputs": "q8.8"}, "class index has no unit"),
        (plain, {"outputs": "u32:0..4294967295=0..1e-9"}, "more than 62 bits"),
        (plain, {"outputs": "q8.8,q8.8"}, "2 output formats for 3 outputs"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            with_formats(program, **formats)


def test_a_conversion_must_fit():
    program = with_formats(physical_program(0), inputs="q8.8")
    with pytest.raises(InputError, match="one for every feature, not 2"):
        InputConversion(program.grid, [1, 2], [0, 0])
    with pytest.raises(InputError, match="cannot be given 4"):
        replace(program, input=InputEncoder(CodeFormat(8, True), 4))
    with pytest.raises(InputError, match="has no ranges of its own"):
        replace(program, input=replace(program.input, lo=np.zeros(5, int)))
