"""Nothing that lies beside a KAN is left out unsaid: it is asked about, read or ignored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import Scaled, loaded
from pykan_states import make_state
from torch import Tensor, nn

from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KAN, FastKAN, KANLinear

X = np.random.default_rng(3).uniform(-2, 2, (50, 4))


class Two(nn.Module):
    """Networks of two libraries."""

    def __init__(self) -> None:
        super().__init__()
        self.first = KAN([4, 3])
        self.second = FastKAN([3, 2])


def in_front() -> nn.Module:
    norm = nn.LayerNorm(4)
    nn.init.normal_(norm.weight)
    return nn.Sequential(norm, KANLinear(4, 3), KANLinear(3, 2))


def behind() -> nn.Module:
    return nn.Sequential(KANLinear(4, 3), nn.Linear(3, 3))


def batch_norm() -> nn.Module:
    norm = nn.BatchNorm1d(3)
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    return nn.Sequential(KANLinear(4, 3), KANLinear(3, 3), norm)


def scaled() -> nn.Module:
    return Scaled(KAN([4, 3, 1]))


def saved(make: Callable[[], nn.Module], folder: Path) -> tuple[nn.Module, Path]:
    torch.manual_seed(1)
    module = make().double().eval()
    torch.save(module.state_dict(), folder / "net.pt")
    return module, folder / "net.pt"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (in_front, r"2 tensors .*\(0\.weight, 0\.bias\).*layers='0,1,2'.*--ignore"),
        (behind, r"2 tensors .*\(1\.weight, 1\.bias\).*layers='0,1'"),
        (batch_norm, r"4 tensors .*\(2\.weight, 2\.bias, .*layers='0,1,2'"),
        (Two, r"4 tensors .*\(first\.layers\.0.*modules="),
        (scaled, r"4 tensors .*\(x_mean, x_std, y_mean, y_std\).*--input-mean x_mean"),
    ],
)
def test_what_would_be_left_out_is_asked_about(
    tmp_path: Path, make: Callable[[], nn.Module], named: str
) -> None:
    _, path = saved(make, tmp_path)
    with pytest.raises(InputError, match=named) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "layers"), [(in_front, "0,1,2"), (behind, "0,1"), (batch_norm, "0,1,2")]
)
def test_the_cure_that_is_offered_gives_the_network(
    tmp_path: Path, make: Callable[[], nn.Module], layers: str
) -> None:
    module, path = saved(make, tmp_path)
    expected = module(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(loaded(path, layers=layers)(X), expected, atol=1e-9)


def test_one_of_two_libraries_and_both_in_order(tmp_path: Path) -> None:
    module, path = saved(Two, tmp_path)
    assert isinstance(module, Two)
    first = module.first(torch.tensor(X)).detach()
    for prefix in ("first", "first.layers"):
        np.testing.assert_allclose(loaded(path, layers=prefix)(X), first.numpy(), atol=1e-9)
    modules = [
        {"type": "efficient_kan", "name": "first.layers.0"},
        {"type": "fast_kan", "name": "second.layers.0"},
    ]
    expected = module.second(first).detach().numpy()
    np.testing.assert_allclose(loaded(path, modules=modules)(X), expected, atol=1e-9)


def test_a_list_of_modules_leaves_nothing_out_either(tmp_path: Path) -> None:
    _, path = saved(scaled, tmp_path)
    modules = [{"type": "efficient_kan", "name": f"kan.layers.{i}"} for i in (0, 1)]
    with pytest.raises(InputError, match=r"4 tensors .*\(x_mean, x_std, y_mean, y_std\)"):
        load_model(path, modules=modules)
    model = loaded(path, modules=modules, ignore=["?_mean", "?_std"])
    assert "ignored as told: 4 tensors (x_mean, x_std, y_mean, y_std)" in model.source


@pytest.mark.parametrize("ignore", [["x_*", "y_mean", "y_std"], "x_*,y_*"])
def test_what_is_ignored_is_said(tmp_path: Path, ignore: Any) -> None:
    module, path = saved(scaled, tmp_path)
    assert isinstance(module, Scaled)
    model = loaded(path, ignore=ignore)
    assert "ignored as told: 4 tensors (x_mean, x_std, y_mean, y_std)" in model.source
    expected = module.kan(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(model(X), expected, atol=1e-9)
    with pytest.raises(InputError, match=r"ignore='z_\*' .* no tensor .*it has"):
        load_model(path, ignore=["z_*"])


@pytest.mark.parametrize(
    "more",
    [
        {"norm.num_batches_tracked": torch.tensor(3)},
        {"n_averaged": torch.tensor(3)},
        {"initted": torch.tensor(True), "step": torch.tensor(5)},
        {"empty": torch.zeros(0)},
    ],
)
def test_counters_are_nobodys_business(tmp_path: Path, more: dict[str, Tensor]) -> None:
    torch.save({**KAN([4, 2]).state_dict(), **more}, tmp_path / "net.pt")
    assert loaded(tmp_path / "net.pt").n_out == 2


def test_a_network_of_pykan_beside_others(shared_state: dict[str, Any], tmp_path: Path) -> None:
    torch.save(shared_state, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"1 tensor .*\(stem\.weight\).*--ignore"):
        load_model(tmp_path / "net.pt")
    assert loaded(tmp_path / "net.pt", ignore="stem.*").n_in == 3


@pytest.fixture
def shared_state() -> dict[str, Any]:
    state = make_state(np.random.default_rng(0), [[3, 0], [2, 0]])
    inside = {f"kan.{name}": torch.tensor(value) for name, value in state.items()}
    return {**inside, "stem.weight": torch.zeros(2, 2)}
