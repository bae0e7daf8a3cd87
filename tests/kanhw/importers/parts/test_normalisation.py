"""Normalisations around a network are folded in, so that it reads and gives physical units."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import Scaled, loaded, saved

from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KAGN, KAN, FastKAN
from kanhw.model.neutral import save_model

RNG = np.random.default_rng(0)
X = np.array([290.0, 1e5, 50.0, 0.0]) + RNG.normal(size=(60, 4)) * [12, 2e3, 25, 1]
BUFFERS = {
    "input_mean": "x_mean", "input_std": "x_std", "output_mean": "y_mean", "output_std": "y_std"
}  # fmt: skip
NUMBERS = {
    "input_mean": "290,1e5,50,0", "input_std": [12, 2e3, 25, 1], "output_mean": 1.2,
    "output_std": "0.05",
}  # fmt: skip


@pytest.fixture(params=[KAN, FastKAN, KAGN])
def wrapper(request: pytest.FixtureRequest) -> Scaled:
    torch.manual_seed(1)
    return Scaled(request.param([4, 3, 2])).double().eval()


@pytest.mark.parametrize("told", [BUFFERS, NUMBERS])
def test_buffers_and_numbers(wrapper: Scaled, told: dict[str, Any], tmp_path: Path) -> None:
    saved(wrapper, tmp_path)
    more = {} if told is BUFFERS else {"ignore": "?_mean,?_std"}
    model = loaded(tmp_path / "net.pt", **told, **more)
    expected = wrapper(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(model(X), expected, rtol=0, atol=1e-7)
    shown = "folded in: input_mean x_mean" if told is BUFFERS else "input_mean (4 values)"
    assert shown in model.source


def test_from_config_json_and_from_a_neutral_file(wrapper: Scaled, tmp_path: Path) -> None:
    saved(wrapper, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(BUFFERS))
    expected = wrapper(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(loaded(tmp_path / "net.pt")(X), expected, rtol=0, atol=1e-7)
    saved(wrapper.kan, tmp_path, "kan.pt")
    (tmp_path / "config.json").unlink()
    save_model(loaded(tmp_path / "kan.pt"), tmp_path / "kan.npz")
    model = loaded(tmp_path / "kan.npz", **NUMBERS)
    np.testing.assert_allclose(model(X), expected, rtol=0, atol=1e-7)
    # And back into a neutral file.
    again = loaded(save_model(model, tmp_path / "again.npz"))
    np.testing.assert_array_equal(again(X), model(X))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"input_mean": "x_means"}, r"input_mean is a number, .* not 'x_means': it has .*x_mean"),
        ({"input_mean": "1,2,3"}, r"of 3 values does not fit samples of shape \[4\]"),
        ({"input_std": 0}, r"input_std must be positive, but is 0 at place 0"),
        ({"output_std": "y_std", "output_mean": "1,2,3,4"}, r"of 4 values does not fit"),
        ({"input_std": "1,2", "input_mean": "1,2,3"}, r"input_mean has 3 values and input_std 2"),
    ],
)
def test_refusals(told: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(Scaled(KAN([4, 2])), tmp_path)
    # What is told is read, and the others ignored.
    rest = sorted({"x_mean", "x_std", "y_mean", "y_std"} - set(map(str, told.values())))
    with pytest.raises(InputError, match=message) as caught:
        load_model(path, **told, ignore=rest)
    assert "\n" not in str(caught.value)
