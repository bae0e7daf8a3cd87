"""Units of outputs: one for all where the data name classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import kanhw
from kanhw.cli import main
from kanhw.layers import KAN
from kanhw.model.network import KanModel
from kanhw.model.neutral import save_model


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    """The file of a network whose second output is 100 times the first, and data."""
    torch.manual_seed(0)
    first, last = KAN([3, 4, 2]).to_model().layers
    factor = np.array([1.0, 100.0])
    last = replace(
        last,
        coefficients=last.coefficients * factor[:, None, None],
        base_weights=last.base_weights * factor[:, None],
    )
    folder = tmp_path_factory.mktemp("unequal")
    save_model(KanModel((first, last)), folder / "model.npz")
    return folder, np.random.default_rng(0).uniform(-1, 1, (200, 3))


@pytest.mark.parametrize("labels", [False, True])
def test_classes_are_compared(unequal, labels, capsys):
    folder, x = unequal
    named = {"labels": np.arange(len(x)) % 2} if labels else {}
    np.savez(folder / "data.npz", x=x, **named)
    out = str(folder / f"program{labels}.safetensors")
    data = str(folder / "data.npz")
    assert main(["quantize", str(folder / "model.npz"), "--calibration", data, "--out", out]) == 0
    capsys.readouterr()
    one, two = kanhw.load_program(out).output_scale
    assert (one == two) == labels
