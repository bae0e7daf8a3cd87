"""Checkpoints as they lie about: what is around the weights, and the kind of file."""

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import loaded, saved
from safetensors.torch import save_file
from torch.nn.utils import prune

import kanhw
from kanhw.errors import InputError
from kanhw.importers.load import load_model
from kanhw.layers import KAN, FastKAN

X = np.random.default_rng(3).uniform(-2, 2, (50, 3))


@pytest.fixture
def network() -> KAN:
    torch.manual_seed(0)
    return KAN([3, 4, 2]).double()


def outputs(module: torch.nn.Module) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(module(torch.tensor(X)).numpy())


def check(source: Any, module: torch.nn.Module, **options: Any) -> None:
    np.testing.assert_allclose(loaded(source, **options)(X), outputs(module), atol=1e-9)


@pytest.mark.parametrize("keys", [("net",), ("params",), ("ema",), ("a", "b", "c"), ("netG",)])
def test_under_any_key(network: KAN, keys: tuple[str, ...], tmp_path: Path) -> None:
    content: Any = dict(network.state_dict())
    for key in reversed(keys):
        content = {key: content, "epoch": 3, "loss": torch.tensor(0.5)}
    torch.save(content, tmp_path / "net.pt")
    check(tmp_path / "net.pt", network)


def test_several_are_asked_about(network: KAN, tmp_path: Path) -> None:
    other = KAN([3, 4, 2]).double()
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.tensor(X)).sum().backward()
    optimizer.step()
    content = {
        "model": network.state_dict(),
        "ema": other.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(content, tmp_path / "net.pt")
    message = r"several state_dicts: 'model' \(8 tensors\), 'ema' \(8 tensors\); choose one with "
    with pytest.raises(InputError, match=message + "--option state_dict=KEY"):
        load_model(tmp_path / "net.pt")
    check(tmp_path / "net.pt", network, state_dict="model")
    check(tmp_path / "net.pt", other, state_dict="ema")
    with pytest.raises(InputError, match=r"no state_dict under 'swa': it has 'model'"):
        load_model(tmp_path / "net.pt", state_dict="swa")


def test_a_state_dict_that_holds_itself(network: KAN, tmp_path: Path) -> None:
    content: dict[str, Any] = {"epoch": 1}
    content["state_dict"] = content
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"holds no tensors \('epoch', 'state_dict'\)"):
        load_model(tmp_path / "net.pt")
    content["net"] = {**network.state_dict(), "again": content}
    torch.save(content, tmp_path / "net.pt")
    check(tmp_path / "net.pt", network)


def test_numbers_of_numpy_and_settings_beside_the_weights(network: KAN, tmp_path: Path) -> None:
    content = {
        "state_dict": network.state_dict(),
        "best": np.float64(0.93),
        "epoch": np.int64(3),
        "history": np.arange(4.0),
        "args": argparse.Namespace(lr=1e-3, name="kan", seed=np.int32(1)),
    }
    torch.save(content, tmp_path / "net.pt")
    check(tmp_path / "net.pt", network)
    # As numpy 1 called its own functions.
    file = tmp_path / "old.pt"
    torch.save(content, file, _use_new_zipfile_serialization=False)
    file.write_bytes(file.read_bytes().replace(b"numpy._core.multi", b"numpy.core.multi"))
    check(file, network)


def test_arrays_of_numpy_are_tensors(network: KAN, tmp_path: Path) -> None:
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    torch.save(arrays, tmp_path / "net.pt")
    check(tmp_path / "net.pt", network)
    check(arrays, network)


def test_files_are_known_by_what_is_in_them(network: KAN, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "net.bin")
    check(tmp_path / "net.bin", network)
    program = kanhw.quantize(loaded(tmp_path / "net.bin"), X)
    for name in ("net.program", "net"):
        again = load_model(kanhw.save_program(program, tmp_path / name))
        assert isinstance(again, kanhw.Program)
    from kanhw.model.neutral import save_model

    save_model(loaded(network), tmp_path / "neutral.npz")
    shutil.copy(tmp_path / "neutral.npz", tmp_path / "neutral.model")
    check(tmp_path / "neutral.model", network)


def test_a_folder_with_safetensors(network: KAN, tmp_path: Path) -> None:
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    check(tmp_path, network)
    saved(network, tmp_path, "model.pt")
    with pytest.raises(InputError, match=r"several checkpoints \(model\.pt, model\.safetensors\)"):
        load_model(tmp_path)


def test_masks_of_pruning_are_applied(network: KAN, tmp_path: Path) -> None:
    whole = outputs(network)
    for layer in network.layers:
        prune.l1_unstructured(layer, "spline_weight", amount=0.5)
        prune.random_unstructured(layer, "base_weight", amount=0.5)
    path = saved(network, tmp_path)
    check(path, network)
    assert np.abs(outputs(network) - whole).max() > 0.01
    assert "pruning masks applied: layers.0.spline_weight" in loaded(path).source


def test_one_grid_for_all_inputs(network: KAN) -> None:
    state = network.state_dict()
    for shape in ((1, -1), (-1,)):
        grids = {k: v[:1].reshape(shape) for k, v in state.items() if k.endswith(".grid")}
        check({**state, **grids}, network)


def test_the_denominator_of_fast_kan_as_a_tensor() -> None:
    torch.manual_seed(0)
    network = FastKAN([3, 2], denominator=0.7).double()
    state = {**network.state_dict(), "layers.0.rbf.denominator": torch.tensor(0.7).double()}
    state["layers.0.rbf.grid"] = torch.linspace(-2, 2, 8).double()
    np.testing.assert_allclose(loaded(state)(X), outputs(network), atol=1e-6)
    assert "denominator" not in loaded(state).source
    state["layers.0.rbf.denominator"] = torch.tensor([0.7, 0.8])
    with pytest.raises(InputError, match=r"'layers\.0\.rbf\.denominator' holds 2 different values"):
        load_model(state)
