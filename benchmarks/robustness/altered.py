"""Files that were altered: bytes anywhere, and values of JSON by others of every type."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from benchmarks.robustness.material import Material
from benchmarks.robustness.trials import Trial
from kanhw.design.manifest import MANIFEST, manifest_bytes

__all__ = ["altered_bytes", "altered_json", "altered_manifests", "strange_values"]

CALIBRATE = ("--calibration", "data.npz", "--out", "out")
# Of every file that a command reads: the command.
READERS: dict[str, tuple[str, ...]] = {
    "model.pt": ("quantize", "model.pt", *CALIBRATE),
    "fast.pt": ("quantize", "fast.pt", *CALIBRATE),
    "kagn.pt": ("quantize", "kagn.pt", *CALIBRATE),
    "py_state": ("quantize", "py", *CALIBRATE),
    "py_config.yml": ("quantize", "py", *CALIBRATE),
    "py_cache_data": ("quantize", "py", "--out", "out"),
    "neutral.npz": ("quantize", "neutral.npz", *CALIBRATE),
    "data.npz": ("quantize", "model.pt", *CALIBRATE),
    "data.csv": ("quantize", "model.pt", "--calibration", "data.csv", "--out", "out"),
    "program.safetensors": ("generate", "program.safetensors", "--out", "out"),
    "kanele/config.json": ("generate", "kanele", "--out", "out"),
    "kanele/truth_tables.json": ("generate", "kanele", "--out", "out"),
    "simulation.json": ("report", "design", "--simulation", "simulation.json", "--out", "out.html"),
    "estimate.json": ("report", "design", "--estimate", "estimate.json", "--out", "out.html"),
    "design/kan.v": ("estimate", "design", "--target", "ecp5"),
    "bare/program.safetensors": ("simulate", "bare", "--vectors", "data.npz"),
    "hls/kan.cpp": ("simulate", "hls", "--vectors", "data.npz"),
    "build/manifest.json": ("program", "build"),
    "build/top.il": ("run", "data.npz", "--port", "/dev/null", "--build", "build"),
}
# Folders with a manifest, and the command that reads each.
FOLDERS: dict[str, tuple[str, ...]] = {
    "design": ("report", "design", "--out", "out.html"),
    "bare": ("report", "bare", "--model", "model.pt", "--data", "data.npz", "--out", "out.html"),
    "hls": ("simulate", "hls", "--vectors", "data.npz"),
    "build": ("run", "data.npz", "--port", "/dev/null", "--build", "build"),
}
JSON_FILES = ("kanele/config.json", "kanele/truth_tables.json", "simulation.json", "estimate.json")
_PROGRAM_KEY = "kanhw_program"


def strange_values(rng: np.random.Generator) -> Any:
    """A value of another type, size or sign than anybody expects."""
    deep: Any = 0
    for _ in range(200):
        deep = [deep]
    values: list[Any] = [
        None, True, False, "", "false", "true", "\x1b[2J\x00\r", "x" * 100_000, "\ud800", "../..",
        0, -1, 1, 63, 64, 65, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, 1e308, -0.0,
        float("nan"), float("inf"), [], {}, [[]], [None], {"a": 1}, deep, [10**30, 1], "1",
        [1, "2"],
    ]  # fmt: skip
    return values[int(rng.integers(len(values)))]


def copies(material: Material, folder: Path) -> None:
    """Everything, as it was made."""
    shutil.copytree(material.folder, folder, dirs_exist_ok=True)


def altered_bytes(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """Flipped, missing, doubled and inserted bytes."""
    while True:
        name = str(rng.choice(list(READERS)))
        content = bytearray((material / name).read_bytes())
        kind = str(rng.choice(["flip", "cut", "zero", "double", "insert", "head"]))
        at, count = int(rng.integers(len(content))), int(rng.integers(1, 64))
        if kind == "flip":
            for _ in range(count):
                content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        elif kind == "cut":
            content = content[:at]
        elif kind == "zero":
            content[at : at + count] = bytes(len(content[at : at + count]))
        elif kind == "double":
            content = content[:at] + content[max(at - count, 0) :]
        elif kind == "insert":
            content[at:at] = rng.bytes(count)
        else:
            content[: min(count, 16)] = rng.bytes(min(count, 16))

        def prepare(folder: Path, name: str = name, content: bytes = bytes(content)) -> None:
            copies(material, folder)
            (folder / name).write_bytes(content)

        yield Trial("bytes", f"{name} {kind} {at} {count}", READERS[name], prepare)


def altered_json(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """A value of some JSON in a file: replaced, removed, or joined by one that nobody knows."""
    while True:
        name = str(rng.choice([*JSON_FILES, "program.safetensors", "neutral.npz", "config.json"]))
        yield Trial("json", *_altered(material, name, rng))


def _altered(
    material: Material, name: str, rng: np.random.Generator
) -> tuple[str, tuple[str, ...], Any]:
    if name == "program.safetensors":
        return _altered_program(material, rng)
    if name == "neutral.npz":
        return _altered_neutral(material, rng)
    if name == "config.json":
        data: Any = {
            "modules": [{"type": "efficient_kan", "name": "layers.0"}], "base_activation": "silu",
            "grid_min": -1, "ignore": ["aux.*"], "input_mean": [0.0, 0.0, 0.0], "input_std": 1.0,
        }  # fmt: skip
        if rng.random() < 0.6:
            del data["modules"]
        words = READERS["model.pt"]
    else:
        data = json.loads((material / name).read_text())
        words = READERS[name]
    data, told = alter(data, rng)

    def prepare(folder: Path) -> None:
        copies(material, folder)
        (folder / name).write_text(json.dumps(data))

    return f"{name} {told}", words, prepare


def _altered_program(
    material: Material, rng: np.random.Generator
) -> tuple[str, tuple[str, ...], Any]:
    with safe_open(str(material / "program.safetensors"), framework="numpy") as file:
        tensors = {key: file.get_tensor(key) for key in list(file.keys())}
        data = json.loads(file.metadata()[_PROGRAM_KEY])
    told = ""
    if rng.random() < 0.3:
        key = str(rng.choice(list(tensors)))
        tensors[key], told = _strange_array(tensors[key], rng)
        told = f"{key} {told}"
    else:
        data, told = alter(data, rng)

    def prepare(folder: Path) -> None:
        copies(material, folder)
        text = json.dumps(data)
        save_file(tensors, str(folder / "program.safetensors"), metadata={_PROGRAM_KEY: text})

    return f"program {told}", READERS["program.safetensors"], prepare


def _strange_array(array: Any, rng: np.random.Generator) -> tuple[Any, str]:
    kind = str(rng.choice(["huge", "float", "nan", "empty", "flat", "axes", "bool", "negative"]))
    one = {
        "huge": np.full(array.shape, 2**62, np.int64),
        "float": array.astype(np.float64) + 0.5,
        "nan": np.full(array.shape, np.nan),
        "empty": np.zeros((0, *array.shape[1:]), array.dtype),
        "flat": np.ravel(array)[:1].copy(),
        "axes": np.zeros((1,) * 20, array.dtype),
        "bool": np.zeros(array.shape, np.bool_),
        "negative": -np.abs(array) - 1,
    }[kind]
    return np.ascontiguousarray(one), kind


def _altered_neutral(
    material: Material, rng: np.random.Generator
) -> tuple[str, tuple[str, ...], Any]:
    with np.load(material / "neutral.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    if rng.random() < 0.3:
        key = str(rng.choice([key for key in arrays if key != "kanhw"]))
        arrays[key], told = _strange_array(arrays[key], rng)
        told = f"{key} {told}"
    else:
        data, told = alter(json.loads(str(arrays["kanhw"][()])), rng)
        arrays["kanhw"] = np.array(json.dumps(data))

    def prepare(folder: Path) -> None:
        copies(material, folder)
        np.savez(folder / "neutral.npz", **arrays)

    return f"neutral {told}", READERS["neutral.npz"], prepare


def alter(data: Any, rng: np.random.Generator) -> tuple[Any, str]:
    """JSON with one thing changed, and which."""
    data = deepcopy(data)
    places = list(_places(data, ()))
    path = places[int(rng.integers(len(places)))]
    owner = data
    for key in path[:-1]:
        owner = owner[key]
    told = ".".join(map(str, path))
    kind = rng.random()
    if kind < 0.15 and isinstance(owner, dict):
        del owner[path[-1]]
        return data, f"{told} removed"
    if kind < 0.25 and isinstance(owner, dict):
        owner["surprise"] = strange_values(rng)
        return data, f"{told} has a neighbour"
    value = strange_values(rng)
    if value == owner[path[-1]] and type(value) is type(owner[path[-1]]):
        value = "another"
    owner[path[-1]] = value
    return data, f"{told} is {value!r:.60}"


def _places(data: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    entries = data.items() if isinstance(data, dict) else enumerate(data[:4])
    for key, value in entries:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*path, key))


def altered_manifests(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """Manifests altered by hand, which must be refused; and by somebody who seals them again.

    Of the latter only what is for people may be accepted.
    """
    while True:
        place = str(rng.choice(list(FOLDERS), p=[0.4, 0.2, 0.2, 0.2]))
        original = json.loads((material / f"{place}/{MANIFEST}").read_text())
        data, told = alter(original, rng)
        sealed = bool(rng.random() < 0.5)
        # These are written anew with the seal, or are not read.
        path = told.split(" ")[0]
        free = path.split(".")[0] in ("quantities", "kanhw", "files", "sha256", "facts")
        latency = path.startswith("latency_cycles")

        def prepare(
            folder: Path, data: Any = data, sealed: bool = sealed, place: str = place
        ) -> None:
            copies(material, folder)
            design = folder / place
            content = json.dumps(data).encode()
            if sealed:
                files = {path.name: path.read_bytes() for path in design.iterdir()}
                del files[MANIFEST]
                content = manifest_bytes(data, files)
            (design / MANIFEST).write_bytes(content)

        yield Trial(
            "sealed manifest" if sealed else "manifest",
            f"{place} {told}",
            FOLDERS[place],
            prepare,
            must_refuse=not sealed or not (free or latency),
        )
