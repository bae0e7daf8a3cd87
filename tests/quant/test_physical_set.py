"""Sensors in Q format to physical outputs, by default flags, beside the float network's own error.

A small form of ``benchmarks/quantization/physics.py``.
"""

import json

import numpy as np
import pytest
import torch

import kanhw
from kanhw import cli
from kanhw.layers import KAN
from kanhw.quant import QuantConfig
from kanhw.quant.planning.plan import make_plan

LOW, HIGH = np.array([260.0, 5.0e4, 5.0]), np.array([320.0, 1.05e5, 100.0])
INPUTS = "temperature=uq9.7,pressure=uq17.3,humidity=uq7.9"
OUTPUTS = "density=q2.14,dew_point=q8.8"


def air(count, seed):
    """Kelvin, pascal and percent; kg/m3 and degrees Celsius."""
    x = np.random.default_rng(seed).uniform(LOW, HIGH, (count, 3))
    kelvin, pascal, percent = x.T
    celsius = kelvin - 273.15
    vapour = percent / 100 * 610.94 * np.exp(17.625 * celsius / (celsius + 243.04))
    log = np.log(vapour / 610.94)
    density = (pascal - vapour) / (287.05 * kelvin) + vapour / (461.5 * kelvin)
    return x, np.stack([density, 243.04 * log / (17.625 - log)], axis=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint with its normalisations, and data."""
    folder = tmp_path_factory.mktemp("air")
    x, y = air(1000, 0)
    means, spans, centre, deviation = (LOW + HIGH) / 2, (HIGH - LOW) / 2, y.mean(0), y.std(0)
    torch.manual_seed(0)
    model = KAN([3, 5, 2])
    inputs = torch.tensor((x - means) / spans, dtype=torch.float32)
    targets = torch.tensor((y - centre) / deviation, dtype=torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(250):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(model(inputs), targets).backward()
        optimiser.step()
    around = {"x_mean": means, "x_std": spans, "y_mean": centre, "y_std": deviation}
    state = {**model.state_dict(), **{name: torch.tensor(a) for name, a in around.items()}}
    torch.save(state, folder / "air.pt")
    np.savez(
        folder / "train.npz",
        x=x,
        y=y,
        feature_names=["temperature", "pressure", "humidity"],
        output_names=["density", "dew_point"],
    )
    np.savez(folder / "test.npz", x=air(40, 1)[0])
    return folder


AROUND = ["--input-mean", "x_mean", "--input-std", "x_std"]
AROUND += ["--output-mean", "y_mean", "--output-std", "y_std"]


def rms(errors):
    return np.sqrt(np.square(errors).mean(axis=0))


def load(folder):
    return kanhw.load(
        folder / "air.pt",
        input_mean="x_mean",
        input_std="x_std",
        output_mean="y_mean",
        output_std="y_std",
    )


def ratios(folder, capsys, *flags):
    """RMS error of the physical outputs over that of the float network, on other samples."""
    out = folder / f"air{len(flags)}.safetensors"
    command = ["quantize", str(folder / "air.pt"), "--calibration", str(folder / "train.npz")]
    assert cli.main([*command, *AROUND, "--out", str(out), "--json", *flags]) == 0
    model = load(folder)
    program = kanhw.with_formats(kanhw.load(out), inputs=INPUTS, outputs=OUTPUTS)
    x, y = air(2000, 2)
    outputs = program.decode_output(program(program.input.encode(x)))
    own = rms(model(x) - y)
    # A float network that is no good would be easy to keep up with.
    assert (own < 0.03 * y.std(axis=0)).all(), own / y.std(axis=0)
    capsys.readouterr()
    return rms(outputs - y) / own


def test_eight_bits_by_default_flags(folder, capsys):
    found = ratios(folder, capsys)
    assert (found < 1.05).all(), found


def test_six_bits_cost_what_hidden_codes_cost(folder, capsys):
    six = ["--spline-bits", "6", "--base-bits", "6", "--activation-bits", "6"]
    found = ratios(folder, capsys, *six, "--input-bits", "10")
    model, (x, y) = load(folder), air(2000, 2)
    plan = make_plan(model, np.load(folder / "train.npz")["x"], QuantConfig(activation_bits=6))
    first, second = plan.steps
    (hidden,) = plan.consumers[1].streams
    alone = second(hidden.dequantize(hidden.quantize(first(x))))
    # Nothing comes below what rounding hidden values does by itself.
    floor = rms(alone - y) / rms(model(x) - y)
    assert (floor > 1.2).all() and (found < 1.25 * floor).all(), (found, floor)


@pytest.mark.wide
@pytest.mark.parametrize(
    "flags",
    [
        # Narrow between its physical ends, which compiles in a quarter of the time.
        ["--spline-bits", "4", "--base-bits", "4", "--activation-bits", "5"],
        pytest.param([], marks=pytest.mark.slow),
    ],
    ids=["narrow", "default"],
)
def test_the_verilog_takes_and_gives_physical_codes(folder, capsys, tmp_path, flags):
    out, design = tmp_path / "air.safetensors", tmp_path / "design"
    command = ["quantize", str(folder / "air.pt"), "--calibration", str(folder / "train.npz")]
    assert cli.main([*command, *AROUND, "--out", str(out), "--json", *flags]) == 0
    command = ["generate", str(out), "--out", str(design)]
    formats = ["--input-format", INPUTS, "--output-format", OUTPUTS]
    assert cli.main([*command, *formats]) == 0, capsys.readouterr().err
    capsys.readouterr()
    command = ["simulate", str(design), "--vectors", str(folder / "test.npz"), "--json"]
    assert cli.main(command) == 0, capsys.readouterr().err
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
