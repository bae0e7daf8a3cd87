"""Reading a user's checkpoint on the command line: as a stranger would type it."""

import numpy as np
import torch
from checkpoints import Scaled, saved
from commands import run, run_json

import kanhw
from kanhw.layers import KAN


def physical_data(folder):
    rng = np.random.default_rng(0)
    x = np.array([290.0, 1e5, 50.0, 0.0]) + rng.normal(size=(200, 4)) * [12, 2e3, 25, 1]
    np.savez(folder / "x.npz", x=x)
    return x


def test_normalisations_and_ignored_tensors(here, capsys):
    torch.manual_seed(0)
    wrapper = Scaled(KAN([4, 3, 1])).eval()
    saved(wrapper, here)
    x = physical_data(here)
    quantize = ("quantize", "net.pt", "--calibration", "x.npz", "--out", "p.safetensors")
    assert run(*quantize) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    flags = "--input-mean x_mean --input-std x_std --output-mean y_mean --output-std y_std"
    assert flags in error
    assert not (here / "p.safetensors").exists()
    more = ("--activation-bits", "10", "--activation-granularity", "channel")
    run_json(capsys, *quantize, *flags.split(), *more)
    program = kanhw.load("p.safetensors")
    y = program.decode_output(program(program.input.encode(x)))
    expected = wrapper(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    assert np.abs(y - expected).max() < 0.1 * np.ptp(expected)
    numbers = ("--input-mean", "290,1e5,50,0", "--input-std=12,2e3,25,1", "--ignore", "x_*")
    numbers += ("--ignore", "y_*", "--output-mean=1.2", "--output-std=0.05")
    told = run_json(capsys, *quantize[:-1], "q.safetensors", *numbers, *more)
    assert "ignored as told: 4 tensors" in told["source"]
    again = kanhw.load("q.safetensors")
    np.testing.assert_allclose(again.decode_output(again(again.input.encode(x))), y, atol=1e-6)


def test_any_name_of_any_file(here, capsys):
    """Programs are known by what is in them, calibration may be a csv, and folders have models."""
    torch.manual_seed(0)
    saved(KAN([4, 3, 2]), here, "net.pth.tar")
    rows = np.random.default_rng(0).uniform(-1, 1, (40, 4))
    header = "temperature,pressure,humidity,label\n"
    lines = [",".join(f"{each:.6f}" for each in row[:3]) for row in rows]
    (here / "train.csv").write_text(header + "".join(f"{line},1\n" for line in lines))
    quantize = ("quantize", "net.pth.tar", "--calibration", "train.csv", "--out", "net.program")
    assert run(*quantize) == 2  # three features for four inputs
    assert "[N, 4]" in capsys.readouterr().err
    saved(KAN([3, 3, 2]), here, "net.pth.tar")
    assert run(*quantize) == 0
    assert run("generate", "net.program", "--out", "design") == 0


def test_several_state_dicts(here, capsys):
    physical_data(here)
    networks = {name: KAN([4, 2]).state_dict() for name in ("model", "ema")}
    torch.save(networks, "net.pt")
    quantize = ("quantize", "net.pt", "--calibration", "x.npz", "--out", "out")
    assert run(*quantize) == 2
    assert "--option state_dict=KEY" in capsys.readouterr().err
    assert "under 'ema'" in run_json(capsys, *quantize, "--option", "state_dict=ema")["source"]
