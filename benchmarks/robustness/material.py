"""What trials alter: a network of every format, its design and its results, made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kanhw
from kanhw.boards.build.building import build_for_board
from kanhw.boards.catalogue.table import board_named
from kanhw.layers import KAGN, KAN, FastKAN, PyKAN
from kanhw.model.neutral import save_model

__all__ = ["Material", "made"]

N_IN, N_OUT = 3, 2


@dataclass(frozen=True)
class Material:
    """Files by what they are, and the state of every checkpoint's network by its name."""

    folder: Path
    states: dict[str, dict[str, Any]]

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


def made(folder: Path) -> Material:
    """Make all of it in a folder."""
    torch.manual_seed(0)
    generator = np.random.default_rng(1)
    sizes = [N_IN, 2, N_OUT]
    network = KAN(sizes)
    states = {
        "model.pt": network.state_dict(),
        "fast.pt": FastKAN(sizes).state_dict(),
        "kagn.pt": KAGN(sizes).state_dict(),
        "py_state": PyKAN(sizes).state_dict(),
    }
    for name, state in states.items():
        torch.save(state, folder / name)
    x = generator.uniform(-1, 1, (128, N_IN))
    labels = generator.integers(0, N_OUT, 128)
    np.savez(folder / "data.npz", x=x, labels=labels)
    pairs = zip(x, labels, strict=True)
    rows = "\n".join(",".join(map(str, [*row, label])) for row, label in pairs)
    (folder / "data.csv").write_text(f"a,b,c,label\n{rows}\n")
    model = network.to_model()
    save_model(model, folder / "neutral.npz")
    program = kanhw.quantize(model, x, activation_bits=4)
    kanhw.save_program(program, folder / "program.safetensors")
    kanhw.generate(program, folder / "design", schedule=kanhw.Schedule(kind="folded"))
    kanhw.generate(program, folder / "bare", schedule=kanhw.Schedule(handshake=False))
    kanhw.generate(program, folder / "hls", backend="hls")
    board = board_named("icestick")
    build_for_board(program, kanhw.Schedule(), board, folder / "build", project=True)
    _write_pykan(folder / "py", x)
    simulation = {
        "engine": "cocotb", "simulator": "icarus", "simulator_version": "11.0", "vectors": 128,
        "mismatches": 0, "expected_mismatches": None, "problems": [], "latency_cycles": 9,
        "declared_latency": 9, "cycles_per_inference": 1.0, "inferences_per_second": 812.3,
        "stalls": True, "seed": 7, "reset_midstream": False, "accuracy": 0.5, "passed": True,
    }  # fmt: skip
    estimate = {
        "stage": "post-synthesis estimate", "target": "ecp5", "lut": 8, "lut_by_size": {"4": 8},
        "lut_memory": 0, "lut_carry": 0, "ff": 9, "carry": 0, "mux": 0, "inverters": 0, "dsp": 0,
        "bram": 0, "bram_unit": "DP16KD", "other": {}, "recipe": "abc9", "alternatives": {"abc": 9},
        "tool": "pyosys: Yosys 0.70", "script": "synth_ecp5", "seconds": 1.0,
        "timing": {"fmax_mhz": 99.0, "fmax_by_seed": [99.0], "device": "d", "tool": "t",
                   "flags": "", "seconds": 1.0},
    }  # fmt: skip
    (folder / "simulation.json").write_text(json.dumps(simulation))
    (folder / "estimate.json").write_text(json.dumps(estimate))
    _write_kanele(folder / "kanele", generator)
    return Material(folder, states)


def _write_pykan(prefix: Path, x: np.ndarray) -> None:
    """What PyKAN's ``saveckpt`` writes beside the state."""
    layers = [
        f"symbolic.funs_name.{k}:\n" + ("- " + "\n  ".join(["- '0'"] * n) + "\n") * m
        for k, (n, m) in enumerate(((N_IN, 2), (2, N_OUT)))
    ]
    Path(f"{prefix}_config.yml").write_text(
        "affine_trainable: false\nauto_save: true\nbase_fun_name: silu\nckpt_path: ./model\n"
        "device: cpu\ngrid: 3\ngrid_eps: 0.02\ngrid_range:\n- -1\n- 1\nk: 3\nmult_arity: 2\n"
        "round: 0\nsb_trainable: true\nsp_trainable: true\nstate_id: 0\n"
        f"{''.join(layers)}symbolic_enabled: true\n"
        f"width:\n- - {N_IN}\n  - 0\n- - 2\n  - 0\n- - {N_OUT}\n  - 0\n"
    )
    torch.save(torch.tensor(x, dtype=torch.float32), f"{prefix}_cache_data")


def _write_kanele(folder: Path, generator: np.random.Generator) -> None:
    folder.mkdir()
    tables = {
        f"{layer}_{i}_0": {"acive": 1, "values_int": generator.integers(-6, 7, 8).tolist()}
        for layer, i in ((0, 0), (0, 1), (1, 0))
    }
    config = {"layers": [2, 1, 1], "layers_bitwidth": [3, 3, 4]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "truth_tables.json").write_text(json.dumps(tables))
