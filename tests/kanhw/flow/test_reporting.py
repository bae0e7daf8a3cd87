"""The verb ``report``: every way to hand it what is known."""

import json

import numpy as np
import pytest

import kanhw
from kanhw import InputError
from kanhw.estimation import ResourceEstimate
from kanhw.formats import CodeFormat
from kanhw.program import EdgeTableLayer, InputEncoder, Program, Requantizer

CHECK = {
    "engine": "cocotb", "simulator": "icarus", "simulator_version": "11.0", "vectors": 20,
    "mismatches": 0, "first_mismatches": [], "expected_mismatches": None, "problems": [],
    "passed": True, "latency_cycles": 3, "declared_latency": 3, "cycles_per_inference": 1.0,
    "cycles": 40, "seconds": 0.1, "inferences_per_second": 200.0, "stalls": True, "seed": 1,
    "reset_midstream": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def program():
    tables = np.random.default_rng(0).integers(-7, 8, (3, 2, 16))
    join = Requantizer(np.ones((1, 3), int), np.zeros(3, int), format=CodeFormat(5, True))
    return Program((EdgeTableLayer(tables, (join,)),), InputEncoder(CodeFormat(4, False), 2))


@pytest.fixture(scope="module")
def design(program, tmp_path_factory):
    return kanhw.generate(program, tmp_path_factory.mktemp("designs") / "design")


@pytest.fixture(scope="module")
def estimate():
    return ResourceEstimate(
        target="ecp5", recipe="abc9", lut=11, lut_by_size={4: 11}, lut_memory=0, lut_carry=0,
        ff=7, carry=0, mux=0, inverters=0, dsp=0, bram=0, bram_unit="EBR18", other={},
        tool="a test: Yosys 0", script="", seconds=1.0,
    )  # fmt: skip


def test_objects_and_files_give_the_same_report(design, program, estimate, tmp_path):
    x = np.random.default_rng(1).integers(0, 16, (20, 2))
    y = program(x)
    labels = y.argmax(axis=1)
    np.savez(tmp_path / "data.npz", x=x, labels=labels)
    np.savez(tmp_path / "y.npz", y=y)
    (tmp_path / "check.json").write_text(json.dumps(CHECK))
    (tmp_path / "ecp5.json").write_text(json.dumps(estimate.to_json()))
    first = kanhw.report(
        design, tmp_path / "objects.html", data=(x, labels), outputs=y, simulations=[CHECK],
        estimates=[estimate], title="A title", date="today",
    )
    second = kanhw.report(
        str(design.path), str(tmp_path / "files.html"), data=tmp_path / "data.npz",
        outputs=str(tmp_path / "y.npz"), simulations=[tmp_path / "check.json"],
        estimates=[str(tmp_path / "ecp5.json")], title="A title", date="today",
    )
    text = first.read_text()
    assert text == second.read_text()
    for part in ("A title", "today", "100.00", "Icarus", "<svg"):
        assert part in text


def test_nothing_but_the_design(design, tmp_path):
    assert kanhw.report(design, tmp_path / "r.html") == tmp_path / "r.html"
    assert "<svg" in (tmp_path / "r.html").read_text()


def test_wrong_types(design, program, tmp_path):
    for options, message in (
        ({"model": program}, r"^model must be a KanModel or its file, not Program$"),
        ({"simulations": [3]}, r"^A simulation or estimate must be a result of kanhw"),
        ({"estimates": [3]}, r"^A simulation or estimate must be a result of kanhw"),
    ):
        with pytest.raises(TypeError, match=message):
            kanhw.report(design, tmp_path / "r.html", **options)
    assert not list(tmp_path.iterdir())


def test_wrong_files(design, tmp_path):
    kanhw.save_program(design.load_program(), tmp_path / "kan.safetensors")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    np.savez(tmp_path / "z.npz", z=np.zeros(3))
    for options, message in (
        ({"model": tmp_path / "kan.safetensors"}, r"is an integer network; a report compares"),
        ({"simulations": [tmp_path / "list.json"]}, r"must hold a JSON object, not "),
        ({"estimates": [tmp_path / "binary.json"]}, r"is not readable JSON"),
        ({"data": tmp_path / "z.npz"}, r"has no array 'x' \(it has z\): write it with"),
        ({"outputs": tmp_path / "z.npz"}, r"has no array 'y' \(it has z\)$"),
        ({"outputs": np.zeros((3, 3), int)}, r"can only be scored with the data"),
    ):
        with pytest.raises(InputError, match=message):
            kanhw.report(design, tmp_path / "r.html", **options)
    with pytest.raises(InputError, match=r"cannot be written"):
        kanhw.report(design, tmp_path / "missing" / "r.html")
    assert not (tmp_path / "r.html").exists()
