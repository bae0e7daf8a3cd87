"""PyKAN: the files of saveckpt, and the data in them."""

from pathlib import Path

import numpy as np
import pytest
from pykan_states import (
    WIDTH,
    assert_close,
    forward,
    make_state,
    torch,
)

import kanhw
from kanhw.errors import InputError
from kanhw.importers.pykan.network import calibration_data


@pytest.fixture
def state():
    return make_state(np.random.default_rng(0), WIDTH)


# Files -------------------------------------------------------------------------------------------

CONFIG = """\
affine_trainable: false
base_fun_name: {base}
ckpt_path: ./model
grid: 3
mult_arity: 2
symbolic.funs_name.0:
- - sin
  - '0'
  - '0'
- - '0'
  - '0'
  - 1/x
symbolic.funs_name.1:
- - '0'
  - '0'
- - '0'
  - '0'
symbolic_enabled: {enabled}
width:
- - 3
  - 0
- - 2
  - 0
- - 2
  - 0
"""
MODULE = """!!python/object:torch.nn.modules.activation.SiLU
  _buffers: {}
  _forward_hooks: !!python/object/apply:collections.OrderedDict
  - []
  inplace: false"""


def save(prefix, state, *, base="silu", enabled="true", batch=None):
    Path(f"{prefix}_config.yml").write_text(CONFIG.format(base=base, enabled=enabled))
    torch.save({name: torch.tensor(value) for name, value in state.items()}, f"{prefix}_state")
    torch.save(None if batch is None else torch.tensor(batch), f"{prefix}_cache_data")


def test_the_config_tells_names(tmp_path, state):
    state["symbolic_fun.0.mask"][0, 0] = 0.5
    save(tmp_path / "0.1", state)
    model = kanhw.load(tmp_path / "0.1")
    assert [edge.function for edge in model.layers[0].symbolic] == ["sin"]
    assert model.source == "0.1: PyKAN, 2 layers; base_activation silu (its config)"
    np.testing.assert_array_equal(kanhw.load(tmp_path)(np.ones((1, 3))), model(np.ones((1, 3))))


def test_speed_mode_drops_symbolic_edges(tmp_path, state):
    state["symbolic_fun.0.mask"][0, 0] = 1.0
    save(tmp_path / "model", state, enabled="false")
    model = kanhw.load(tmp_path)
    x = np.random.default_rng(0).normal(0, 1, (9, 3))
    assert_close(model(x), forward(state, x))
    assert "WARNING: symbolic_fun.0: 1 symbolic edges are dropped" in model.source


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (MODULE, "silu"),
        ("!!python/object:torch.nn.modules.linear.Identity", "identity"),
        ("!!python/object:torch.nn.modules.activation.Tanh", "tanh"),
        ("!!python/name:kan.MultKAN.%3Clambda%3E ''", "zero"),
        ("!!python/name:torch.tanh ''", "tanh"),
    ],
)
def test_base_functions_that_prune_input_leaves(tmp_path, state, tag, name):
    save(tmp_path / "model", state, base=tag)
    model = kanhw.load(tmp_path)
    assert model.layers[0].base_activation.name == name
    assert "looks like prune_input's" in model.source
    assert "prune_input" not in kanhw.load(tmp_path, input_ids=[0, 1, 4]).source


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/name:torch.sin ''",
        "!!python/name:__main__.silu ''",
        "!!python/object:torch.nn.modules.activation.GELU\n  approximate: tanh",
    ],
)
def test_base_functions_without_an_equal(tmp_path, state, tag):
    save(tmp_path / "model", state, base=tag)
    with pytest.raises(InputError, match=r"base_fun_name is the Python object .!!py.* no equal"):
        kanhw.load(tmp_path)
    model = kanhw.load(tmp_path, base_activation="relu")
    assert "base_activation relu (as told)" in model.source


def test_options_must_not_contradict_the_config(tmp_path, state):
    save(tmp_path / "model", state)
    with pytest.raises(InputError, match="base_activation='identity' contradicts the config"):
        kanhw.load(tmp_path, base_activation="identity")
    with pytest.raises(InputError, match="symbolic_enabled=False contradicts the config"):
        kanhw.load(tmp_path, symbolic_enabled="false")
    with pytest.raises(InputError, match="PyKAN takes no option 'stride'"):
        kanhw.load(tmp_path, stride=1)


def test_the_config_beside_it_may_hold_input_ids(tmp_path, state):
    save(tmp_path / "model", state)
    (tmp_path / "config.json").write_text('{"library": "pykan", "input_ids": [3, 0, 1]}')
    assert kanhw.load(tmp_path).n_in == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mult_arity: much\n", "The config's mult_arity must be an integer"),
        ("symbolic_enabled: maybe\n", "The config's symbolic_enabled must be true or false"),
        ("symbolic.funs_name.0: none\n", "symbolic.funs_name.. must be lists of function names"),
    ],
)
def test_damaged_configs(tmp_path, state, text, message):
    save(tmp_path / "model", state)
    (tmp_path / "model_config.yml").write_text(text)
    with pytest.raises(InputError, match=message):
        kanhw.load(tmp_path)


def test_a_config_that_is_no_text(tmp_path, state):
    save(tmp_path / "model", state)
    (tmp_path / "model_config.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"model_config.yml cannot be read"):
        kanhw.load(tmp_path)


def test_files_that_belong_together(tmp_path, state):
    save(tmp_path / "model", state)
    save(tmp_path / "0.0", state)
    with pytest.raises(InputError, match=r"several PyKAN networks \(0.0, model\): name one"):
        kanhw.load(tmp_path)
    (tmp_path / "model").mkdir()  # pykan's history lies in a folder of this name
    assert kanhw.load(tmp_path / "model").n_in == 3
    (tmp_path / "model").rmdir()
    (tmp_path / "model_state").unlink()
    with pytest.raises(InputError, match="model_state is missing"):
        kanhw.load(tmp_path / "model")
    (tmp_path / "1.0_state").write_bytes((tmp_path / "0.0_state").read_bytes())
    with pytest.raises(InputError, match=r"1.0_config.yml is missing: .*suffix .pt"):
        kanhw.load(tmp_path / "1.0_state")
    (tmp_path / "0.0_state").write_bytes(b"")
    with pytest.raises(InputError, match=r"0.0_state is empty"):
        kanhw.load(tmp_path / "0.0")


def test_a_plain_state_dict(tmp_path, state):
    path = tmp_path / "kan.pt"
    torch.save({name: torch.tensor(value) for name, value in state.items()}, path)
    x = np.random.default_rng(0).normal(0, 1, (9, 3))
    assert_close(kanhw.load(path)(x), forward(state, x))
    assert calibration_data(path) is None


# Calibration data --------------------------------------------------------------------------------


def test_the_cached_batch(tmp_path, state):
    batch = np.random.default_rng(0).normal(0, 1, (7, 3))
    save(tmp_path / "model", state, batch=batch)
    np.testing.assert_array_equal(calibration_data(tmp_path / "model_state"), batch)
    columns = calibration_data(tmp_path, input_ids="4,0,2", layers=None)
    np.testing.assert_array_equal(columns[:, [4, 0, 2]], batch)
    assert columns.shape == (7, 5)
    save(tmp_path / "model", state)
    assert calibration_data(tmp_path) is None
    (tmp_path / "model_cache_data").unlink()
    assert calibration_data(tmp_path) is None


def test_the_batch_from_before_prune_input(tmp_path, state):
    batch = np.random.default_rng(0).normal(0, 1, (7, 6))
    save(tmp_path / "model", state, batch=batch)
    found = calibration_data(tmp_path, input_ids=[0, 2, 3])
    np.testing.assert_array_equal(found, batch[:, :4])
    with pytest.raises(InputError, match="samples of 6 features, but the network takes 3"):
        calibration_data(tmp_path)


def test_batches_that_are_none(tmp_path, state):
    save(tmp_path / "model", state, batch=np.ones(3))
    with pytest.raises(InputError, match="must hold a batch"):
        calibration_data(tmp_path)
    # Pickles that take from an empty stack (IndexError), and from an empty memo (KeyError).
    for content in (b"nothing", b"\x80\x02\x85.", b"\x80\x02h\x01."):
        (tmp_path / "model_cache_data").write_bytes(content)
        with pytest.raises(InputError, match="model_cache_data is damaged"):
            calibration_data(tmp_path)


@pytest.mark.parametrize("function", ["log", "sqrt", "1/sqrt(x)", "x^0.5", "arcsin", "arctanh"])
def test_data_beyond_a_symbolic_function_name_the_edge(function, tmp_path, state):
    state["symbolic_fun.0.mask"][1, 2] = 1.0
    state["symbolic_fun.0.affine"][1, 2] = [1.0, 0.0, 1.0, 0.0]
    save(tmp_path / "model", state)
    config = tmp_path / "model_config.yml"
    config.write_text(config.read_text().replace("1/x", f"'{function}'"))
    x = np.random.default_rng(0).uniform(-2, 2, (60, 3))
    message = r"act_fun\.0: the symbolic edge from input 2 to sum 1 .* inside its input range \[-"
    with pytest.raises(InputError, match=message):
        kanhw.quantize(kanhw.load(tmp_path), x)


def test_more_columns_than_prune_input_left(tmp_path, state, monkeypatch, capsys):
    from commands import run

    monkeypatch.chdir(tmp_path)
    save(tmp_path / "model", state, base=MODULE)
    np.savez("x.npz", x=np.random.default_rng(0).uniform(-1, 1, (60, 5)))
    quantize = ("quantize", "model", "--calibration", "x.npz", "--out", "out")
    assert run(*quantize) == 2
    error = capsys.readouterr().err
    assert "x.npz has 5 columns, but prune_input left 3" in error
    assert "--option input_ids=0,2" in error
    assert run(*quantize, "--option", "input_ids=0,1,4") == 0
