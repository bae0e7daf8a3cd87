"""Names and units: checked, kept in the file, and of use in formats."""

from dataclasses import replace

import numpy as np
import pytest
from physical_programs import physical_program

from kanhw.errors import InputError
from kanhw.program import Labels, load_program, program_bytes, save_program, with_formats

LABELS = Labels(
    inputs=("temperature", "pressure", "humidity", "age of oil", "µ"),
    outputs=("density", "dew point", "z"),
    input_units=("°C", "hPa", "%", "", "1"),
    output_units=("kg/m³",),
)


def test_they_are_kept_in_the_file(tmp_path):
    program = replace(physical_program(0), labels=LABELS)
    assert program.labels.output_units == ("kg/m³",) * 3
    back = load_program(save_program(program, tmp_path / "p.safetensors"))
    assert back.labels == program.labels
    assert back.head(0).labels == program.labels


def test_a_file_without_stays_as_it_was():
    plain = physical_program(0)
    assert b"labels" not in program_bytes(plain)
    assert plain.labels == Labels()


def test_formats_go_by_name():
    program = replace(physical_program(0), labels=LABELS)
    text = "µ=q4.4,temperature=q8.4,age of oil=q4.4,pressure=q4.4,humidity=q4.4"
    made = with_formats(program, inputs=text, outputs="z=q4.4,density=q8.8,dew point=q4.4")
    np.testing.assert_array_equal(made.input.scale, np.full(5, 1 / 16))
    np.testing.assert_array_equal(made.layers[-1].requantizers[0].scale, [2**-8, 2**-4, 2**-4])
    with pytest.raises(InputError, match=r"\(temperature, pressure, .*\), not 'heat'"):
        with_formats(program, inputs="heat=q4.4")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"inputs": ("a", "b")}, "Names of inputs must be 5, not 2: a, b"),
        ({"outputs": ("a",)}, "Names of outputs must be 3, not 1"),
        ({"input_units": ("K", "Pa")}, "Units of inputs must be 5 or one for all, not 2"),
        ({"inputs": ("a", "a", "b", "c", "d")}, "each another, not 'a'"),
        ({"inputs": ("a=b", "b", "c", "d", "e")}, "not 'a=b'"),
        ({"outputs": ("", "b", "c")}, "not ''"),
        ({"outputs": ("a\nendmodule", "b", "c")}, r"printable text .* not 'a\\nendmodule'"),
        ({"output_units": ("x" * 65,)}, "at most 64 letters"),
    ],
)
def test_what_cannot_be(fields, said):
    with pytest.raises(InputError, match=said) as raised:
        replace(physical_program(0), labels=Labels(**fields))
    assert "\n" not in str(raised.value)


def test_only_text():
    with pytest.raises(TypeError, match="Names of inputs must be text, not 3"):
        Labels(inputs=(3,))
