"""What formats leave out of the range that a network reads."""

from dataclasses import replace

import pytest
from physical_programs import physical_program

from kanhw.errors import InputError
from kanhw.program import fit_warnings, with_formats


def test_a_constant_input_is_held_or_not():
    program = physical_program(3)
    code = program.input.lo.copy()
    constant = replace(program, input=replace(program.input, hi=code))
    values = program.input.decode(code[None])[0]
    low, high = values.min() - 1, values.max() + 1
    held = with_formats(constant, inputs=f"u12:0..4095={low}..{high}")
    assert fit_warnings(constant, held) == ()
    with pytest.raises(InputError, match=r"^The format of input 0 holds .* calibrated for "):
        fit_warnings(constant, with_formats(constant, inputs=f"u8:0..255={high}..{high + 9}"))


def test_what_is_left_out_is_told():
    program = physical_program(1)
    (line,) = fit_warnings(program, with_formats(program, inputs="u8:0..255=-10..50"))
    assert " holds -10 to 50, which is " in line
    assert line.endswith("that the network was calibrated for: the rest saturates")
