"""Formats of codes as they are written."""

import pytest

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program.conversion.quantity_format import (
    QuantityFormat,
    common_format,
    formats_by_name,
)


@pytest.mark.parametrize(
    ("text", "code", "lowest", "highest"),
    [
        ("q8.8", CodeFormat(16, True), -128.0, 128 - 1 / 256),
        ("uq8.8", CodeFormat(16, False), 0.0, 256 - 1 / 256),
        ("q1.15", CodeFormat(16, True), -1.0, 1 - 2**-15),
        ("q8.0", CodeFormat(8, True), -128.0, 127.0),
        ("uq0.4", CodeFormat(4, False), 0.0, 15 / 16),
        ("u12:0..4095=-10..50", CodeFormat(12, False), -10.0, 50.0),
        ("u8:55..255=0..20", CodeFormat(8, False), -5.5, 20.0),
        ("s16:-32768..32767=-3.3..+3.3e0", CodeFormat(16, True), -3.3, 3.3),
        ("s4:-8..7=.5..2.", CodeFormat(4, True), 0.5, 2.0),
    ],
)
def test_what_codes_stand_for(text, code, lowest, highest):
    made = QuantityFormat.from_text(text)
    assert made.code == code
    ends = [made.scale * (c - made.zero_point) + made.offset for c in (code.lo, code.hi)]
    assert ends == pytest.approx([lowest, highest], rel=1e-15)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no format of codes: write qM.N"),
        ("q8", "no format"),
        ("q0.0", "1 to 32 bits, not 0"),
        ("q20.13", "1 to 32 bits, not 33"),
        ("u12", "no format"),
        ("u12:0..4095", "no format"),
        ("u12:0..4096=0..1", "0 <= C < D <= 4095, not 0 and 4096"),
        ("s8:0..128=0..1", "-128 <= C < D <= 127"),
        ("u8:9..9=0..1", "not 9 and 9"),
        ("u8:0..9=1..0", "must rise with the codes, and 1 to 0 do not"),
        ("u8:0..9=0..1e999", "must rise"),
        ("u8:0..9=nan..1", "no format"),
    ],
)
def test_what_is_no_format(text, said):
    with pytest.raises(InputError) as raised:
        QuantityFormat.from_text(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_port_holds_all_codes():
    formats = formats_by_name("u12:0..4095=0..1,q4.4", 2, None, "input")
    assert common_format(formats) == CodeFormat(13, True)
    assert common_format(formats[:1]) == CodeFormat(12, False)


def test_by_name():
    names = ["temperature", "pressure"]
    text = "pressure=u12:0..4095=300..1100, temperature=q8.8"
    first, second = formats_by_name(text, 2, names, "input")
    assert first == QuantityFormat.from_text("q8.8")
    assert second.offset == 300.0
    assert formats_by_name("1=q4.4,0=q8.8", 2, None, "input")[1].code.width == 8
    assert formats_by_name("q4.4", 2, names, "input") == (QuantityFormat.from_text("q4.4"),) * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q4.4,q4.4", "2 input formats for 3 inputs"),
        ("a=q4.4,b=q4.4", "no input format for 'c'"),
        ("a=q4.4,a=q4.4,b=q4.4", "(a, b, c), not 'a'"),
        ("a=q4.4,x=q4.4", "not 'x'"),
        ("a=q4.4,q4.4", "not None"),
    ],
)
def test_formats_that_do_not_fit(text, said):
    with pytest.raises(InputError) as raised:
        formats_by_name(text, 3, ["a", "b", "c"], "input")
    assert said in str(raised.value)
