"""``kanhw train``: from a checkpoint and data to a trained Program, with its figures."""

import io
import re

import numpy as np
import pytest
import torch
from commands import run, run_json

import kanhw
from kanhw.layers import KAN


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (120, 3))
    torch.manual_seed(0)
    torch.save(KAN([3, 2, 2]).state_dict(), folder / "classes.pt")
    torch.save(KAN([3, 2, 1]).state_dict(), folder / "reals.pt")
    labels = (x[:, 0] > x[:, 1]).astype(int)
    np.savez(folder / "classes.npz", x=x, labels=labels)
    np.savez(folder / "reals.npz", x=x, y=x[:, 0] * x[:, 1])
    np.savez(folder / "both.npz", x=x, y=x[:, 0], labels=labels)
    np.savez(folder / "far.npz", x=x, labels=labels + 1)
    np.savez(folder / "bare.npz", x=x)
    return folder


FEW = ("--epochs", "3", "--activation-bits", "4", "--spline-bits", "4")


def test_classification(folder, tmp_path, capsys):
    out = tmp_path / "p.safetensors"
    data = run_json(
        capsys, "train", folder / "classes.pt", "--data", folder / "classes.npz", "--out", out,
        *FEW, "--learning-rate", "0.02", "--validation", "0.25",
    )
    assert (data["task"], data["loss"], data["metric"]) == (
        "classification",
        "cross entropy",
        "accuracy",
    )
    assert (data["samples"], data["validation_samples"]) == (90, 30)
    assert 0 <= data["kept_epoch"] <= len(data["losses"]) <= 3
    assert set(data["figures"]) == {"float", "rounded", "trained"}
    # The figure of the Program is that of the file, on the rows that the seed splits off.
    program = kanhw.load_program(out)
    assert program.input.format.width == 4
    with np.load(folder / "classes.npz") as arrays:
        rows = np.sort(np.random.default_rng(0).permutation(120)[:30])
        x, labels = arrays["x"][rows], arrays["labels"][rows]
    outputs = program.decode_output(program(program.input.encode(x)))
    accuracy = (outputs.argmax(axis=1) == labels).mean()
    assert data["figures"]["trained"]["metric"] == pytest.approx(accuracy)


def test_regression(folder, tmp_path, capsys):
    out = tmp_path / "p.safetensors"
    arguments = ("train", folder / "reals.pt", "--data", folder / "reals.npz", "--out", out)
    assert run(*arguments, *FEW) == 0
    shown = capsys.readouterr()
    assert "regression: loss mean squared error, metric R2" in shown.out
    assert re.search(r"epoch \d of 3 kept.*trained on 96 samples, measured on 24", shown.out)
    for name in ("float", "rounded without training", "trained, in integers"):
        assert re.search(rf"  {name} +loss [\d.e-]+ +R2 -?\d", shown.out)
    assert re.fullmatch(r"training \.\.\. \d+\.\d s\n", shown.err)
    assert kanhw.load_program(out).n_out == 1


@pytest.mark.parametrize(
    ("model", "data", "more", "message"),
    [
        ("classes.pt", "bare.npz", (), r"bare\.npz has no labels or y \(it has x\)"),
        ("classes.pt", "both.npz", (), "has both labels and y: say which with --targets"),
        ("classes.pt", "both.npz", ("--targets", "t"), r"has no t \(it has x, y, labels\)"),
        ("classes.pt", "far.npz", (), "Targets y are classes 1 to 2, but .* pass y - 1"),
        ("reals.pt", "reals.npz", ("--validation", "1"), "above 0 and below 1, not 1.0"),
        ("reals.pt", "reals.npz", ("--epochs", "0"), "epochs and batch_size of at least 1"),
        ("reals.pt", "reals.npz", ("--spline-bits", "9"), "must be 1 to 8 in training, not 9"),
        ("reals.pt", "reals.npz", ("--learning-rate", "1e12"), "diverged|sums reach"),
    ],
)
def test_mistakes_are_one_line(folder, tmp_path, capsys, model, data, more, message):
    out = tmp_path / "p.safetensors"
    status = run("train", folder / model, "--data", folder / data, "--out", out, *more)
    error = capsys.readouterr().err.splitlines()[-1]
    assert status == 2
    assert re.search(message, error)
    assert not out.exists()


def test_a_program_is_refused(folder, tmp_path, capsys):
    program = kanhw.quantize(kanhw.load(folder / "reals.pt"), np.zeros((2, 3)))
    kanhw.save_program(program, tmp_path / "p.safetensors")
    arguments = ("--data", folder / "reals.npz", "--out", tmp_path / "q")
    assert run("train", tmp_path / "p.safetensors", *arguments) == 2
    assert "is quantized already: give the float model" in capsys.readouterr().err


def test_what_training_does_not_know_has_no_flag(capsys):
    assert run("train", "--help") == 0
    shown = capsys.readouterr().out
    assert "--quantizer" in shown and "(default: lsq+)" in " ".join(shown.split())
    for flag in ("--method", "--damping", "--iterations", "--evaluator-pieces"):
        assert flag not in shown


def test_a_terminal_gets_a_bar(folder, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    out = tmp_path / "p.safetensors"
    run("train", folder / "reals.pt", "--data", folder / "reals.npz", "--out", out, *FEW)
    assert "training" in terminal.getvalue() and "━" in terminal.getvalue()
