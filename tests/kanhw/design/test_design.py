"""Design folders: what the manifest says and what is checked when one is read."""

import json

import numpy as np
import pytest

from kanhw.design.design import MANIFEST, Port, load_design
from kanhw.errors import InputError
from kanhw.flow.generation import generate
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer
from kanhw.schedule.schedule import Schedule


@pytest.fixture(scope="module")
def program():
    tables = np.random.default_rng(0).integers(-5, 6, (3, 2, 4))
    requantizer = Requantizer(np.ones((1, 3), int), np.zeros(3, int), 1, CodeFormat(3, True))
    return Program((EdgeTableLayer(tables, (requantizer,)),), InputEncoder(CodeFormat(2, False), 2))


@pytest.fixture
def folder(program, tmp_path):
    generate(program, tmp_path / "design", schedule=Schedule(adder_levels=2))
    return tmp_path / "design"


def _change(folder, change):
    path = folder / MANIFEST
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_manifest(folder, program):
    design = load_design(folder)
    assert (design.path, design.top, design.initiation_interval) == (folder, "kan", 1)
    assert design.schedule == Schedule(adder_levels=2)
    assert design.input == Port(2, CodeFormat(2, False))
    assert (design.input.width, design.output.width) == (4, 9)
    assert design.latency_cycles == 2
    codes = np.array([[0, 3], [2, 1]])
    np.testing.assert_array_equal(design.load_program()(codes), program(codes))
    assert design.verilog_path.read_text().count("module kan(") == 1
    data = json.loads((folder / MANIFEST).read_text())
    assert data["format"] == 1
    assert data["output"] == {"count": 3, "width": 3, "signed": True}
    assert set(data["files"]) == {"kan.core", "kan.v", "program.safetensors"}


def test_no_design(tmp_path):
    with pytest.raises(InputError, match=r"holds no design \(no manifest\.json\): make one with"):
        load_design(tmp_path)


@pytest.mark.parametrize("name", ["kan.v", "program.safetensors"])
def test_changed_and_missing_files(name, folder):
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(InputError, match=rf"{name} was changed after it was generated: generate"):
        load_design(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name} is missing: generate the design again\Z"):
        load_design(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data.update(format=9, kanhw="7.8.9"),
            r"by kanhw 7\.8\.9 \(design format 9\)",
        ),
        (lambda data: data.pop("format"), r"is not a kanhw manifest \(KeyError\('format'\)\)"),
        (lambda data: data.pop("top"), r"is not a kanhw manifest \(KeyError\('top'\)\)"),
        (lambda data: data.update(files=[]), r"has no hash of kan\.v"),
        (lambda data: data.update(files=3), r"is not a kanhw manifest \(TypeError"),
        (lambda data: data["files"].pop("kan.v"), r"has no hash of kan\.v: generate the design"),
        (lambda data: data["files"].update({"../x": ""}), r"names '\.\./x', which is not a file"),
        (lambda data: data["schedule"].update(kind="systolic"), r"Unknown schedule 'systolic'"),
        (lambda data: data["schedule"].update(lanes=3), r"is not a kanhw manifest \(TypeError"),
        (lambda data: data["input"].update(width="4"), r"is not a kanhw manifest \(TypeError"),
    ],
)
def test_manifests_that_are_refused(change, message, folder):
    _change(folder, change)
    with pytest.raises(InputError, match=message) as caught:
        load_design(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\x00"])
def test_text_that_is_no_manifest(text, folder):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=r"is not a kanhw manifest"):
        load_design(folder)
