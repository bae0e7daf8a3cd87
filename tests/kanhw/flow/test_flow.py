"""The verbs as functions: a chain of them, and wrong types."""

import numpy as np
import pytest

import kanhw
from kanhw import InputError, KanModel, Program, QuantConfig, Schedule
from kanhw.flow.generation import given_design
from kanhw.model.activation import Activation
from kanhw.model.bases.bspline import BSplineBasis
from kanhw.model.network import KanLayer


@pytest.fixture(scope="module")
def model():
    generator = np.random.default_rng(0)
    knots = np.tile(np.linspace(-2.2, 2.2, 12), (2, 1))
    layer = KanLayer(
        basis=BSplineBasis(knots, 3),
        coefficients=generator.normal(size=(3, 2, 8)),
        base_weights=generator.normal(size=(3, 2)),
        base_activation=Activation("silu"),
        bias=np.zeros(3),
        name="layers.0",
    )
    return KanModel((layer,), "a test")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).uniform(-1, 1, (100, 2))


@pytest.fixture(scope="module")
def program(model, x):
    return kanhw.quantize(model, x, activation_bits=4)


def test_quantize(model, program, x):
    assert isinstance(program, Program) and program.input.format.width == 4
    y = program.decode_output(program(program.input.encode(x)))
    assert np.abs(y - model(x)).max() < 0.2 * np.ptp(model(x))
    coarse = kanhw.quantize(model, x, QuantConfig(activation_bits=4), input_bits=2)
    assert coarse.input.format.width == 2


def test_generate(program, tmp_path):
    design = kanhw.generate(program, str(tmp_path / "new" / "design"))
    assert {path.name for path in design.path.iterdir()} == {
        *("kan.core", "kan.v", "manifest.json", "program.safetensors"),
    }
    assert design == kanhw.load_design(design.path) == given_design(design) == given_design(
        str(design.path)
    )
    content = {path: path.read_bytes() for path in design.path.iterdir()}
    for out in (design.path, tmp_path / "again"):
        assert kanhw.generate(program, out).schedule == Schedule()
        assert {path: (out / path.name).read_bytes() for path in content} == content
    (design.path / "notes").touch()
    with pytest.raises(InputError, match=r"already holds something else \(notes\)"):
        kanhw.generate(program, design.path, schedule=Schedule(adder_levels=2))
    (design.path / "notes").unlink()
    other = kanhw.generate(program, design.path, schedule=Schedule(adder_levels=2))
    assert other.schedule.adder_levels == 2
    classes = kanhw.generate(program, tmp_path / "classes", argmax=True)
    assert classes.load_program().argmax and classes.output.count == 1
    outputs = kanhw.generate(classes.load_program(), tmp_path / "outputs", argmax=False)
    assert outputs.output.count == 3
    assert kanhw.generate(classes.load_program(), tmp_path / "classes") == classes


def test_wrong_types(model, program, x, tmp_path):
    out = tmp_path / "design"
    for call, message in (
        (lambda: kanhw.quantize(program, x), r"^This network is quantized already: generate takes"),
        (lambda: kanhw.quantize("m.pt", x), r"^quantize needs a KanModel .*kanhw\.load, .*not str"),
        (lambda: kanhw.quantize(model, x, {"base_bits": 4}), r"^config must be a kanhw\.QuantConf"),
        (lambda: kanhw.quantize(model, x, bits=4), r"^quantize takes no option 'bits'.* there are"),
        (lambda: kanhw.quantize(model, x, base_bits="4"), r"^base_bits must be an integer"),
        (lambda: kanhw.quantize(model, [["a", "b"]]), r"^Calibration data must be numbers"),
        (lambda: kanhw.generate(model, out), r"^Hardware needs integers: quantize this"),
        (lambda: kanhw.generate("p.safetensors", out), r"^generate needs a Program, .* not str$"),
        (lambda: kanhw.generate(program, out, schedule=2), r"^schedule must be a kanhw\.Schedule"),
        (lambda: kanhw.generate(program, out, argmax="yes"), r"^argmax must be True, False or"),
        (lambda: kanhw.estimate(program, "ecp5"), r"^A design must come from kanhw\.generate or"),
        (lambda: kanhw.estimate(out, ["ecp5"]), r"^target must be the name of one"),
        (lambda: kanhw.simulate(program, x), r"^A design must come from kanhw\.generate or be its"),
        (lambda: kanhw.report(program, "r.html"), r"^A design must come from kanhw\.generate or"),
        (lambda: kanhw.load(3), r"path"),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    assert not list(tmp_path.iterdir())


def test_wrong_values(model, program, x, tmp_path):
    for call, message in (
        (lambda: kanhw.quantize(model, x[:, :1]), r"must have shape \[N, 2\]"),
        (lambda: kanhw.quantize(model, x, spline_bits=13), r"^spline_bits must be 1 to 12"),
        (lambda: kanhw.estimate(tmp_path, "virtex"), r"^Unknown target 'virtex'"),
        (lambda: kanhw.estimate(tmp_path, "ecp5"), r"holds no design"),
    ):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("name", kanhw.__all__)
def test_public_names_are_documented(name):
    documentation = getattr(kanhw, name).__doc__
    assert documentation
    if name in ("load", "quantize", "generate", "simulate", "estimate", "report"):
        for section in ("Parameters", "Returns", "Raises"):
            assert f"\n    {section}\n    ---" in documentation
