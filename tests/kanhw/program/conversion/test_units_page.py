"""The numbers of docs/units.md are those that kanhw computes."""

import re
from pathlib import Path

import numpy as np
import pytest

from kanhw.formats import CodeFormat
from kanhw.program import InputEncoder, Requantizer
from kanhw.program.conversion.input_conversion import conversion_between
from kanhw.program.conversion.output_conversion import in_formats
from kanhw.program.conversion.quantity_format import QuantityFormat

PAGE = (Path(__file__).parents[4] / "docs" / "units.md").read_text(encoding="utf-8")
GRID = InputEncoder(CodeFormat(8, True), 1, 0.25, np.array([-80]))


def _table(heading):
    """The rows under a table's first cell."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    assert len(rows) >= 4
    return rows


def _input(text):
    own = QuantityFormat.from_text(text)
    return InputEncoder(own.code, 1, own.scale, np.array([own.zero_point]), offset=own.offset)


def test_formats():
    for written, codes, stands in _table("written"):
        own = QuantityFormat.from_text(written.strip("`"))
        sign, width = re.fullmatch(r"(un)?signed, (\d+) bits", codes).groups()
        assert (own.code.signed, own.code.width) == (sign is None, int(width))
        ends = [own.scale * (c - own.zero_point) + own.offset for c in (own.code.lo, own.code.hi)]
        said = re.search(r"from (\S+) to (\S+)|at (\S+) and .* at (\S+)", stands).groups()
        assert [float(end) for end in said if end] == pytest.approx(ends, rel=1e-15)


def test_readings():
    input = _input("u12:0..4095=-10..50")
    made = conversion_between(input, GRID, ["t"])
    factor, bias, shift = int(made.multipliers[0]), int(made.bias[0]), made.shift
    assert f"clamp((c * {factor} - {-bias}) >> {shift}, -128, 127)" in PAGE
    for row in _table("reading c"):
        reading, degrees, total, code = (float(cell) for cell in row)
        value = input.decode([[int(reading)]])
        assert degrees == pytest.approx(value[0, 0], abs=5e-5)
        assert total == reading * factor + bias
        assert code == made(np.array([[int(reading)]]))[0, 0] == GRID.encode(value)[0, 0]
    assert GRID.encode([[20.01]])[0, 0] == 0
    slope = 60 / 4095 / 0.25 * 65536
    assert f"{slope:.2f}" == "3840.94"
    assert round(slope) == factor
    assert (-10 / 0.25 + 0.5 - 80) * 65536 == -7831552


def test_fixed_point():
    made = conversion_between(_input("q8.8"), GRID, ["t"])
    assert (made.multipliers[0], made.bias[0], made.shift) == (1, -5088, 6)
    assert "q = clamp((c - 5088) >> 6, -128, 127)" in PAGE
    assert made(np.array([[5120]]))[0, 0] == (5120 - 5088) >> 6 == 0


def test_outputs():
    join = Requantizer([[1]], [0], scale=[0.003], sum_format=CodeFormat(12, True))
    made = in_formats(join, [QuantityFormat.from_text("q8.8")], "last")
    factor, shift = int(made.multipliers[0, 0]), made.shift
    half = (1 << shift >> 1) + int(made.bias[0])
    assert f"o = clamp((t * {factor} + {half}) >> {shift}, -32768, 32767)" in PAGE
    assert f"0.003 * 256 * 2^{shift} = {0.003 * 256 * 2**shift:.1f}" in PAGE
    for row in _table("sum t"):
        total, exactly, code, worth = (float(cell) for cell in row)
        found = made.codes(made.sums((np.array([[int(total)]]),)))
        assert exactly == pytest.approx(total * 0.003)
        assert (found[0, 0], made.decode(found)[0, 0]) == (code, worth)
