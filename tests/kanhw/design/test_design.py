"""Design folders: what the manifest says and what is checked when one is read."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sealed import seal_again

from kanhw.design.derivation import checked_program
from kanhw.design.design import Port, load_design
from kanhw.design.manifest import MANIFEST
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


@pytest.fixture(scope="module")
def made(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "design"
    generate(program, folder, schedule=Schedule(adder_levels=2))
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of its own for every test."""
    return Path(shutil.copytree(made, tmp_path / "design"))


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
        (lambda data: data.pop("format"), r"manifest\.json lacks 'format'"),
        (lambda data: data.pop("top"), r"manifest\.json lacks 'top'"),
        (lambda data: data["schedule"].update(kind="systolic"), r"Unknown schedule 'systolic'"),
        (lambda data: data["schedule"].update(lanes=3), r"the schedule has no 'lanes'"),
        (lambda data: data["schedule"].update(handshake=1), r"handshake must be True or False, "),
        (lambda data: data["input"].update(width="4"), r"input\.width must be an integer, not '4'"),
        (lambda data: data["output"].update(signed="false"), r"signed must be true or false, not"),
        (lambda data: data.update(latency_cycles=2.0), r"latency_cycles must be an integer, not"),
        (lambda data: data.update(surprise=1), r"manifest\.json has no 'surprise': is the name"),
    ],
)
def test_manifests_that_are_refused(change, message, folder):
    seal_again(folder, change)
    with pytest.raises(InputError, match=message) as caught:
        load_design(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(latency_cycles=3), r"json was changed after it was generated"),
        (lambda data: data.update(format=9, kanhw="7.8.9"), r"by kanhw 7\.8\.9 \(design format 9"),
        (lambda data: data.update(sha256=7), r"sha256 must be a string, not 7"),
        (lambda data: data.pop("sha256"), r"has no digest of itself"),
        (lambda data: data.update(files=3), r"was changed after it was generated"),
    ],
)
def test_a_changed_manifest_is_refused(change, message, folder):
    data = json.loads((folder / MANIFEST).read_text())
    change(data)
    (folder / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        load_design(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("kan.v"), r"has no hash of kan\.v: generate the design"),
        (lambda data: data.update({"../x": ""}), r"names '\.\./x', which is not a file"),
        (lambda data: data.update({"kan.v": 3}), r"files\.kan\.v must be a string, not 3"),
    ],
)
def test_files_that_a_manifest_must_not_name(change, message, folder, monkeypatch):
    monkeypatch.setattr("kanhw.design.manifest.check_seal", lambda *_: None)
    test_a_changed_manifest_is_refused(lambda data: change(data["files"]), message, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["input"].update(count=4), r"says input \{.*'count': 4"),
        (lambda data: data["input"].update(heads=2), r"says input .* generate the design again"),
        (lambda data: data["output"].update(signed=False), r"says output "),
        (lambda data: data["output"].update(beats=2), r"says output "),
        (lambda data: data.update(interface="axi4-stream"), r"says input "),
        (lambda data: data.update(interface="wires"), r"says interface wires, but .* stream or"),
        (lambda data: data.update(control_bits=4), r"says control_bits 4, but .* make 0"),
        (lambda data: data.update(initiation_interval=0), r"says initiation_interval 0"),
        (lambda data: data.update(latency_cycles=-1), r"says latency_cycles -1"),
        (lambda data: data.update(top="fan"), r"says verilog kan\.v, but .* make fan\.v"),
    ],
)
def test_a_manifest_that_its_program_contradicts(change, message, folder, program):
    """Sealed by whoever changed it: what it says is derived again."""
    assert checked_program(load_design(folder)).source == program.source
    seal_again(folder, change)
    with pytest.raises(InputError, match=message):
        checked_program(load_design(folder))


@pytest.mark.some(2)
@pytest.mark.parametrize("schedule", ["folded", "bare", "axi4-stream"])
def test_what_is_derived_is_what_was_made(schedule, program, tmp_path):
    """Also of images, heads and argmax, in the tests of these."""
    kinds = {"folded": Schedule(kind="folded"), "bare": Schedule(handshake=False)}
    design = generate(
        program,
        tmp_path / "design",
        schedule=kinds.get(schedule, Schedule()),
        argmax=schedule == "folded",
        interface="axi4-stream" if schedule == "axi4-stream" else None,
    )
    assert checked_program(design).argmax is (schedule == "folded")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "\x00"])
def test_text_that_is_no_manifest(text, folder):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=r"is not readable JSON|must hold a JSON object"):
        load_design(folder)
