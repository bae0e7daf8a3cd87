"""Program files: the same integers back, the same bytes twice, and what is refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kanhw.errors import InputError
from kanhw.formats import CodeFormat
from kanhw.program import (
    BasisTableLayer,
    EdgeTableLayer,
    InputEncoder,
    Program,
    Requantizer,
    is_program_file,
    load_program,
    save_program,
)

_KEY = "kanhw_program"


@pytest.fixture(scope="module")
def program():
    rng = np.random.default_rng(0)
    narrow = CodeFormat(3, signed=True)
    first = BasisTableLayer(
        basis=rng.integers(0, 200, (2, 8, 3)),
        basis_index=np.array([1, 0]),
        coefficients=rng.integers(-9, 9, (3, 2, 3)),
        base=rng.integers(-300, 300, (1, 8, 1)),
        base_index=np.zeros(2, int),
        base_weights=rng.integers(-9, 9, (3, 2, 1)),
        requantizers=tuple(
            Requantizer(rng.integers(-9, 9, (2, 3)), rng.integers(-99, 99, 3), 9, narrow, 0.1 + k)
            for k in range(2)
        ),
        name="first",
    )
    last = EdgeTableLayer(
        rng.integers(-(2**40), 2**40, (2, 3, 8)),
        (Requantizer(np.ones((1, 2), int), np.zeros(2, int), scale=1 / 3),),
        name="last",
        stream=1,
    )
    encoder = InputEncoder(narrow, 2, np.array([0.1, 1 / 3]), np.array([-1, 3]))
    return Program((first, last), encoder, argmax=True, source="näme")


def _document(path):
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()[_KEY])


def _rewrite(path, change):
    """Change the JSON of a Program file and keep its tensors."""
    document = _document(path)
    change(document)
    save_file(load_file(path), path, metadata={_KEY: json.dumps(document)})


def test_round_trip(program, tmp_path):
    path = tmp_path / "program.safetensors"
    assert save_program(program, path) == path
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert is_program_file(path)
    back = load_program(path)
    assert (back.argmax, back.source, back.input.format) == (True, "näme", program.input.format)
    np.testing.assert_array_equal(back.input.scale, program.input.scale)
    np.testing.assert_array_equal(back.input.zero_point, program.input.zero_point)
    for ours, theirs in zip(program.layers, back.layers, strict=True):
        assert type(ours) is type(theirs)
        assert (ours.name, ours.streams) == (theirs.name, theirs.streams)
        assert ours.accumulator_formats == theirs.accumulator_formats
        tensors = theirs.tensors()
        for name, values in ours.tensors().items():
            np.testing.assert_array_equal(tensors[name], values)
            assert tensors[name].dtype == np.int64
        for a, b in zip(ours.requantizers, theirs.requantizers, strict=True):
            assert (a.shift, a.format, a.sum_format) == (b.shift, b.format, b.sum_format)
            for field in ("multipliers", "bias", "scale", "zero_point"):
                np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    codes = np.random.default_rng(0).integers(-4, 4, (50, 2))
    np.testing.assert_array_equal(back(codes), program(codes))


_SCRIPT = """
import sys
from kanhw.program import load_program, save_program
program = load_program(sys.argv[1])
program([[0] * program.n_in])
save_program(program, sys.argv[2])
sys.stdout.write(" ".join(m for m in ("torch", "amaranth", "matplotlib") if m in sys.modules))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_same_bytes_in_other_processes_and_no_torch(seed, program, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_program(program, first)
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, first, second],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
    assert first.read_bytes() == second.read_bytes()
    save_program(load_program(first), first)
    assert first.read_bytes() == second.read_bytes()


def test_newer_formats_are_refused_by_version(program, tmp_path):
    path = save_program(program, tmp_path / "program.safetensors")
    _rewrite(path, lambda document: document.update(format=99, kanhw="7.8.9"))
    assert is_program_file(path)
    with pytest.raises(
        InputError,
        match=r"was written by kanhw 7\.8\.9 \(Program format 99\); this is kanhw \d+\.\d+\.\d+, "
        r"which reads up to format 4: upgrade kanhw\Z",
    ):
        load_program(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("format"),
        lambda document: document.pop("layers"),
        lambda document: document.update(layers=3),
        lambda document: document["layers"][0].pop("kind"),
        lambda document: document["layers"][0].update(kind="unheard_of"),
        lambda document: document["layers"][0].pop("attributes"),
        lambda document: document["layers"][0]["requantizers"][0].update(code=4),
        lambda document: document["layers"][1]["requantizers"].append({"shift": 0}),
        lambda document: document["layers"][1].update(accumulators=[]),
        lambda document: document["input"].update(n_in=3),
        lambda document: document["input"].update(code={"width": "4", "signed": True}),
    ],
)
def test_damaged_documents_are_one_line(change, program, tmp_path):
    path = save_program(program, tmp_path / "program.safetensors")
    _rewrite(path, change)
    with pytest.raises(InputError) as caught:
        load_program(path)
    assert "\n" not in str(caught.value)


def test_damaged_and_foreign_files_are_one_line(program, tmp_path):
    path = save_program(program, tmp_path / "program.safetensors")
    whole = path.read_bytes()
    tensors = load_file(path)
    for content in (b"", b"hello", whole[:-1], whole[:50], b"\xff" * 100):
        path.write_bytes(content)
        assert not is_program_file(path)
        with pytest.raises(InputError, match=rf"\A{path} is not a Program file: .*\Z"):
            load_program(path)
    save_file(tensors, path)
    assert not is_program_file(path)
    with pytest.raises(InputError, match=r"is a safetensors file but not a Program of kanhw\Z"):
        load_program(path)
    save_file(tensors, path, metadata={_KEY: "{"})
    with pytest.raises(InputError, match=r"is not readable JSON: .*\Z"):
        load_program(path)
    with pytest.raises(InputError, match=r"absent does not exist"):
        load_program(tmp_path / "absent")


def test_lost_tensors_are_refused(program, tmp_path):
    path = save_program(program, tmp_path / "program.safetensors")
    document, tensors = _document(path), load_file(path)
    for name in ("layers.0.basis", "layers.1.tables", "layers.1.requantizers.0.bias"):
        fewer = {key: value for key, value in tensors.items() if key != name}
        save_file(fewer, path, metadata={_KEY: json.dumps(document)})
        with pytest.raises(InputError, match=r"is a damaged Program file"):
            load_program(path)


def test_a_folder_that_refuses_is_left_as_it_was(program, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    for path in ("absent/p.safetensors", "file/p.safetensors", "folder"):
        with pytest.raises(InputError, match=r"cannot be written|is a folder, not a file"):
            save_program(program, tmp_path / path)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "mine"


def test_tables_in_any_memory_order_come_back(tmp_path):
    # safetensors writes an array's memory as it lies, so a transposed table came back scrambled.
    tables = np.arange(24).reshape(4, 3, 2).T
    ones = np.ones((1, 2), np.int64)
    layer = EdgeTableLayer(tables, (Requantizer(ones, np.zeros(2, np.int64)),))
    program = Program((layer,), InputEncoder(CodeFormat(2, signed=False), 3))
    loaded = load_program(save_program(program, tmp_path / "p.safetensors"))
    np.testing.assert_array_equal(loaded.layers[0].tables, tables)
