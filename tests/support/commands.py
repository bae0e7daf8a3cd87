"""Commands in this process, and files of every kind to give them."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from kanhw import cli

torch = pytest.importorskip("torch")

CONSOLE_SCRIPT = Path(sys.executable).parent / "kanhw"
COMMANDS = (
    "demo",
    "quantize",
    "train",
    "sensitivity",
    "allocate",
    "explore",
    "generate",
    "simulate",
    "estimate",
    "report",
    "boards",
    "fits",
    "build",
    "program",
    "run",
)
N_IN, N_OUT = 3, 2


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def write_models(folder):
    """A checkpoint that works, and one for every way in which it may not."""
    from kanhw.layers import KAN

    torch.manual_seed(0)
    good = KAN([N_IN, 2, N_OUT]).state_dict()
    knots = good["layers.0.grid"].clone()
    knots[1, 4] = knots[1, 3]
    weights = {value: good["layers.1.base_weight"].clone() for value in (np.nan, np.inf)}
    for value, tensor in weights.items():
        tensor[0, 1] = value
    checkpoints = {
        "model": good,
        "nan": {**good, "layers.1.base_weight": weights[np.nan]},
        "inf": {**good, "layers.1.base_weight": weights[np.inf]},
        "knots": {**good, "layers.0.grid": knots},
        "keys": {**good, "layers.0.surprise": torch.zeros(2)},
        "foreign": {"fc.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(2)},
        "shapes": {**good, "layers.0.spline_weight": torch.zeros(2, N_IN + 1, 8)},
        "widths": {**good, **{
            f"layers.1.{name}": value for name, value in KAN([5, 2]).layers[0].state_dict().items()
        }},
        "incomplete": {name: value for name, value in good.items() if name != "layers.0.grid"},
        "whole": torch.nn.Linear(2, 2),
        "trap": {**good, "trap": Trap(folder / "trapped")},
        "number": 3,
    }
    for name, content in checkpoints.items():
        torch.save(content, folder / f"{name}.pt")
    (folder / "pickle.pt").write_bytes(pickle.dumps(Trap(folder / "trapped")))
    (folder / "text.pt").write_text("not a checkpoint")
    (folder / "text.safetensors").write_text("not a checkpoint")
    (folder / "empty.pt").write_bytes(b"")
    (folder / "model.onnx").write_bytes(b"\0")


def write_data(folder):
    generator = np.random.default_rng(1)
    x = generator.uniform(-1, 1, (64, N_IN))
    codes = generator.integers(0, 16, (50, 2))
    arrays = {
        "train": {"x": x, "labels": generator.integers(0, N_OUT, 64)},
        "wide": {"x": np.zeros((4, N_IN + 1))},
        "flat": {"x": np.zeros(N_IN)},
        "rowless": {"x": np.zeros((0, N_IN))},
        "nan": {"x": np.full((4, N_IN), np.nan)},
        "words": {"x": np.array([["a", "b", "c"]])},
        "objects": {"x": np.array([[Trap(folder / "trapped")] * N_IN], object)},
        "nameless": {"samples": x},
        "codes": {"x": codes},
        "beyond": {"x": codes + 16},
        "real_codes": {"x": codes.astype(float)},
        "inf_y": {"x": codes, "y": np.full((50, 1), np.inf)},
        "short_y": {"x": codes, "y": np.zeros((49, 1), int)},
        "float_labels": {"x": codes, "labels": np.zeros(50)},
    }
    for name, named in arrays.items():
        np.savez(folder / f"{name}.npz", **named)
    np.save(folder / "single.npy", x)
    (folder / "text.npz").write_text("x,y\n1,2\n")
    (folder / "cut.npz").write_bytes((folder / "train.npz").read_bytes()[:200])


def write_kanele(folder):
    """A network of 2-2-1 in KANELE's files, of 4-bit codes, and two broken ones beside it."""
    generator = np.random.default_rng(2)
    config = {"layers": [2, 2, 1], "layers_bitwidth": [4, 4, 6]}
    tables = {
        f"{layer}_{i}_{j}": {"acive": 1, "values_int": generator.integers(-6, 7, 16).tolist()}
        for layer, i, j in ((0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0))
    }
    broken = {**tables, "0_0_0": {"acive": 1, "values_int": [1, 2]}}
    for name, content in (("kanele", tables), ("short", broken), ("nojson", None)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
        text = "{" if content is None else json.dumps(content)
        (folder / name / "truth_tables.json").write_text(text)


def listing(*folders):
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns if path.is_file() else None)
        for folder in folders
        for path in Path(folder).rglob("*")
    }


def run(*arguments):
    """The exit status of a command in this process."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def run_json(capsys, *arguments, status=0):
    assert run(*arguments, "--json") == status
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("\n") == 1
    return json.loads(shown.out, parse_constant=pytest.fail)


QUANTIZE = ("quantize", "{shop}/model.pt", "--calibration", "{shop}/train.npz", "--out", "out")
GENERATE = ("generate", "{shop}/kanele", "--out", "out")
SIMULATE = ("simulate", "{shop}/design", "--vectors", "{shop}/codes.npz", "--out", "out")
ESTIMATE = ("estimate", "{shop}/design", "--target", "ice40", "--out", "out")
REPORT = ("report", "{shop}/design", "--out", "out")


def but(arguments, place, value, *more):
    """The same arguments with another at one place, and more behind them."""
    return (*arguments[:place], value, *arguments[place + 1 :], *more)


def models(expected):
    return [(but(QUANTIZE, 1, f"{{shop}}/{name}"), line) for name, line in expected.items()]


def calibrations(expected):
    return [(but(QUANTIZE, 3, f"{{shop}}/{name}"), line) for name, line in expected.items()]


def vectors(expected):
    return [(but(SIMULATE, 3, f"{{shop}}/{name}"), line) for name, line in expected.items()]
