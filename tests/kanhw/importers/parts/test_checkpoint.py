"""Checkpoint files: every container and dtype, and the refusal of everything else."""

import builtins
import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kanhw.errors import InputError, ToolNotFound
from kanhw.importers.load import load_model
from kanhw.importers.parts.checkpoint import read_checkpoint
from kanhw.layers import KAN
from kanhw.model.network import KanModel

X = np.random.default_rng(3).uniform(-3, 3, (20, 3))


def network() -> KAN:
    torch.manual_seed(0)
    return KAN([3, 4, 2])


def state() -> dict[str, Any]:
    return dict(network().state_dict())


def expected() -> np.ndarray:
    return network().to_model()(X)


def loaded(path: Path, **options: Any) -> KanModel:
    model = load_model(path, **options)
    assert isinstance(model, KanModel)
    return model


SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".PT", ".pth.tar", ".pkl", "", ".safetensors", ".dat")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    if suffix == ".safetensors":
        save_file(state(), path)
    else:
        torch.save(state(), path)
    np.testing.assert_array_equal(loaded(path)(X), expected())
    assert loaded(path).source.startswith(f"{path.name}: EfficientKAN")


def test_old_torch_format(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "net.pt", _use_new_zipfile_serialization=False)
    np.testing.assert_array_equal(loaded(tmp_path / "net.pt")(X), expected())


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_unwraps_training_checkpoints(tmp_path: Path, key: str) -> None:
    # The best score as a tensor must not make the outer dict pass for a state_dict.
    content = {key: state(), "epoch": 3, "best": torch.tensor(0.9), "optimizer": {"lr": 1e-3}}
    torch.save(content, tmp_path / "net.ckpt")
    np.testing.assert_array_equal(loaded(tmp_path / "net.ckpt")(X), expected())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.model."])
def test_strips_wrapper_prefixes(tmp_path: Path, prefix: str) -> None:
    torch.save({f"{prefix}{k}": v for k, v in state().items()}, tmp_path / "net.pt")
    assert set(read_checkpoint(tmp_path / "net.pt")) == set(state())
    model = loaded(tmp_path / "net.pt", layers=f"{prefix}layers")
    np.testing.assert_array_equal(model(X), expected())


def test_strips_the_mark_of_compiled_submodules(tmp_path: Path) -> None:
    marked = {k.replace("layers.", "layers._orig_mod."): v for k, v in state().items()}
    torch.save(marked, tmp_path / "net.pt")
    np.testing.assert_array_equal(loaded(tmp_path / "net.pt")(X), expected())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_upcasts_exactly(tmp_path: Path, suffix: str, dtype: torch.dtype) -> None:
    cast = {k: v.to(dtype) for k, v in state().items()}
    path = tmp_path / f"net{suffix}"
    save_file(cast, path) if suffix == ".safetensors" else torch.save(cast, path)
    for name, array in read_checkpoint(path).items():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, cast[name].double().numpy())


def test_safetensors_need_no_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({k: v.to(torch.bfloat16) for k, v in state().items()}, tmp_path / "net.safetensors")
    torch.save(state(), tmp_path / "net.pt")
    block_torch(monkeypatch)
    assert loaded(tmp_path / "net.safetensors").n_out == 2
    with pytest.raises(ToolNotFound, match=r"net\.pt needs PyTorch: pip install 'kanhw\[torch\]'$"):
        load_model(tmp_path / "net.pt")


def block_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without_torch(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(builtins, "__import__", without_torch)


class Trap:
    """Pickled so that unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_never_unpickles_objects(tmp_path: Path, save: Callable[[Any, Path], None]) -> None:
    save({"layers.0.grid": Trap(tmp_path / "sprung")}, tmp_path / "net.pt")
    with pytest.raises(InputError, match=NOT_A_STATE_DICT) as caught:
        load_model(tmp_path / "net.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()


NOT_A_STATE_DICT = (
    r"net\.pt is not a state_dict: it is damaged, or holds Python objects other than tensors, "
    r"which kanhw never unpickles; save it with torch\.save\(model\.state_dict\(\), path\)$"
)


def save_script(path: Path) -> None:
    path.write_bytes(b"not a checkpoint at all")


def save_module(path: Path) -> None:
    torch.save(network(), path)


def save_half(path: Path) -> None:
    torch.save(state(), path)
    path.write_bytes(path.read_bytes()[:700])


@pytest.mark.parametrize("save", [save_script, save_module, save_half])
def test_refuses_other_files(tmp_path: Path, save: Callable[[Path], None]) -> None:
    save(tmp_path / "net.pt")
    with pytest.raises(InputError, match=NOT_A_STATE_DICT):
        load_model(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.zeros(2)], r"net\.pt holds a list instead of a state_dict: save it with"),
        (torch.zeros(2), r"net\.pt holds a Tensor instead of a state_dict"),
        ({"epoch": 3}, r"holds no tensors \('epoch'\): a state_dict is looked for at the top and "),
        ({}, r"net\.pt holds no tensors \(nothing\)"),
        (
            {"fc.weight": torch.zeros(2, 2)},
            r"holds no KAN that kanhw knows \(.*EfficientKAN.*\); its tensors are: fc\.weight$",
        ),
    ],
)
def test_refuses_other_contents(tmp_path: Path, content: Any, message: str) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "net.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_nan_by_name(tmp_path: Path, suffix: str, value: float) -> None:
    bad = state()
    bad["layers.1.spline_weight"][0, 1, 2] = value
    path = tmp_path / f"net{suffix}"
    save_file(bad, path) if suffix == ".safetensors" else torch.save(bad, path)
    message = r"Tensor 'layers\.1\.spline_weight' holds NaN or infinity in 1 of 64 places"
    with pytest.raises(InputError, match=message):
        load_model(path)


def test_nan_outside_of_the_network_is_nobodys_business(tmp_path: Path) -> None:
    torch.save({**state(), "mask": torch.tensor([float("-inf")])}, tmp_path / "net.pt")
    model = loaded(tmp_path / "net.pt", layers="layers")
    assert "not loaded, as told: 1 tensor (mask)" in model.source


def test_refuses_integers(tmp_path: Path) -> None:
    content = {**state(), "layers.0.base_weight": torch.zeros(4, 3, dtype=torch.int8)}
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"Tensor 'layers\.0\.base_weight' holds int8, but float"):
        load_model(tmp_path / "net.pt")


def test_refuses_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pt does not exist: check the path$"):
        load_model(tmp_path / "none.pt")
    with pytest.raises(InputError, match=r"none\.safetensors does not exist: check the path$"):
        load_model(str(tmp_path / "none.safetensors"))
    for name in ("empty.pt", "empty.safetensors"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=r"empty\.\w+ is empty: save the model again$"):
            load_model(tmp_path / name)
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"net\.onnx is not a state_dict: it is damaged, or holds"):
        load_model(tmp_path / "net.onnx")
    (tmp_path / "bad.safetensors").write_bytes(b"garbage and more garbage")
    with pytest.raises(InputError, match=r"bad\.safetensors is not a safetensors file: "):
        load_model(tmp_path / "bad.safetensors")
    with pytest.raises(TypeError, match=r"^load takes a path .*, a state_dict or .* not int$"):
        load_model(3)  # type: ignore[arg-type]


def test_refuses_unknown_options(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "net.pt")
    message = (
        r"^The importer for EfficientKAN takes no option 'activation': allowed are "
        r"base_activation, layers, ignore, input_mean, input_std, output_mean, output_std$"
    )
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "net.pt", activation="silu")


def test_folder_with_a_model(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "model.pt")
    assert loaded(tmp_path).layers[0].base_activation.name == "silu"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"base_activation": "torch.nn.GELU"}))
    assert loaded(tmp_path).layers[1].base_activation.name == "gelu"
    assert loaded(tmp_path, base_activation="tanh").layers[0].base_activation.name == "tanh"
    config.write_text(json.dumps({"layers": [3, 4, 2]}))
    assert loaded(tmp_path).layers[0].base_activation.name == "silu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"config\.json is not readable JSON: "),
        ("[]", r"config\.json must hold a JSON object, not \["),
        ('{"base_activation": 3}', r"config\.json: 'base_activation' must be a name, not 3$"),
        ('{"base_activation": "softsign"}', r"Unknown base activation 'softsign': choose one of"),
    ],
)
def test_refuses_folder_configs(tmp_path: Path, text: str, message: str) -> None:
    torch.save(state(), tmp_path / "model.pt")
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)


def test_refuses_folder_with_nothing_known(tmp_path: Path) -> None:
    message = r"holds no network that kanhw knows: neither model\.pt, .* nor truth_tables\.json"
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)
