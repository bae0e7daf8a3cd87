"""How the time and memory of quantizing one layer grow with its number of edges.

Each measurement is a process of its own: processor seconds, so that neighbours do not count, and
the most memory beyond what the imports take.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from measuring import Table

__all__ = ["REALISATIONS", "SIZES", "measure", "run_scale"]

SIZES = (125, 250, 500, 1000, 2000)
REALISATIONS = ("basis_table", "edge_table", "codebook")
SECONDS = 3600.0

CODE = """
import json, resource, sys, time
import numpy as np, torch
import kanhw
from kanhw.layers import KAN
size, realisation = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
kanhw.quantize(KAN([2, 2]).to_model(), x, activation_bits=4, realisation=realisation)
model = KAN([size, size]).to_model()
x = np.random.default_rng(0).uniform(-1, 1, (200, size))
before = resource.getrusage(resource.RUSAGE_SELF)
started = time.process_time()
program = kanhw.quantize(model, x, activation_bits=4, realisation=realisation)
seconds = time.process_time() - started
after = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"seconds": seconds, "peak": after.ru_maxrss - before.ru_maxrss}))
"""


def measure(size: int, realisation: str) -> dict[str, float]:
    """Processor seconds and KiB at most of a square layer's quantization to 4-bit codes."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(size), realisation],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True, timeout=SECONDS,
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run_scale(widest: int) -> list[dict[str, Any]]:
    """Every realisation at every size up to the widest, and what an edge takes."""
    table = Table(
        ["realisation", "inputs", "edges", "CPU s", "us an edge", "peak MiB", "bytes an edge"],
        [12, 0, 8],
    )
    rows = []
    for realisation in REALISATIONS:
        for size in (size for size in SIZES if size <= widest):
            figures = measure(size, realisation)
            edges = size * size
            row = {
                "realisation": realisation,
                "inputs": size,
                "edges": edges,
                "seconds": round(figures["seconds"], 2),
                "microseconds an edge": round(1e6 * figures["seconds"] / edges, 1),
                "peak MiB": round(figures["peak"] / 1024),
                "bytes an edge": round(1024 * figures["peak"] / edges),
            }
            rows.append(row)
            table.add(*row.values())
    return rows
