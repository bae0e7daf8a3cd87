"""The widest sums and codes: refused when a Program is made, or built by every schedule."""

import numpy as np
import pytest
from amaranth.back import rtlil

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.gateware.fabric.primitives import CellPlatform
from kanhw.gateware.fabric.resetting_saturator import _tells
from kanhw.gateware.top.stream_top import StreamTop
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule

SCHEDULES = [Schedule(), Schedule(fabric="ultrascale+"), Schedule(kind="folded")]


def program(width, signed, shift, table):
    join = Requantizer(np.ones((1, 1), int), np.zeros(1, int), shift, CodeFormat(width, signed))
    layer = EdgeTableLayer(np.array([[[-table, table]]]), (join,), name="wide")
    return Program((layer,), InputEncoder(CodeFormat(1, True), 1))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("width", "shift", "table"),
    [(31, 33, 2**39), (16, 48, 2**39), (31, 48, 1), (63, 0, 1), (62, 15, 2**61 - 1)],
)
def test_what_is_refused_names_layer_and_cure(width, signed, shift, table):
    message = (
        rf"\ALayer 'wide': its codes of {width} bits stand for sums of {width + shift} bits "
        r".* beyond 62 bits: use fewer bits of code, or a smaller shift\Z"
    )
    with pytest.raises(InputError, match=message):
        program(width, signed, shift, table)


@pytest.mark.some(10)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: f"{s.kind}-{s.fabric}")
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("width", "shift", "table"),
    [(16, 0, 2**39), (31, 30, 2**39), (14, 48, 2**50), (61, 0, 2**59), (1, 48, 2**61 - 1)],
)
def test_what_is_not_refused_is_built(width, signed, shift, table, schedule):
    """Elaborated at least, which was a table of all sums before; simulated by the benchmark."""
    top = StreamTop(program(width, signed, shift, table), schedule)
    assert "attribute" in rtlil.convert(top, platform=CellPlatform())


def test_a_bit_that_tells_a_range():
    """As looking at every word of the reach finds."""
    ends = [(a, b) for a in range(9) for b in range(a + 1, 12)]
    for reach in (range(*end) for end in ends):
        for wanted in (range(*end) for end in ends if reach.start <= end[0] < end[1] <= reach.stop):
            for place in range(5):
                same = {bool(k >> place & 1) == (k in wanted) for k in reach}
                assert _tells(place, reach, wanted) == (same.pop() if len(same) == 1 else None)
