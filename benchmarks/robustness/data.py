"""Arrays and tensors that no network should be made of, or fed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.robustness.altered import READERS, copies
from benchmarks.robustness.material import N_IN, Material
from benchmarks.robustness.trials import Trial

__all__ = ["strange_data", "strange_tensors"]

Tensor = Callable[[Any], Any]

# Ways to spoil a tensor; those that this torch lacks are left out.
TENSORS: dict[str, Tensor] = {
    "meta": lambda t: torch.empty(t.shape, device="meta"),
    "nested": lambda t: torch.nested.nested_tensor([t.flatten()[:2], t.flatten()[:1]]),
    "complex32": lambda t: t.to(torch.complex32),
    "complex64": lambda t: t.to(torch.complex64),
    "float8": lambda t: t.to(torch.float8_e4m3fn),
    "float4": lambda t: torch.empty(t.shape, dtype=torch.float4_e2m1fn_x2),
    "bfloat16": lambda t: t.bfloat16(),
    "half": lambda t: t.half(),
    "double": lambda t: t.double(),
    "quantized": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "sparse": lambda t: t.to_sparse(),
    "huge sparse": lambda t: torch.sparse_coo_tensor([[0], [0]], [1.0], (10**5, 10**5)),
    "expanded": lambda t: torch.zeros(1).expand(10**9),
    "expanded rows": lambda t: torch.zeros(1, 1).expand(10**5, 10**5),
    "100 axes": lambda t: torch.zeros((1,) * 100) if _many_axes() else torch.zeros((1,) * 60),
    "bool": lambda t: t > 0,
    "int": lambda t: t.long(),
    "scalar": lambda t: t.flatten()[0],
    "empty": lambda t: t[:0],
    "empty last": lambda t: t[..., :0],
    "nan": lambda t: t * float("nan"),
    "inf": lambda t: t + float("inf"),
    "1e300": lambda t: t.double() * 1e300,
    "1e38": lambda t: t * 1e38,
    "denormal": lambda t: t * 1e-44,
    "zero": torch.zeros_like,
    "transposed": lambda t: t.transpose(0, -1) if t.dim() > 1 else t,
    "flat": lambda t: t.flatten(),
    "one more": lambda t: torch.cat([t, t[:1]]),
    "one more axis": lambda t: t[None],
    "parameter": lambda t: torch.nn.Parameter(t.clone()),
    "text": lambda t: "a text",
    "none": lambda t: None,
    "list": lambda t: [1.0, 2.0],
    "dict": lambda t: {"inner": t},
}


def _many_axes() -> bool:
    try:
        torch.zeros((1,) * 100)
    except RuntimeError:
        return False
    return True


def _can_be_saved(state: Any, path: Path) -> bool:
    """Whether it is anybody's file."""
    try:
        torch.save(state, path)
    except Exception:
        return False
    return True


def strange_tensors(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """A checkpoint with one tensor of another kind, or another name."""
    while True:
        file = str(rng.choice(list(material.states), p=[0.4, 0.2, 0.2, 0.2]))
        state = dict(material.states[file])
        name = str(rng.choice(list(state)))
        kind = str(rng.choice([*TENSORS, "missing", "renamed", "doubled", "itself"]))
        if kind == "missing":
            del state[name]
        elif kind == "renamed":
            state[str(rng.choice(["\x1b[2J", "a" * 5000, "", "layers.0", "é\u202e", "."]))] = (
                state.pop(name)
            )
        elif kind == "doubled":
            state[f"other.{name}"] = state[name]
        elif kind == "itself":
            state["inner"] = state
        else:
            try:
                state[name] = TENSORS[kind](state[name])
            except (RuntimeError, AttributeError, NotImplementedError, TypeError):
                continue

        def prepare(folder: Path, state: Any = state, file: str = file) -> None:
            copies(material, folder)
            torch.save(state, folder / file)

        if not _can_be_saved(state, material.folder.parent / "probe.pt"):
            continue
        yield Trial("tensors", f"{file} {name} {kind}", READERS[file], prepare)


def _arrays(rng: np.random.Generator) -> dict[str, Any]:
    x = rng.uniform(-1, 1, (20, N_IN))
    big = x.copy()
    big[3, 1] = 1e300
    gap = x.copy()
    gap[3, 1] = np.nan
    return {
        "good": x,
        "float16": x.astype(np.float16),
        "longdouble": x.astype(np.longdouble),
        "big endian": x.astype(">f8"),
        "complex": x + 1j,
        "words": np.array([["a", "b", "c"]]),
        "objects": np.array([[None, 1, "a"]], object),
        "dates": np.zeros((2, N_IN), "M8[s]"),
        "records": np.zeros(3, [("a", "f8"), ("b", "i4")]),
        "bool": x > 0,
        "uint64": np.full((4, N_IN), 2**64 - 1, np.uint64),
        "1e300": big,
        "nan": gap,
        "inf": np.full((4, N_IN), np.inf),
        "constant": np.zeros((50, N_IN)),
        "denormal": x * 1e-310,
        "one row": x[:1],
        "no rows": x[:0],
        "no columns": x[:, :0],
        "wide": np.zeros((4, 10_000)),
        "flat": x[0],
        "scalar": np.array(1.0),
        "axes": np.zeros((1,) * 30),
        "fortran": np.asfortranarray(x),
        "zeros of 8 MiB": None,
    }


COMMANDS: dict[str, tuple[str, ...]] = {
    "calibration": READERS["data.npz"],
    "report": ("report", "design", "--data", "data.npz", "--out", "out.html"),
    "outputs": (
        "report", "design", "--data", "good.npz", "--outputs", "data.npz", "--out", "out.html"
    ),
    "simulate": ("simulate", "bare", "--vectors", "data.npz", "--simulator", "nowhere"),
    "power": (
        "estimate", "design", "--target", "nowhere", "--power", "--clock-mhz", "20", "--vectors",
        "data.npz",
    ),
    "run": ("run", "data.npz", "--port", "/dev/null", "--build", "build"),
    "train": ("train", "model.pt", "--data", "data.npz", "--epochs", "1", "--out", "out"),
    "sensitivity": ("sensitivity", "model.pt", "--calibration", "data.npz", "--bits", "2"),
    "testbench": ("generate", "program.safetensors", "--testbench", "data.npz", "--out", "out"),
}  # fmt: skip


def strange_data(material: Material, rng: np.random.Generator) -> Iterator[Trial]:
    """Features, labels and values of other types, sizes and ranges."""
    while True:
        kinds = _arrays(rng)
        command = str(rng.choice(list(COMMANDS)))
        arrays: dict[str, Any] = {}
        told = []
        for name in ("x", "y", "labels", "feature_names"):
            if name == "x" or rng.random() < 0.4:
                kind = str(rng.choice(list(kinds)))
                if name != "x" and rng.random() < 0.5:
                    arrays[name], kind = np.zeros(20, int), "zeros"
                else:
                    arrays[name] = kinds[kind]
                told.append(f"{name} {kind}")
        for name, array in arrays.items():
            if array is None:
                arrays[name] = np.zeros((1 << 20) // N_IN * N_IN).reshape(-1, N_IN)

        def prepare(folder: Path, arrays: Any = arrays, good: Any = kinds["good"]) -> None:
            copies(material, folder)
            np.savez_compressed(folder / "data.npz", **arrays)
            np.savez(folder / "good.npz", x=good, labels=np.zeros(20, int))

        yield Trial("data", f"{command} {', '.join(told)}", COMMANDS[command], prepare)
