"""Physical codes, names and testbenches from the command line."""

import json

import numpy as np
import pytest
from commands import run, run_json

from kanhw import load_design, load_program


@pytest.fixture(scope="module")
def named(shop, tmp_path_factory):
    """A quantized network whose inputs and outputs have names and units."""
    path = tmp_path_factory.mktemp("named") / "net.safetensors"
    names = ("--input-names", "heat,flow,level", "--input-units", "°C", "--output-names", "a,b")
    calibration = ("--calibration", shop / "train.npz")
    assert run("quantize", shop / "model.pt", *calibration, *names, "--out", path) == 0
    return path


def test_formats_by_name(named, here, capsys):
    formats = "flow=u12:0..4095=-1..1,heat=q4.8,level=uq2.8"
    shown = run_json(
        capsys, "generate", named, "--out", "design", "--input-format", formats,
        "--output-format", "q4.8", "--name", "tank", "--testbench",
    )  # fmt: skip
    assert (shown["top"], shown["verilog"]) == ("tank", "tank.v")
    assert shown["input"] == {"count": 3, "signed": True, "width": 13}
    assert shown["output"] == {"count": 2, "signed": True, "width": 12}
    quantities = json.loads((here / "design" / "manifest.json").read_text())["quantities"]
    assert [own["name"] for own in quantities["inputs"]] == ["heat", "flow", "level"]
    assert [own["unit"] for own in quantities["inputs"]] == ["°C"] * 3
    assert [own["name"] for own in quantities["outputs"]] == ["a", "b"]
    assert {path.name for path in (here / "design").iterdir()} >= {
        *("tank.v", "tank_tb.v", "in.hex", "expected.hex", "tank.core"),
    }
    plain, program = load_program(named), load_design("design").load_program()
    x = program.input.decode(np.random.default_rng(0).integers(-100, 100, (50, 3)))
    expected = plain.decode_output(plain(plain.input.encode(x)))
    found = program.decode_output(program(program.input.encode(x)))
    np.testing.assert_allclose(found, expected, atol=(1 / 2 + 1 / 256) / 256)


@pytest.mark.wide
def test_a_budget_counts_the_conversion(named, here, capsys):
    luts = {}
    for name, options in (("plain", ()), ("formats", ("--input-format", "q8.8"))):
        shown = run_json(
            capsys, "generate", named, "--out", name, "--schedule", "clocks=1", *options
        )
        luts[name] = shown["modelled"]["lut"]
    assert luts["formats"] > luts["plain"]


def test_names_from_the_calibration_file(shop, here):
    with np.load(shop / "train.npz") as file:
        x = file["x"]
    np.savez("train.npz", x=x, feature_names=["p", "q", "r"], output_units=["K"])
    quantize = ("quantize", shop / "model.pt", "--calibration", "train.npz", "--out", "net")
    assert run(*quantize) == 0
    labels = load_program("net").labels
    assert (labels.inputs, labels.outputs) == (("p", "q", "r"), None)
    assert labels.output_units == ("K", "K")
    assert run(*quantize, "--input-names", "a,b,c") == 0
    assert load_program("net").labels.inputs == ("a", "b", "c")


@pytest.mark.some(3)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--input-format", "q8"), "'q8' is no format of codes: write qM.N"),
        (("--input-format", "q8.8,q8.8"), "2 input formats for 3 inputs"),
        (("--input-format", "heat=q8.8"), "no input format for 'flow'"),
        (("--output-format", "c=q8.8"), "(a, b), not 'c'"),
        (("--output-format", "q8.8", "--argmax"), "a class index has no unit"),
        (("--name", "my design"), "not 'my design'"),
        (("--name", "endmodule"), "cannot be 'endmodule'"),
        (("--testbench", "missing.npz"), "missing.npz is not a file"),
    ],
)
def test_bad_options_are_one_line(named, here, capsys, options, said):
    assert run("generate", named, "--out", "design", *options) == 2
    shown = capsys.readouterr()
    assert said.lower() in shown.err.lower()
    assert shown.err.count("\n") == 1
    assert not (here / "design").exists()


def test_bad_names_are_one_line(shop, here, capsys):
    quantize = ("quantize", shop / "model.pt", "--calibration", shop / "train.npz", "--out", "net")
    assert run(*quantize, "--input-names", "a,b") == 2
    assert "Names of inputs must be 3, not 2" in capsys.readouterr().err
    np.savez("numbers.npz", x=np.zeros((4, 3)), feature_names=[1, 2, 3])
    assert run(*quantize[:3], "numbers.npz", "--out", "net") == 2
    assert "'feature_names' must be a list of texts" in capsys.readouterr().err
    assert not (here / "net").exists()
