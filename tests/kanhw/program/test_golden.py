"""The golden model on torch int64 gives the integers of the numpy Program."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanhw.errors import InputError, ToolNotFound
from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    golden,
)

torch = pytest.importorskip("torch")


def _program(seed, *, argmax=False):
    rng = np.random.default_rng(seed)
    format = CodeFormat(4, bool(rng.integers(2)))
    return Program(
        (
            BasisTableLayer(
                basis=rng.integers(0, 16, (2, 16, 4)),
                basis_index=rng.integers(0, 2, 3),
                coefficients=rng.integers(-8, 8, (5, 3, 4)),
                base=rng.integers(-16, 16, (1, 16, 1)),
                base_index=np.zeros(3, int),
                base_weights=rng.integers(-8, 8, (5, 3, 1)),
                requantizers=tuple(
                    Requantizer(
                        rng.integers(-99, 99, (2, 5)), rng.integers(-999, 999, 5), 10 + k, format
                    )
                    for k in range(2)
                ),
            ),
            EdgeTableLayer(
                rng.integers(-2, 3, (4, 5, 16)),
                (Requantizer(rng.integers(-2, 3, (1, 4)), rng.integers(-9, 9, 4)),),
                stream=1,
            ),
        ),
        InputEncoder(format, 3),
        argmax,
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.booleans())
def test_torch_equals_numpy(seed, argmax):
    program = _program(seed, argmax=argmax)
    format = program.input.format
    codes = np.random.default_rng(seed).integers(format.lo, format.hi + 1, (200, 3))
    expected = program(codes)
    result = golden.run(program, codes)
    assert result.dtype == np.int64
    np.testing.assert_array_equal(result, expected)
    streams = program.activations(torch.from_numpy(codes))
    for ours, theirs in zip(program.activations(codes), streams, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b.numpy())


def test_many_rows_go_in_chunks():
    program = _program(3, argmax=True)
    format = program.input.format
    codes = np.random.default_rng(0).integers(format.lo, format.hi + 1, (4100, 3))
    np.testing.assert_array_equal(golden.run(program, codes), program(codes))


@pytest.mark.parametrize("codes", [[[0.0, 0.0, 0.0]], [[0, 0]], [[0, 0, 99]]])
def test_codes_that_are_refused(codes):
    with pytest.raises(InputError, match=r"\ACodes must "):
        golden.run(_program(0), codes)


def test_a_planted_fault_is_seen():
    program = _program(0)
    format = program.input.format
    codes = np.random.default_rng(0).integers(format.lo, format.hi + 1, (200, 3))
    first, last = program.layers
    reached = program.activations(codes)[0][1][0, 0] - first.requantizers[1].format.lo
    output = int(np.argmax(last.requantizers[0].multipliers[0] != 0))
    tables = last.tables.copy()
    tables[output, 0, reached] ^= 1
    faulty = EdgeTableLayer(tables, last.requantizers, stream=1)
    result = golden.run(Program((first, faulty), program.input), codes)
    assert (result != program(codes))[0].any()


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolNotFound, match=r"pip install 'kanhw\[torch\]'"):
        golden.run(_program(0), [[0, 0, 0]])
