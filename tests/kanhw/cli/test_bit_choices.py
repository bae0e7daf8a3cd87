"""``kanhw sensitivity`` and ``kanhw allocate``: tables, JSON, and what Python gives."""

import numpy as np
import pytest
import torch
from commands import run, run_json

import kanhw
from kanhw.flow.fitting.held_out import split_off
from kanhw.layers import KAN
from kanhw.quant import QuantConfig, sensitivity


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bits")
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    torch.manual_seed(0)
    torch.save(KAN([2, 2, 2]).state_dict(), folder / "model.pt")
    np.savez(folder / "train.npz", x=x, labels=np.arange(60) % 2)
    np.savez(folder / "other.npz", x=x[:20] / 2)
    return folder


FEW = ("--bits", "2,3", "--branches", "spline,activation", "--realisation", "basis_table")


def test_sensitivity_is_what_python_gives(folder, capsys):
    arguments = ("sensitivity", folder / "model.pt", "--calibration", folder / "train.npz")
    data = run_json(capsys, *arguments, *FEW, "--seed", "3")
    with np.load(folder / "train.npz") as arrays:
        left, taken = split_off(dict(arrays), 0.2, 3)
    model = kanhw.load(folder / "model.pt")
    config = QuantConfig(realisation="basis_table", seed=3)
    found = sensitivity(
        model, left["x"], taken["x"], taken["labels"], config, (2, 3),
        branches=("spline", "activation"),
    )
    assert data["rows"] == found.table()
    assert data["reference_accuracy"] == found.reference_accuracy
    assert data["held_out"].startswith("12 samples split off")
    assert data["held_out"].endswith("(seed 3)")


def test_sensitivity_as_a_table(folder, capsys):
    arguments = ("sensitivity", folder / "model.pt", "--calibration", folder / "train.npz")
    assert run(*arguments, "--held-out", folder / "other.npz", *FEW) == 0
    shown = capsys.readouterr().out
    assert "| layer | branch | 2 bits | 3 bits |" in shown
    assert "8 bits everywhere" in shown and "other.npz" in shown


@pytest.mark.wide
def test_allocate(folder, tmp_path, capsys):
    pytest.importorskip("scipy")
    out = tmp_path / "p.safetensors"
    data = run_json(
        capsys, "allocate", folder / "model.pt", "--calibration", folder / "train.npz",
        "--budget", "bits=1200", "--choices", "3,5", "--realisation", "basis_table", "--out", out,
    )
    assert data["costs"]["parameter_bits"] <= 1200 == data["budget"]["bits"]
    assert {row["layer"] for row in data["layers"]} == {"layers.0", "layers.1"}
    program = kanhw.load_program(out)
    assert kanhw.quant.costs_of(program).parameter_bits == data["costs"]["parameter_bits"]


@pytest.mark.parametrize(
    ("command", "more", "message"),
    [
        ("allocate", ("--budget", "luts=3", "--out", "o"), "takes WHAT=N, one of unrolled"),
        ("allocate", ("--budget", "bits", "--out", "o"), "--budget takes WHAT=N"),
        ("allocate", ("--budget", "bits=-1", "--out", "o"), "bits must be above 0 and finite"),
        ("sensitivity", ("--bits", "x"), "argument --bits: takes integers with commas"),
        ("sensitivity", ("--branches", "weights"), "branches must be of base, spline"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, command, more, message):
    pytest.importorskip("scipy")
    arguments = (command, folder / "model.pt", "--calibration", folder / "train.npz", *more)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
