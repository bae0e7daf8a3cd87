"""The testbench of a design: its words are the Program's, and simulators pass and fail it."""

import shutil
import subprocess

import numpy as np
import pytest
from physical_programs import physical_image, physical_program
from testbenches import run_in_icarus, run_testbench

import kanhw
from kanhw.design.packing import ints_to_words, unpack_codes
from kanhw.errors import InputError, ToolNotFound
from kanhw.schedule.schedule import Schedule
from kanhw.tools.simulators import find_verilator

FOLDED = Schedule(kind="folded", parallel_inputs=2, parallel_outputs=2)
FORMATS = {"input_format": "u12:0..4095=-10..50", "output_format": "q8.8"}


def _words(path, port):
    values = [int(line, 16) for line in path.read_text().split()]
    return unpack_codes(ints_to_words(values, port), port)


@pytest.mark.parametrize("interface", ["stream", "axi4-stream"])
def test_words_are_the_programs(interface, tmp_path):
    design = kanhw.generate(
        physical_program(), tmp_path / "d", schedule=FOLDED, interface=interface, testbench=True,
        **FORMATS,
    )  # fmt: skip
    codes = _words(design.path / "in.hex", design.input)
    program = design.load_program()
    assert codes.shape == (100, 5)
    assert (codes.min(), codes.max()) == (0, 4095)
    expected = _words(design.path / "expected.hex", design.output)
    np.testing.assert_array_equal(expected, program(codes))
    assert kanhw.load_design(design.path) == design


def test_given_vectors(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-10, 50, (7, 5))
    np.savez(tmp_path / "data.npz", x=x)
    for number, given in enumerate((x, tmp_path / "data.npz")):
        folder = tmp_path / str(number)
        design = kanhw.generate(physical_program(), folder, testbench=given, **FORMATS)
        codes = _words(folder / "in.hex", design.input)
        np.testing.assert_array_equal(codes, design.load_program().input.encode(x))
    with pytest.raises(InputError, match="'x' must have shape"):
        kanhw.generate(physical_program(), tmp_path / "no", testbench=x[:, :2])


def test_none_by_default(tmp_path):
    design = kanhw.generate(physical_program(), tmp_path / "d")
    assert sorted(path.suffix for path in design.path.iterdir()) == [
        ".core", ".json", ".safetensors", ".v",
    ]  # fmt: skip


def _verilator():
    try:
        find_verilator()
    except ToolNotFound as error:
        pytest.skip(str(error))


# Verilator compiles another runtime of its own for what has delays.
@pytest.fixture(params=[pytest.param("verilator", marks=pytest.mark.slow), "icarus"])
def testbench(request):
    """What runs a testbench, in a simulator that is there."""
    if request.param == "verilator":
        _verilator()
        return run_testbench
    if shutil.which("iverilog") is None:
        pytest.skip("no iverilog on PATH: install Icarus Verilog")
    return run_in_icarus


KINDS = [
    (physical_program, {"schedule": FOLDED, "interface": "axi4-stream", **FORMATS}),
    (physical_program, {"schedule": FOLDED, **FORMATS}),
    (physical_program, {"schedule": Schedule(handshake=False), "input_format": "q8.8"}),
    (physical_image, {"schedule": FOLDED, "output_format": "q8.8"}),
    (physical_image, {}),
]


def test_it_passes_and_fails_in_a_simulator(testbench, tmp_path):
    program = physical_program(0, (2, 1))
    design = kanhw.generate(
        program, tmp_path / "d", schedule=Schedule(kind="folded"), name="own", testbench=True,
        input_format="q4.4", output_format="q8.8",
    )  # fmt: skip
    build = tmp_path / "build"
    said = testbench(design.path, "own", build)
    assert said == ("PASS: own, 100 vectors, 100 words as expected\n", 0)
    # Words are read when it runs: one bit more is one word less.
    lines = (build / "expected.hex").read_text().split()
    lines[7] = f"{int(lines[7], 16) ^ 1:0{len(lines[7])}x}"
    (build / "expected.hex").write_text("\n".join(lines))
    said, status = testbench(design.path, "own", build)
    assert said == "FAIL: own, 100 of 100 words came, 1 differ\n" and status


@pytest.mark.slow
@pytest.mark.parametrize(("make", "fields"), KINDS)
def test_every_kind_of_design_passes(make, fields, testbench, tmp_path):
    design = kanhw.generate(make(), tmp_path / "d", testbench=True, **fields)
    said, status = testbench(design.path, design.top, tmp_path / "build")
    assert said.startswith("PASS: kan, ") and not status
    assert said.count("\n") == 1


def test_two_networks_live_in_one_project(tmp_path):
    _verilator()
    simulator, files = find_verilator(), []
    for seed, name in enumerate(("density", "dew_point")):
        schedule = Schedule(fabric="ultrascale+")
        program = physical_program(seed, (3, 2))
        design = kanhw.generate(program, tmp_path / name, name=name, schedule=schedule)
        assert "module LUT6_2" in design.verilog_path.read_text()
        files.append(design.verilog_path)
    done = subprocess.run(
        [simulator.executable, "--lint-only", "-Wno-fatal", "--top-module", "density", *files],
        cwd=tmp_path, env=simulator.process_environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "MODDUP" not in done.stderr


@pytest.mark.slow
def test_simulation_takes_real_features(tmp_path):
    _verilator()
    design = kanhw.generate(physical_program(), tmp_path / "d", schedule=FOLDED, **FORMATS)
    x = np.random.default_rng(0).uniform(-15, 55, (200, 5))
    found = kanhw.simulate(design, x, engine="fast")
    assert found.passed
    program = design.load_program()
    np.testing.assert_array_equal(found.outputs, program(program.input.encode(x)))
