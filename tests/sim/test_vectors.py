"""Packing codes, and reading vector files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanhw.design.design import Port
from kanhw.errors import InputError
from kanhw.formats import CodeFormat, IntArray
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.sim import (
    checked_vectors,
    pack_codes,
    payload_ints,
    read_vectors,
    stimulus,
    unpack_codes,
)


@st.composite
def ports_and_codes(draw: st.DrawFn) -> tuple[Port, IntArray]:
    port = Port(draw(st.integers(1, 40)), CodeFormat(draw(st.integers(1, 63)), draw(st.booleans())))
    code = st.integers(port.format.lo, port.format.hi)
    row = st.lists(code, min_size=port.count, max_size=port.count)
    rows = draw(st.lists(row, min_size=0, max_size=4))
    return port, np.array(rows, np.int64).reshape(-1, port.count)


@given(ports_and_codes())
def test_packing_round_trip(case: tuple[Port, IntArray]) -> None:
    port, codes = case
    words = pack_codes(codes, port)
    assert words.shape == (len(codes), (port.width + 7) // 8)
    np.testing.assert_array_equal(unpack_codes(words, port), codes)


@given(ports_and_codes())
def test_code_zero_is_least_significant(case: tuple[Port, IntArray]) -> None:
    port, codes = case
    mask = (1 << port.format.width) - 1
    expected = [
        sum((int(code) & mask) << (k * port.format.width) for k, code in enumerate(row))
        for row in codes
    ]
    assert payload_ints(pack_codes(codes, port)) == expected


def test_many_rows_are_packed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanhw.design.packing._BITS_AT_ONCE", 64 * 5 * 3)
    port = Port(5, CodeFormat(7, True))
    codes = np.random.default_rng(1).integers(-64, 64, (20, 5))
    np.testing.assert_array_equal(unpack_codes(pack_codes(codes, port), port), codes)


def test_words_of_another_size() -> None:
    with pytest.raises(InputError, match=r"^Payload words must be uint8 \[N, 2\], not uint8 "):
        unpack_codes(np.zeros((1, 3), np.uint8), Port(2, CodeFormat(5, False)))


def _program(scale: float | None = None, output_scale: float | None = None) -> Program:
    """Three inputs of 4 bits and two outputs."""
    join = Requantizer(
        np.ones((1, 2), np.int64),
        np.zeros(2, np.int64),
        format=CodeFormat(6, True),
        scale=None if output_scale is None else np.full(2, output_scale),
    )
    tables = np.random.default_rng(0).integers(-7, 8, (2, 3, 16))
    encoder = InputEncoder(CodeFormat(4, True), 3, None if scale is None else np.array(scale))
    return Program((EdgeTableLayer(tables, (join,)),), encoder)


def test_vector_file(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    x, y = np.arange(6).reshape(2, 3), np.array([[1, 2], [3, 4]], np.int16)
    np.savez(path, x=x, y=y, labels=np.array([0, 1], np.uint8), other=np.zeros(3))
    vectors = read_vectors(path, _program())
    assert len(vectors) == 2
    np.testing.assert_array_equal(vectors.x, x)
    assert vectors.expected is not None and vectors.expected.dtype == np.int64
    np.testing.assert_array_equal(vectors.expected, y)
    assert vectors.labels is not None and vectors.labels.tolist() == [0, 1]


def test_real_outputs_are_not_expected_codes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), y=np.zeros((2, 2)))
    vectors = read_vectors(tmp_path / "a.npz", _program())
    assert vectors.y is not None and vectors.expected is None and vectors.labels is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": np.zeros((2, 3))}, r"has no array 'x' \(it has z\): write it with"),
        ({}, r"has no array 'x' \(it has none\): write it with"),
        ({"x": np.zeros((0, 3))}, r"holds no vectors: 'x' has no rows"),
        ({"x": np.zeros((2, 4))}, r"'x' must have shape \[N, 3\], not \(2, 4\)$"),
        ({"x": np.zeros(3)}, r"'x' must have shape \[N, 3\], not \(3,\)$"),
        ({"x": np.diag([0, np.nan, 0])}, r"'x' holds NaN \(first at row 1, column 1\)"),
        ({"x": np.array([["a", "b", "c"]])}, r"'x' must hold numbers, not <U1$"),
        ({"x": np.zeros((2, 3)), "y": np.zeros((2, 3))}, r"'y' must have shape \[N, 2\]"),
        ({"x": np.zeros((2, 3)), "y": np.zeros((1, 2))}, r"'y' has 1 rows but 'x' has 2$"),
        ({"x": np.zeros((2, 3)), "labels": np.zeros(2)}, r"'labels' must be integers"),
        ({"x": np.zeros((2, 3)), "labels": np.zeros(3, int)}, r"'labels' has 3 rows but"),
        ({"x": np.array([[None, 1, 2]], object)}, r"cannot be read as an npz file"),
        ({"x": np.zeros((2, 3)), "y": np.array([None])}, r"cannot be read as an npz file"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message):
        read_vectors(path, _program())


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with pytest.raises(InputError, match=r"is not a file"):
        read_vectors(path, _program())
    for content in (b"", b"x,y\n1,2\n", b"PK\x03\x04 but then nothing"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"cannot be read as an npz file"):
            read_vectors(path, _program())
    np.save(tmp_path / "data.npy", np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"is not an npz file|cannot be read as an npz file"):
        read_vectors(tmp_path / "data.npy", _program())


def test_stimulus_encodes_features_where_there_is_a_scale() -> None:
    codes = stimulus(_program(scale=0.5), [[0.0, 1.0, 100.0], [-0.5, -100.0, 0.2]])
    assert codes.tolist() == [[0, 2, 7], [-1, -8, 0]] and codes.dtype == np.int64
    assert stimulus(_program(scale=0.5), [[0, 1, 2]], integers="reals").tolist() == [[0, 2, 4]]
    assert stimulus(_program(scale=0.5), [[0, 1, 2]], integers="codes").tolist() == [[0, 1, 2]]


X, Y = np.arange(6).reshape(2, 3), np.array([[1, 2], [3, 4]], np.int16)


@pytest.mark.parametrize(
    ("arrays", "name"),
    [({"x": X}, "x"), ({"x": X / 2, "y": Y}, "y"), ({"x": X > 2}, "x")],
    ids=["x", "y", "bools"],
)
def test_integers_may_be_codes_or_values(arrays: dict[str, Any], name: str) -> None:
    """A network of real values asks, and both answers are understood."""
    program = _program(scale=0.5, output_scale=0.25)
    message = (
        rf"^The array: '{name}' holds integers \(\w+\), but this network has .*: say --codes "
        r"\(integers='codes'\) if they are its codes, --reals \(integers='reals'\) if they are "
        r"values$"
    )
    with pytest.raises(InputError, match=message):
        checked_vectors(program, **arrays)
    codes = checked_vectors(program, **arrays, integers="codes")
    reals = checked_vectors(program, **arrays, integers="reals")
    if name == "x":
        assert stimulus(program, codes.x, integers="codes").tolist() == codes.x.tolist()
        np.testing.assert_array_equal(stimulus(program, reals.x), program.input.encode(reals.x))
    else:
        assert codes.expected is not None and codes.expected.tolist() == Y.tolist()
        assert reals.expected is None and reals.y is not None and reals.y.dtype == np.float64
    with pytest.raises(InputError, match=r"^integers must be 'codes' or 'reals', not 'x'$"):
        checked_vectors(program, **arrays, integers="x")  # type: ignore[arg-type]


def test_class_indices_are_asked_about_by_nobody() -> None:
    program = _program(scale=0.5, output_scale=0.25).with_argmax()
    assert checked_vectors(program, X / 2, [1, 0]).expected is not None
    with pytest.raises(InputError, match=r"^The array: 'y' holds integers"):
        checked_vectors(program, X / 2, Y)
    found = checked_vectors(program, X / 2, Y, integers="codes").expected
    assert found is not None and found.tolist() == [[1], [1]]


def test_a_network_of_codes_has_no_values() -> None:
    assert checked_vectors(_program(), X, Y).expected is not None
    with pytest.raises(InputError, match=r"^This network takes integer codes and knows no real"):
        checked_vectors(_program(), X, integers="reals")


def test_stimulus_of_a_network_of_codes() -> None:
    assert stimulus(_program(), np.array([[-8, 0, 7]], np.int8)).tolist() == [[-8, 0, 7]]
    with pytest.raises(InputError, match=r"^x must be codes -8 to 7 \(signed 4 bit\), not 0 to 8$"):
        stimulus(_program(), [[0, 8, 0]])
    with pytest.raises(InputError, match=r"^x holds real features, but this network takes integer"):
        stimulus(_program(), [[0.0, 1.0, 2.0]])


def test_stimulus_of_bad_features() -> None:
    program = _program(scale=1.0)
    with pytest.raises(InputError, match=r"^x must have shape \[N, 3\], not \(1, 2\)$"):
        stimulus(program, [[0.0, 1.0]])
    with pytest.raises(InputError, match=r"^x holds NaN"):
        stimulus(program, [[0.0, np.nan, 1.0]])
    with pytest.raises(InputError, match=r"^x must be numbers, not <U1$"):
        stimulus(program, [["a", "b", "c"]])
