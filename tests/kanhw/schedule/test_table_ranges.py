"""Code ranges in folded tables: the same function, with nothing left to clamp."""

from dataclasses import replace

import numpy as np
import pytest

from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    BranchEdgeTableLayer,
    ConvolutionLayer,
    EdgeTableLayer,
    InputEncoder,
    NormLayer,
    PoolingLayer,
    Program,
    Requantizer,
    with_code_ranges,
    with_formats,
)
from kanhw.schedule.layout import lay_out
from kanhw.schedule.schedule import Schedule
from kanhw.schedule.table_ranges import ranges_in_tables
from kanhw.windows import Window

CODE = CodeFormat(4, True)
FOLDED = Schedule(kind="folded")


def _join(branches, n_out, shift=4):
    factors = np.arange(1, 1 + branches * n_out).reshape(branches, n_out)
    return (Requantizer(factors, np.arange(n_out) - 2, shift, CODE),)


def _tables(*shape):
    return np.random.default_rng(shape).integers(-40, 40, (*shape, CODE.count))


def _edges(n_in, n_out):
    return EdgeTableLayer(_tables(n_out, n_in), _join(1, n_out))


def _branches(n_in, n_out, **streams):
    tables = _tables(n_out, n_in), _tables(n_out, n_in) + 1
    return BranchEdgeTableLayer(*tables, _join(2, n_out), **streams)


def _norm(count, **fields):
    join = Requantizer(np.full((1, count), 3), np.zeros(count, int), 12, CODE)
    return NormLayer(np.full(count, 40), 5, 9, CODE.width, (join,), **fields)


def _basis(n_in, n_out):
    index, weights = np.zeros(n_in, int), np.ones((n_out, n_in, 1), int)
    table = _tables(1)[:, :, None]
    return BasisTableLayer(table, index, weights, table, index, weights, _join(2, n_out))


def _images():
    first = ConvolutionLayer(_edges(8, 3), Window((2, 4, 4), (2, 2), padding=(1, 1)))
    pooled = Window((3, 5, 5), (2, 2), stride=(2, 2))
    joins = _join(1, 12)
    pooling = PoolingLayer(np.arange(16), "max", pooled, joins)
    return Program((first, pooling, _edges(12, 2)), InputEncoder(CODE, 32))


def _ranged(program, inputs, **layers):
    numbers = {int(name[1:]): ends for name, ends in layers.items()}
    return with_code_ranges(program, inputs=inputs, layers=numbers)


VECTOR = Program((_edges(4, 5), _branches(5, 3), _edges(3, 2)), InputEncoder(CODE, 4))
ENDS = ([-8, -2, 0, 1], [7, 3, 0, 5])
HIDDEN = ([-8, -3, 0, -8, 2], [7, 4, 0, -2, 7])
PASSING = Program(
    (_norm(4, passes=(0,)), _branches(4, 3, base_stream=1), _edges(3, 2)), InputEncoder(CODE, 4)
)
SHARED = Program((_edges(4, 5), _basis(5, 3)), InputEncoder(CODE, 4))
CHANNELS = (np.repeat([-3, 0], 16), np.repeat([4, 5], 16))
POOLED = (np.repeat([-4, 1, -8], 4), np.repeat([2, 1, 7], 4))
UNITS = replace(VECTOR, input=InputEncoder(CODE, 4, scale=np.full(4, 0.25), lo=-3, hi=[3, 2, 7, 0]))


@pytest.mark.parametrize(
    ("program", "input_left", "left"),
    [
        (_ranged(VECTOR, ENDS, n0=[HIDDEN], n1=[(-1, 2)]), False, [False, False, False]),
        # The norm reads what it passes on; its own codes go to tables alone.
        (_ranged(PASSING, ENDS, n0=[(-2, [3, 4, 1, 0])]), True, [False, False, False]),
        # A table that all inputs share cannot contain a range for each.
        (_ranged(SHARED, ENDS, n0=[HIDDEN]), False, [True, False]),
        (
            _ranged(_images(), CHANNELS, n0=[([-1, -8, 2], [3, 0, 7])], n1=[POOLED]),
            False,
            [True, False, False],
        ),
        (with_formats(UNITS, inputs="q4.4"), False, [False, False, False]),
    ],
)
def test_ranges_go_where_tables_can_contain_them(program, input_left, left):
    built = lay_out(program, FOLDED).program
    assert program.ranged
    assert built.grid.ranged == input_left
    assert [any(join.ranged for join in layer.requantizers) for layer in built.layers] == left
    form = program.input.format
    codes = np.random.default_rng(0).integers(form.lo, form.hi + 1, (300, program.n_in))
    np.testing.assert_array_equal(built(codes), program(codes))
    # Every width that was declared is still the same.
    for mine, other in zip(built.layers, program.layers, strict=True):
        assert mine.accumulator_formats == other.accumulator_formats
        assert [j.sum_format for j in mine.requantizers] == [
            j.sum_format for j in other.requantizers
        ]
    # Nothing is left to move.
    assert ranges_in_tables(built, FOLDED) is built


def test_unrolled_programs_stay_as_they_are():
    program = _ranged(VECTOR, ENDS, n0=[HIDDEN])
    assert lay_out(program, Schedule()).program is program
    assert lay_out(VECTOR, FOLDED).program is VECTOR
